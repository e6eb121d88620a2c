"""Moments of weighted draws, accumulated as those of chains are (see `moments`).

Each draw counts with its importance weight ω. Of a stretch s there are kept the weighted means, the
sum `M_s = Σ ω`, and `M_s C_s = Σ ω (φ-φ̄)(ℓ-ℓ̄)`, which adds up over stretches as it is; what they
say together is for `reweighing` to work out. Weights are kept relative to one of the largest so
far, a factor that all moments of a chain share.
"""

from collections.abc import Sequence

import numpy as np
import torch
from attrs import define
from torch import Tensor

from pattern_lang.estimate.moments import Averager, ChainResult, Weighting
from pattern_lang.estimate.stretches import Stretches

_APART = 20.0  # of log weights, above which all sums are measured anew: they are float32


@define(eq=False)
class WeightedSums:
    """Moments of one stretch. mass: Σ ω. means: (q,), rows: (N,) float64. cross: (q, n) float32."""

    count: int
    mass: Tensor
    means: Tensor
    rows: Tensor
    cross: Tensor

    @classmethod
    def empty(cls, averager: Averager) -> "WeightedSums":
        """Return the moments of no draws."""
        q = len(averager.members)
        mass, means = torch.zeros((), dtype=torch.float64), torch.zeros(q, dtype=torch.float64)
        rows = torch.zeros(averager.rows, dtype=torch.float64)
        return cls(0, mass, means, rows, torch.zeros(q, averager.units))

    def add(self, block: Tensor, weights: Tensor, averager: Averager) -> None:
        """Merge a block of draws, (B, R) entry losses and (B,) weights."""
        losses, means, fresh = block[:, : averager.rows], averager.means(block), weights.sum()
        share = weights / fresh
        mean, row_mean = share @ means, share @ losses
        units = averager.unit_losses((losses - row_mean).float())
        self.cross.addmm_(((means - mean) * weights[:, None]).float().T, units)
        total = self.mass + fresh
        step, row_step, part = mean - self.means, row_mean - self.rows, float(fresh / total)
        unit_step = averager.unit_losses(row_step[None])[0]
        self.cross.addr_(step.float(), unit_step.float(), alpha=float(self.mass) * part)
        self.means.add_(step, alpha=part)
        self.rows.add_(row_step, alpha=part)
        self.mass, self.count = total, self.count + len(block)


class WeightedMoments:
    """The moments of weighted draws in the making; used as `moments.Accumulator` is."""

    def __init__(self, averager: Averager, lengths: Sequence[int]) -> None:
        """Begin. lengths: draws of each stretch."""
        self.averager, self.lengths = averager, tuple(lengths)
        self.means: list[Tensor] = []
        self.rows: list[Tensor] = []
        self.masses: list[Tensor] = []
        self.traces: list[Tensor] = []
        self.logs: list[Tensor] = []
        self.origin: Tensor | None = None
        self.stretches = Stretches(len(self.lengths), len(averager.members), averager.units)
        self.sums = WeightedSums.empty(averager)

    @property
    def room(self) -> int:
        """Return how many draws the present stretch still takes; 0 when all are done."""
        if len(self.means) == len(self.lengths):
            return 0
        return self.lengths[len(self.means)] - self.sums.count

    def add(self, block: Tensor, logs: Tensor) -> None:
        """Take a block of draws, (B, R) entry losses and (B,) log weights, at most `room`."""
        # A weight that is nothing in float64 leaves a sum of weights to divide by.
        weights = (logs - self._measured(logs.max())).exp().clamp(min=1e-300)
        self.sums.add(block, weights, self.averager)
        self.traces.append(self.averager.means(block))
        self.logs.append(logs.clone())
        if not self.room:
            sums = self.sums
            self.stretches.add(lambda units: sums.cross[:, units])
            self.means.append(sums.means)
            self.rows.append(sums.rows.float())
            self.masses.append(sums.mass)
            self.sums = WeightedSums.empty(self.averager)

    def _measured(self, largest: Tensor) -> Tensor:
        """Return the log weight to measure others by: not much below the largest so far."""
        if self.origin is None:
            self.origin = largest.clone()
        elif largest > self.origin + _APART:
            factor = float((self.origin - largest).exp())
            self.masses = [mass * factor for mass in self.masses]
            self.sums.mass *= factor
            self.sums.cross *= factor
            self.stretches.scale(factor)
            self.origin = largest.clone()
        return self.origin

    def result(self, chain: int, seed: int, figures: dict[str, float]) -> ChainResult:
        """Return what the draws leave."""
        cross, noise = self.stretches.result()
        assert self.origin is not None  # of a chain with draws
        weighting = Weighting(
            torch.cat(self.logs).numpy(),
            torch.stack(self.masses).numpy(),
            self.origin[None].numpy(),
        )
        return ChainResult(
            chain=chain,
            seed=seed,
            trace=torch.cat(self.traces).numpy(),
            means=torch.stack(self.means).numpy(),
            rows=torch.stack(self.rows).numpy(),
            cross=cross,
            loadings=noise.loadings,
            basis=noise.basis,
            residual=None if noise.residual is None else noise.residual.kept,
            slopes=np.zeros((0, len(self.averager.members))),
            figures=figures,
            weighting=weighting,
        )

    def state(self) -> dict[str, Tensor]:
        """Return all that has been accumulated."""
        sums, q = self.sums, len(self.averager.members)
        empty, none = torch.zeros(0, q, dtype=torch.float64), torch.zeros(0, dtype=torch.float64)
        return {
            "count": torch.tensor(sums.count),
            **{f"sums/{n}": getattr(sums, n) for n in ("mass", "means", "rows", "cross")},
            "origin": none if self.origin is None else self.origin[None],
            "trace": torch.cat([*self.traces, empty]),
            "logs": torch.cat([*self.logs, none]),
            "masses": torch.stack(self.masses) if self.masses else none,
            "means": torch.stack(self.means) if self.means else empty,
            "rows": torch.stack(self.rows) if self.rows else torch.zeros(0, self.averager.rows),
            **{f"stretches/{name}": part for name, part in self.stretches.state().items()},
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        parts = (state[f"sums/{name}"].clone() for name in ("mass", "means", "rows", "cross"))
        self.sums = WeightedSums(int(state["count"]), *parts)
        self.origin = state["origin"][0].clone() if len(state["origin"]) else None
        self.traces = [state["trace"].clone()] if len(state["trace"]) else []
        self.logs = [state["logs"].clone()] if len(state["logs"]) else []
        self.means, self.rows = list(state["means"].clone()), list(state["rows"].clone())
        self.masses = list(state["masses"].clone())
        own = "stretches/"
        self.stretches.restore(
            {name.removeprefix(own): part for name, part in state.items() if name.startswith(own)}
        )
