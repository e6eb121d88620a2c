"""Moments of losses, accumulated over the draws of one segment of a chain.

Draws are never kept: a block of them is reduced by two matrix products, and blocks are merged by
the update of Chan, Golub & LeVeque (1979), centred, in float64. Products that are not centred lose
8 % of a covariance in float32 at the small loss excess of a localised posterior.
"""

from collections.abc import Sequence

import torch
from attrs import define, field, frozen
from torch import Tensor

from pattern_lang.estimate.table import Array

_MOMENTS = ("means", "units", "rows", "cross")


@frozen(eq=False)
class Averager:
    """How a block of row losses becomes data-set means and unit losses.

    averages: (q, R). parts: (P, N) bool. unit_of_row: (N,) or None. All losses are relative to θ*.
    """

    averages: Tensor
    parts: Tensor
    unit_of_row: Tensor | None
    units: int

    def means(self, block: Tensor) -> Tensor:
        """Return the data sets' mean losses, (B, q), of a block (B, R)."""
        return block @ self.averages.T

    def part_losses(self, rows: Array) -> Array:
        """Return the unit losses (P, n) of the rows of each part alone, from row losses (N,)."""
        losses = torch.from_numpy(rows)
        return self.unit_losses(self.parts.to(losses.dtype) * losses).numpy()

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


@define(eq=False)
class SegmentSums:
    """Running moments of one segment: counts, means, and the sum of centred cross products.

    means: (q,). units: (n,). rows: (N,). cross: (q, n).
    """

    count: int
    means: Tensor
    units: Tensor
    rows: Tensor
    cross: Tensor

    @classmethod
    def empty(cls, averager: Averager) -> "SegmentSums":
        """Return the moments of no draws."""
        q, n = len(averager.averages), averager.units
        shapes = (q,), (n,), (averager.rows,), (q, n)
        return cls(0, *(torch.zeros(shape, dtype=torch.float64) for shape in shapes))

    def add(self, block: Tensor, averager: Averager) -> None:
        """Merge a block of draws, (B, R) row losses."""
        fresh = len(block)
        means = averager.means(block)
        losses = block[:, : averager.rows]
        units = averager.unit_losses(losses)
        mean, unit_mean = means.mean(0), units.mean(0)
        total = self.count + fresh
        share = fresh / total
        step, unit_step = mean - self.means, unit_mean - self.units
        self.cross.addmm_((means - mean).T, units)
        self.cross.addr_(step, unit_step, alpha=self.count * share)
        self.means.add_(step, alpha=share)
        self.units.add_(unit_step, alpha=share)
        self.rows.add_(losses.mean(0) - self.rows, alpha=share)
        self.count = total

    def finish(self) -> "SegmentMoments":
        """Return the segment's moments as arrays."""
        return SegmentMoments(
            self.means.numpy(),
            self.units.numpy(),
            self.rows.numpy(),
            (self.cross / self.count).numpy(),
        )


@frozen(eq=False)
class SegmentMoments:
    """Moments over one segment, of losses relative to θ*.

    means: (q,) mean losses of the data sets. units: (n,) mean unit losses. rows: (N,) mean losses
    of the re-weighted rows. cross: (q, n) covariances within the segment.
    """

    means: Array
    units: Array
    rows: Array
    cross: Array


class Accumulator:
    """The moments of a chain in the making: draws go in block by block, segments end by themselves.

    Its state is a dictionary of tensors, so that a chain can stop after any block and go on.
    """

    def __init__(
        self, averager: Averager, lengths: Sequence[int], closed: Tensor | None = None
    ) -> None:
        """Begin. lengths: draws of each segment. closed: (q, n) covariances known beside them."""
        self.averager, self.lengths, self.closed = averager, tuple(lengths), closed
        self.finished: list[SegmentMoments] = []
        self.traces: list[Tensor] = []
        self.sums = SegmentSums.empty(averager)

    @property
    def room(self) -> int:
        """Return how many draws the present segment still takes; 0 when all are done."""
        if len(self.finished) == len(self.lengths):
            return 0
        return self.lengths[len(self.finished)] - self.sums.count

    def add(self, block: Tensor, trace: Tensor | None = None) -> None:
        """Take a block of draws, (B, R) entry losses, at most `room` of them.

        trace: (T, q) what the trace shows, where that is not the means of the block.
        """
        self.sums.add(block, self.averager)
        self.traces.append(self.averager.means(block) if trace is None else trace)
        if not self.room:
            if self.closed is not None:
                self.sums.cross.add_(self.closed, alpha=self.sums.count)
            self.finished.append(self.sums.finish())
            self.sums = SegmentSums.empty(self.averager)

    def result(self, chain: int, seed: int, figures: dict[str, float]) -> "ChainResult":
        """Return what the chain leaves."""
        trace = torch.cat(self.traces).numpy()
        return ChainResult(chain, seed, trace, tuple(self.finished), figures)

    def state(self) -> dict[str, Tensor]:
        """Return all that has been accumulated."""
        sums = self.sums
        empty = torch.zeros(0, len(self.averager.averages), dtype=torch.float64)
        state = {"count": torch.tensor(sums.count), "trace": torch.cat([*self.traces, empty])}
        state |= {f"sums/{name}": getattr(sums, name) for name in _MOMENTS}
        for number, segment in enumerate(self.finished):
            parts = {name: torch.from_numpy(getattr(segment, name)) for name in _MOMENTS}
            state |= {f"{number}/{name}": part for name, part in parts.items()}
        return state

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        done = sum(name.endswith("/cross") for name in state) - 1
        self.finished = [
            SegmentMoments(*(state[f"{number}/{name}"].numpy() for name in _MOMENTS))
            for number in range(done)
        ]
        self.traces = [state["trace"]] if len(state["trace"]) else []
        self.sums = SegmentSums(
            int(state["count"]), *(state[f"sums/{name}"].clone() for name in _MOMENTS)
        )


@frozen(eq=False)
class ChainResult:
    """What a chain leaves: the data sets' mean losses relative to θ* (draws, q), and moments.

    figures: what else the sampler has to say about itself, by name, such as its `acceptance`.
    """

    chain: int
    seed: int
    trace: Array
    segments: tuple[SegmentMoments, ...]
    figures: dict[str, float] = field(factory=dict)
