"""Moments of losses, accumulated over the draws of a chain.

Draws of one stretch of the chain are kept as they are while they take no more room than what they
are reduced to, which is when there are no more of them than data sets. Longer stretches are reduced
block by block, by two matrix products, and the blocks merged by the update of Chan, Golub & LeVeque
(1979). Means are float64. Products are of centred numbers, which float32 holds far more precisely
than any number of draws can: what loses digits is to multiply losses that are not centred.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from attrs import define, evolve, field, frozen
from torch import Tensor

from pattern_lang.estimate.arrays import Matrix, picked
from pattern_lang.estimate.heap import give_back
from pattern_lang.estimate.series import Series
from pattern_lang.estimate.stretches import Stretches
from pattern_lang.estimate.table import Array
from pattern_lang.ir.noise import Noise
from pattern_lang.ir.variances import Variances, blocks

# Entries from which on what the allocator keeps is more than the time to give it back is worth.
MANY = 2**19


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


def _refill(series: Series, rows: Tensor) -> None:
    for place, row in enumerate(rows):
        for columns in blocks(series.width):
            series.put(place, columns, row[columns].numpy())


@define(eq=False)
class StretchSums:
    """Running moments of one stretch of `length` draws, in room that the next takes over.

    means: (q,) and rows: (N,) float64. Of a short stretch, held: (length, n) the unit losses of
    every draw less `base`, (n,) float64, and followed: (length, q) float64, the data
    sets' means. Of a long one, cross: (q, n) float32, the sum of centred cross products; or the
    sum of what is given for them, where `products` is off.
    """

    count: int
    means: Tensor
    rows: Tensor
    cross: Tensor
    held: Series
    followed: Tensor
    base: Tensor
    products: bool = True

    @classmethod
    def empty(cls, averager: Averager, length: int, *, products: bool = True) -> "StretchSums":
        """Return the moments of no draws yet."""
        q, n = len(averager.members), averager.units
        short = products and length <= q
        means = torch.zeros(q, dtype=torch.float64)
        rows = torch.zeros(averager.rows if length else 0, dtype=torch.float64)
        cross = torch.zeros(0 if short else q, n)
        held = Series(length if short else 0, n)
        followed = torch.zeros(len(held), q, dtype=torch.float64)
        base = torch.zeros(n if len(held) else 0, dtype=torch.float64)
        return cls(0, means, rows, cross, held, followed, base, products)

    def again(self, length: int) -> bool:
        """Begin another stretch in the same room, and tell whether it fits there.

        Vectors over the units that come and go would leave holes in memory.
        """
        short = self.products and length <= len(self.means)
        if (length if short else 0) != len(self.held):
            return False
        self.count, self.means = 0, torch.zeros_like(self.means)
        self.rows.zero_()
        self.cross.zero_()
        return True

    def add(self, block: Tensor, averager: Averager) -> None:
        """Merge a block of draws, (B, R) entry losses."""
        fresh, losses = len(block), block[:, : averager.rows]
        means = averager.means(block)
        total = self.count + fresh
        share = fresh / total
        step = means.mean(0) - self.means
        if self.products and not len(self.held):
            self._multiply(losses, means, step, averager)
        self.means.add_(step, alpha=share)
        for columns in blocks(averager.rows):
            row_step = losses[:, columns].mean(0) - self.rows[columns]
            self.rows[columns].add_(row_step, alpha=share)
        if len(self.held):
            self._hold(losses, means, averager)
        self.count = total

    def _hold(self, losses: Tensor, means: Tensor, averager: Averager) -> None:
        """Keep a block as it is, less the mean of the stretch's first one."""
        if not self.count:
            self.base.copy_(averager.unit_losses(self.rows[None])[0])
        self.followed[self.count : self.count + len(losses)] = means
        for place, units in enumerate(averager.unit_losses(losses), self.count):
            for columns in blocks(averager.units):
                self.held.put(place, columns, (units[columns] - self.base[columns]).numpy())

    def _multiply(self, losses: Tensor, means: Tensor, step: Tensor, averager: Averager) -> None:
        """Add the products of a block's means with its losses, both centred."""
        row_mean = losses.mean(0)
        centred = torch.sub(losses, row_mean, out=torch.empty(losses.shape))
        self.cross.addmm_((means - means.mean(0)).float().T, averager.unit_losses(centred))
        unit_step = averager.unit_losses((row_mean - self.rows)[None])[0]
        weight = self.count * len(losses) / (self.count + len(losses))
        self.cross.addr_(step.float(), unit_step.float(), alpha=weight)

    def covariances(self, units: slice) -> Tensor:
        """Return the covariances of the data sets' means with some units' losses, float32."""
        if not len(self.held):
            return self.cross[:, units] / self.count
        centred = (self.followed - self.followed.mean(0)) / self.count
        return centred.float().T @ torch.from_numpy(self.held.first(self.count)[:, units])

    def state(self) -> dict[str, Tensor]:
        """Return everything by name."""
        tensors = {
            "count": torch.tensor(self.count),
            "means": self.means,
            "rows": self.rows,
            "cross": self.cross,
            "base": self.base,
        }
        return tensors | {"followed": self.followed[: self.count]}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self.count = int(state["count"])
        for name in ("means", "rows", "cross", "base"):
            setattr(self, name, state[name].clone())
        if len(self.held):
            _refill(self.held, state["held"])
            self.followed[: self.count] = state["followed"]


