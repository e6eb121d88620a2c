"""Losses at a draw from which a gradient step sets out: those of its minibatch come with it.

The step that follows a draw goes through the rows of its minibatch at the very parameters of the
draw. So the draw waits for it, and only the other rows are evaluated.
"""

import torch
from torch import Tensor

from pattern_lang.estimate.evaluate import Rows, block_length, chunks_of, complete, in_bfloat16
from pattern_lang.estimate.network import Network


class Sharing:
    """Writes the loss of every entry, as an `evaluator` does, given those of some rows."""

    def __init__(self, network: Network, rows: Rows) -> None:
        self.network, self.rows = network, rows
        self.block, self.present = rows.blocks[0], rows.present[0]
        length = block_length(self.block)
        counts = torch.ones(length, dtype=torch.int64)
        if self.present is not None:
            counts = self.present.sum(1)
        self.starts = counts.cumsum(0) - counts
        own = int(counts.sum())
        self.others = [chunk for chunk in chunks_of(rows) if chunk.columns.start >= own]
        self.whole = torch.empty(rows.evaluated, dtype=torch.float64)

    def __call__(self, out: Tensor, base: Tensor, known: Tensor, losses: Tensor) -> None:
        """Write the losses minus `base` into `out`, (R,) float64; `losses` are those of `known`.

        known: (m,) rows of the first block. losses: (m,) or (m, P), at the present parameters.
        """
        rows, rounded = self.rows, self.rows.rounding is not None
        rest = torch.ones(block_length(self.block), dtype=torch.bool)
        rest[known] = False
        with torch.no_grad():
            with in_bfloat16(rounded):
                for part in torch.split(rest.nonzero()[:, 0], rows.chunks[0]):
                    if len(part):
                        self._evaluate(part)
                for chunk in self.others:
                    found = self.network.unit_loss(dict(chunk.batch)).reshape(-1)
                    if chunk.picked is not None:
                        found = found.index_select(0, chunk.picked)
                    self.whole[chunk.columns] = found
            places = self._put(known, losses)
            if rows.order is None:
                out[: rows.width] = self.whole
            complete(self.network, rows, self.whole, out, base)
            if rounded:
                out.sub_(self._rounding(places))

    def _evaluate(self, part: Tensor) -> None:
        batch = {name: tensor.index_select(0, part) for name, tensor in self.block.items()}
        self._put(part, self.network.unit_loss(batch))

    def _put(self, part: Tensor, losses: Tensor) -> Tensor:
        """Write the losses of some rows of the first block; return their places, (entries,)."""
        places = self.starts.index_select(0, part)
        if self.present is not None:
            here = self.present.index_select(0, part)
            places = (places[:, None] + here.cumsum(1) - 1)[here]
            losses = losses[here]
        self.whole[places] = losses.double()
        return places

    def _rounding(self, places: Tensor) -> Tensor:
        """Return what rounding does at θ*, 0 where nothing was rounded."""
        rows = self.rows
        assert rows.rounding is not None
        rounded = torch.ones(rows.evaluated, dtype=torch.bool)
        rounded[places] = False
        if rows.order is not None:
            rounded = rounded.index_select(0, rows.order)
        shift = rows.rounding.clone()
        shift[: rows.width] *= rounded
        return shift
