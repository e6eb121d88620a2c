"""Moments of losses, accumulated over the draws of a chain.

Draws are never kept: a block of them is reduced by two matrix products, and blocks of one stretch
of the chain are merged by the update of Chan, Golub & LeVeque (1979). Means are float64. Products
are of centred numbers, which float32 holds far more precisely than any number of draws can: what
loses digits is to multiply losses that are not centred.
"""

from collections.abc import Sequence

import numpy as np
import torch
from attrs import define, field, frozen
from torch import Tensor

from pattern_lang.estimate.stretches import Stretches
from pattern_lang.estimate.table import Array
from pattern_lang.ir.noise import Noise


@frozen(eq=False)
class Averager:
    """How a block of entry losses becomes data-set means and unit losses.

    members: for each of the q data sets (and probes), the columns that it averages, ascending.
    parts: (P, N) bool. unit_of_row: (N,) or None. width: R. All losses are relative to θ*.
    """

    members: tuple[Tensor, ...]
    parts: Tensor
    unit_of_row: Tensor | None
    units: int
    width: int

    def means(self, block: Tensor) -> Tensor:
        """Return the data sets' mean losses, (B, q), of a block (B, R)."""
        return torch.stack([_mean(block, columns) for columns in self.members], dim=1)

    def part_losses(self, rows: Array, part: int) -> Array:
        """Return the unit losses (n,) of the rows of a part alone, from row losses (N,)."""
        losses = torch.from_numpy(np.asarray(rows, dtype=np.float64))
        if part:
            losses = self.parts[part].to(losses.dtype) * losses
        return self.unit_losses(losses[None])[0].numpy()

    def unit_losses(self, losses: Tensor) -> Tensor:
        """Return unit losses (B, n) of row losses (B, N): for groups, (n/N) Σ over their rows."""
        if self.unit_of_row is None:
            return losses
        sums = losses.new_zeros(len(losses), self.units)
        sums.index_add_(1, self.unit_of_row, losses)
        return sums.mul_(self.units / losses.shape[1])

    @property
    def rows(self) -> int:
        """Return N, the number of re-weighted rows."""
        return int(self.parts.shape[1])


def _mean(block: Tensor, columns: Tensor) -> Tensor:
    first, last = int(columns[0]), int(columns[-1])
    if last - first + 1 == len(columns):
        return block[:, first : last + 1].mean(dim=1)
    return block.index_select(1, columns).mean(dim=1)


@define(eq=False)
class StretchSums:
    """Running moments of one stretch: counts, means, and the sum of centred cross products.

    means: (q,) and rows: (N,) float64. cross: (q, n) float32.
    """

    count: int
    means: Tensor
    rows: Tensor
    cross: Tensor

    @classmethod
    def empty(cls, averager: Averager) -> "StretchSums":
        """Return the moments of no draws."""
        q = len(averager.members)
        means = torch.zeros(q, dtype=torch.float64)
        rows = torch.zeros(averager.rows, dtype=torch.float64)
        return cls(0, means, rows, torch.zeros(q, averager.units))

    def add(self, block: Tensor, averager: Averager) -> None:
        """Merge a block of draws, (B, R) entry losses."""
        fresh, losses = len(block), block[:, : averager.rows]
        means = averager.means(block)
        mean, row_mean = means.mean(0), losses.mean(0)
        total = self.count + fresh
        share = fresh / total
        step, row_step = mean - self.means, row_mean - self.rows
        units = averager.unit_losses((losses - row_mean).float())
        self.cross.addmm_((means - mean).float().T, units)
        unit_step = averager.unit_losses(row_step[None])[0]
        self.cross.addr_(step.float(), unit_step.float(), alpha=self.count * share)
        self.means.add_(step, alpha=share)
        self.rows.add_(row_step, alpha=share)
        self.count = total