class Accumulator:
    """The moments of a chain in the making: draws go in by blocks, stretches end by themselves.

    Its state is a dictionary of tensors, so that a chain can stop after any block and go on.
    """

    def __init__(
        self,
        averager: Averager,
        lengths: Sequence[int],
        closed: Tensor | None = None,
        *,
        pathwise: bool = False,
    ) -> None:
        """Begin. lengths: draws of each stretch. closed: (q, n) covariances known beside them.

        pathwise: covariances come as derivatives, by `add_slopes`, not as products of losses.
        """
        self.pathwise = pathwise
        self.averager, self.lengths, self.closed = averager, tuple(lengths), closed
        self.means: list[Tensor] = []
        self.rows = Series(len(self.lengths), averager.rows)
        self.traces: list[Tensor] = []
        self.slopes: list[Tensor] = []
        self.stretches = Stretches(len(self.lengths), len(averager.members), averager.units)
        self.sums = self._begin()

    def _begin(self) -> StretchSums:
        done = len(self.means)
        length = self.lengths[done] if done < len(self.lengths) else 0
        return StretchSums.empty(self.averager, length, products=not self.pathwise)

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
            self.stretches.add(self._covariances)
            for columns in blocks(self.averager.rows):
                self.rows.put(len(self.means), columns, self.sums.rows[columns].numpy())
            self.means.append(self.sums.means)
            done = len(self.means)
            if done == len(self.lengths) or not self.sums.again(self.lengths[done]):
                self.sums = self._begin()
            if self.averager.rows > MANY:
                give_back()

    def _covariances(self, units: slice) -> Tensor:
        found = self.sums.covariances(units)
        return found if self.closed is None else found.add_(self.closed[:, units])

    def add_slopes(self, members: Sequence[int], slopes: Tensor) -> None:
        """Take the derivatives of one draw, before the block that it belongs to.

        slopes: (t, N) of the re-weighted entries' losses along the tangent of each of `members`;
        their mean is minus the covariance.
        """
        chosen = list(members)
        self.sums.cross[chosen] -= self.averager.unit_losses(slopes).float()
        means = torch.zeros(len(self.averager.members), dtype=torch.float64)
        means[chosen] = slopes.mean(1)
        self.slopes.append(means[None])

    def result(self, chain: int, seed: int, figures: dict[str, float]) -> "ChainResult":
        """Return what the chain leaves."""
        cross, noise = self.stretches.result()
        return ChainResult(
            chain=chain,
            seed=seed,
            trace=torch.cat(self.traces).numpy(),
            means=torch.stack(self.means).numpy(),
            rows=self.rows.first(len(self.means)),
            cross=cross,
            loadings=noise.loadings,
            basis=noise.basis,
            residual=None if noise.residual is None else noise.residual.kept,
            slopes=torch.cat([*self.slopes, self._no_draws]).numpy(),
            figures=figures,
        )

    @property
    def _no_draws(self) -> Tensor:
        return torch.zeros(0, len(self.averager.members), dtype=torch.float64)

    def state(self) -> dict[str, Tensor]:
        """Return what has been accumulated, but for the `matrices`."""
        empty = self._no_draws
        return {
            "trace": torch.cat([*self.traces, empty]),
            "slopes": torch.cat([*self.slopes, empty]),
            "means": torch.stack(self.means) if self.means else empty,
            **{f"sums/{name}": part for name, part in self.sums.state().items()},
            **{f"stretches/{name}": part for name, part in self.stretches.state().items()},
        }

    def matrices(self) -> dict[str, Matrix]:
        """Return what has been accumulated and may be in files."""
        rows, held = self.rows.first(len(self.means)), self.sums.held
        return {"rows": rows, "sums/held": held.first(min(self.sums.count, len(held)))}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state and its matrices."""
        self.traces = [state["trace"].clone()] if len(state["trace"]) else []
        self.slopes = [state["slopes"].clone()] if len(state["slopes"]) else []
        self.means = list(state["means"].clone())
        _refill(self.rows, state["rows"])
        self.sums = self._begin()
        for name, part in (("sums", self.sums), ("stretches", self.stretches)):
            own = f"{name}/"
            part.restore({k.removeprefix(own): t for k, t in state.items() if k.startswith(own)})


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
    data-set means and unit losses within the stretches, on average; how those of single stretches
    deviate from it is a noise of the loadings (S, q, r), the basis (r, n) and the residual (q, n),
    as `Variances` keep it.
    slopes: (draws, q) the derivatives of the mean loss of all units at each draw, none where the
    covariances are not pathwise.
    What goes over the units is in memory or in a file; it is asked for some units at a time.
    figures: what else the sampler has to say about itself, by name, such as its `acceptance`.
    weighting: how draws count that do not all count the same, None where they do.
    """

    chain: int
    seed: int
    trace: Array
    means: Array
    rows: Matrix
    cross: Matrix
    loadings: Array
    basis: Matrix
    residual: Matrix | None
    slopes: Array
    figures: dict[str, float] = field(factory=dict)
    weighting: Weighting | None = None

    @property
    def stretches(self) -> int:
        """Return S."""
        return len(self.means)

    @property
    def noise(self) -> Noise:
        """Return how single stretches deviate, in memory."""
        residual = None if self.residual is None else Variances(self.residual[:, :])
        return Noise(self.loadings, self.basis[:, :], residual)

    def following(self, columns: Sequence[int]) -> "ChainResult":
        """Return the same chain as if it had followed some of its data sets only."""
        chosen = list(columns)
        if chosen == list(range(self.means.shape[1])):
            return self
        return evolve(
            self,
            trace=np.ascontiguousarray(self.trace[:, chosen]),
            means=np.ascontiguousarray(self.means[:, chosen]),
            cross=picked(self.cross, chosen),
            loadings=np.ascontiguousarray(self.loadings[:, chosen]),
            residual=None if self.residual is None else picked(self.residual, chosen),
            slopes=np.ascontiguousarray(self.slopes[:, chosen]),
        )


