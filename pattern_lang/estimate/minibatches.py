"""Minibatches of the re-weighted rows, in an order that can be taken up again."""

import torch
from torch import Generator, Tensor

from pattern_lang.estimate.evaluate import Rows
from pattern_lang.estimate.network import Batch


class Minibatches:
    """Minibatches without replacement within an epoch, for ever.

    Rows that do not fill a last batch are left out of that epoch; the next epoch is shuffled anew.
    A batch that takes all rows is all rows, in their order.
    """

    def __init__(self, rows: Rows, size: int, random: Generator) -> None:
        self.rows, self.size, self.random = rows.reweighted, size, random
        self.block = {name: tensor[: self.rows] for name, tensor in rows.blocks[0].items()}
        self.order = torch.empty(0, dtype=torch.int64)
        self.place = 0

    def __iter__(self) -> "Minibatches":
        return self

    def __next__(self) -> Batch:
        if self.size >= self.rows:
            return dict(self.block)
        if self.place + self.size > len(self.order):
            self.order, self.place = torch.randperm(self.rows, generator=self.random), 0
        chosen = self.order[self.place : self.place + self.size]
        self.place += self.size
        return {name: tensor.index_select(0, chosen) for name, tensor in self.block.items()}

    def state(self) -> dict[str, Tensor]:
        """Return the epoch's order and the place in it."""
        return {"order": self.order, "place": torch.tensor(self.place)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self.order, self.place = state["order"], int(state["place"])
