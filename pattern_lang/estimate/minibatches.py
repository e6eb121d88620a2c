"""Minibatches of the re-weighted rows, in an order that can be taken up again."""

import torch
from torch import Generator, Tensor, nn

from pattern_lang.estimate.evaluate import Rows
from pattern_lang.estimate.network import Batch, Network
from pattern_lang.estimate.recall import Memory, Room
from pattern_lang.estimate.recall_rows import ROWS, RowMemory


class Minibatches:
    """Minibatches without replacement within an epoch, for ever.

    Rows that do not fill a last batch are left out of that epoch; the next epoch is shuffled anew.
    A batch that takes all rows is all rows, in their order. The numbers of its rows come with it.
    """

    def __init__(self, rows: Rows, size: int, random: Generator) -> None:
        self.rows, self.size, self.random = rows.reweighted, size, random
        self.owner = rows.blocks[0]
        self.block = {name: tensor[: self.rows] for name, tensor in rows.blocks[0].items()}
        self.order = torch.empty(0, dtype=torch.int64)
        self.place = 0

    def __iter__(self) -> "Minibatches":
        return self

    def __next__(self) -> Batch:
        if self.size >= self.rows:
            return dict(self.block) | {ROWS: torch.arange(self.rows)}
        if self.place + self.size > len(self.order):
            self.order, self.place = torch.randperm(self.rows, generator=self.random), 0
        chosen = self.order[self.place : self.place + self.size]
        self.place += self.size
        batch = {name: tensor.index_select(0, chosen) for name, tensor in self.block.items()}
        return batch | {ROWS: chosen}

    def memory(self, network: Network) -> Memory | None:
        """Return what a network keeps of the rows for its passes over minibatches."""
        size = min(self.size, self.rows)

        def make(module: nn.Module, room: Room) -> Memory:
            return RowMemory(module, room, self.owner, rows=self.block, size=size)

        return network.memory(("rows", id(self.owner), self.rows, size), make)

    def state(self) -> dict[str, Tensor]:
        """Return the epoch's order and the place in it."""
        return {"order": self.order, "place": torch.tensor(self.place)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self.order, self.place = state["order"], int(state["place"])