class Accumulator:
    """The moments of a chain in the making: draws go in by blocks, stretches end by themselves.

    Its state is a dictionary of tensors, so that a chain can stop after any block and go on.
    """

    def __init__(
        self, averager: Averager, lengths: Sequence[int], closed: Tensor | None = None
    ) -> None:
        """Begin. lengths: draws of each stretch. closed: (q, n) covariances known beside them."""
        self.averager, self.lengths, self.closed = averager, tuple(lengths), closed
        self.means: list[Tensor] = []
        self.rows: list[Tensor] = []
        self.traces: list[Tensor] = []
        self.stretches = Stretches(len(self.lengths), len(averager.members), averager.units)
        self.sums = StretchSums.empty(averager)

    @property
    def room(self) -> int:
        """Return how many draws the present stretch still takes; 0 when all are done."""
        if len(self.means) == len(self.lengths):
            return 0
        return self.lengths[len(self.means)] - self.sums.count

    def add(self, block: Tensor, trace: Tensor | None = None) -> None:
        """Take a block of draws, (B, R) entry losses, at most `room` of them.

        trace: (T, q) what the trace shows, where that is not the means of the block.
        """
        self.sums.add(block, self.averager)
        self.traces.append(self.averager.means(block) if trace is None else trace)
        if not self.room:
            sums = self.sums
            cross = sums.cross.div_(sums.count)
            if self.closed is not None:
                cross.add_(self.closed)
            self.stretches.add(cross)
            self.means.append(sums.means)
            self.rows.append(sums.rows.float())
            self.sums = StretchSums.empty(self.averager)

    def result(self, chain: int, seed: int, figures: dict[str, float]) -> "ChainResult":
        """Return what the chain leaves."""
        cross, noise = self.stretches.result()
        return ChainResult(
            chain=chain,
            seed=seed,
            trace=torch.cat(self.traces).numpy(),
            means=torch.stack(self.means).numpy(),
            rows=torch.stack(self.rows).numpy(),
            cross=cross,
            noise=noise,
            figures=figures,
        )

    def state(self) -> dict[str, Tensor]:
        """Return all that has been accumulated."""
        sums, q = self.sums, len(self.averager.members)
        empty = torch.zeros(0, q, dtype=torch.float64)
        return {
            "count": torch.tensor(sums.count),
            "sums/means": sums.means,
            "sums/rows": sums.rows,
            "sums/cross": sums.cross,
            "trace": torch.cat([*self.traces, empty]),
            "means": torch.stack(self.means) if self.means else empty,
            "rows": torch.stack(self.rows) if self.rows else torch.zeros(0, self.averager.rows),
            **{f"stretches/{name}": part for name, part in self.stretches.state().items()},
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        parts = (state[f"sums/{name}"].clone() for name in ("means", "rows", "cross"))
        self.sums = StretchSums(int(state["count"]), *parts)
        self.traces = [state["trace"].clone()] if len(state["trace"]) else []
        self.means, self.rows = list(state["means"].clone()), list(state["rows"].clone())
        own = "stretches/"
        self.stretches.restore(
            {name.removeprefix(own): part for name, part in state.items() if name.startswith(own)}
        )


@frozen(eq=False)
class Weighting:
    """How weighted draws count (see `weighted`).

    logs: (T,) log weights. masses: (S,) sums of weights of each stretch, relative to exp(origin);
    `cross` and `noise` of a weighted chain are then sums of weighted products, not yet divided.
    """

    logs: Array
    masses: Array
    origin: Array


@frozen(eq=False)
class ChainResult:
    """What a chain leaves: traces and moments of losses relative to θ*.

    trace: (draws, q) mean losses of the data sets. means: (S, q) and rows: (S, N), their means and
    those of the re-weighted rows over each of S stretches. cross: (q, n) float32, covariances of
    data-set means and unit losses within the stretches, on average; noise: how those of single
    stretches deviate from it.
    figures: what else the sampler has to say about itself, by name, such as its `acceptance`.
    weighting: how draws count that do not all count the same, None where they do.
    """

    chain: int
    seed: int
    trace: Array
    means: Array
    rows: Array
    cross: Array
    noise: Noise
    figures: dict[str, float] = field(factory=dict)
    weighting: Weighting | None = None

    @property
    def stretches(self) -> int:
        """Return S."""
        return len(self.means)

    def following(self, columns: Sequence[int]) -> "ChainResult":
        """Return the same chain as if it had followed some of its data sets only."""
        chosen = list(columns)
        noise = self.noise
        residual = None if noise.residual is None else noise.residual[chosen]
        return ChainResult(
            self.chain,
            self.seed,
            np.ascontiguousarray(self.trace[:, chosen]),
            np.ascontiguousarray(self.means[:, chosen]),
            self.rows,
            np.ascontiguousarray(self.cross[chosen]),
            Noise(np.ascontiguousarray(noise.loadings[:, chosen]), noise.basis, residual),
            self.figures,
            self.weighting,
        )


_WEIGHTING = ("logs", "masses", "origin")


def chain_arrays(chain: ChainResult) -> dict[str, Array]:
    """Return the arrays of a chain by name."""
    noise = chain.noise
    found = {name: getattr(chain, name) for name in ("trace", "means", "rows", "cross")}
    found |= {"noise/loadings": noise.loadings, "noise/basis": noise.basis}
    if noise.residual is not None:
        found["noise/residual"] = noise.residual
    if chain.weighting is not None:
        found |= {f"weighting/{n}": getattr(chain.weighting, n) for n in _WEIGHTING}
    return {name: np.asarray(array, order="C") for name, array in found.items()}


def chain_of(
    chain: int, seed: int, arrays: dict[str, Array], figures: dict[str, float]
) -> ChainResult:
    """Put a chain together; raise KeyError where an array is missing."""
    noise = Noise(arrays["noise/loadings"], arrays["noise/basis"], arrays.get("noise/residual"))
    trace, means, rows, cross = (arrays[name] for name in ("trace", "means", "rows", "cross"))
    weighting = None
    if "weighting/logs" in arrays:
        weighting = Weighting(*(arrays[f"weighting/{name}"] for name in _WEIGHTING))
    return ChainResult(chain, seed, trace, means, rows, cross, noise, figures, weighting)