_WEIGHTING = ("logs", "masses", "origin")


def chain_arrays(chain: ChainResult) -> dict[str, Matrix]:
    """Return the arrays of a chain by name."""
    found = {name: getattr(chain, name) for name in ("trace", "means", "rows", "cross", "slopes")}
    found |= {"noise/loadings": chain.loadings, "noise/basis": chain.basis}
    if chain.residual is not None:
        found["noise/residual"] = chain.residual
    if chain.weighting is not None:
        found |= {f"weighting/{n}": getattr(chain.weighting, n) for n in _WEIGHTING}
    return found


def chain_of(
    chain: int, seed: int, arrays: Mapping[str, Matrix], figures: dict[str, float]
) -> ChainResult:
    """Put a chain together; raise KeyError where an array is missing."""
    trace, means, slopes = (np.asarray(arrays[name]) for name in ("trace", "means", "slopes"))
    loadings = np.asarray(arrays["noise/loadings"])
    rows, cross, basis = (arrays[name] for name in ("rows", "cross", "noise/basis"))
    residual, weighting = arrays.get("noise/residual"), None
    if "weighting/logs" in arrays:
        weighting = Weighting(*(np.asarray(arrays[f"weighting/{name}"]) for name in _WEIGHTING))
    return ChainResult(
        chain,
        seed,
        trace,
        means,
        rows,
        cross,
        loadings,
        basis,
        residual,
        slopes,
        dict(figures),
        weighting,
    )
