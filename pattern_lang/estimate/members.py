"""Minibatches of a data set that is followed: gradients of its own mean loss, not of L."""

import torch
from torch import Generator, Tensor

from pattern_lang.estimate.evaluate import Rows, block_length
from pattern_lang.estimate.network import Network


class MemberBatches:
    """Gradients of the mean loss over some entries, on minibatches of the rows that hold them.

    Rows come without replacement within an epoch; those that do not fill a last batch are left out
    of it. With as many rows as a batch or fewer, all are taken. An entry counts for 1/M of the
    mean, and a batch of b out of m rows for m/b of what it sums, so gradients are unbiased.
    """

    def __init__(self, rows: Rows, columns: Tensor, size: int, random: Generator) -> None:
        self.blocks, self.random = rows.blocks, random
        self.weights = _weights(rows, columns)
        self.lengths = [block_length(block) for block in rows.blocks]
        holds = [(w.reshape(len(w), -1) > 0).any(1) for w in self.weights]
        self.candidates = torch.cat(holds).nonzero()[:, 0]
        self.size = min(size, len(self.candidates))
        self.order = torch.empty(0, dtype=torch.int64)
        self.place = 0

    def gradient(self, network: Network) -> None:
        """Set the network's `grad` to the gradient at its `theta` on the next minibatch."""
        chosen = self._next()
        scale = len(self.candidates) / len(chosen)
        network.clear()
        start = 0
        for block, weights, length in zip(self.blocks, self.weights, self.lengths, strict=True):
            inside = chosen[(chosen >= start) & (chosen < start + length)] - start
            start += length
            if not len(inside):
                continue
            batch = {name: tensor.index_select(0, inside) for name, tensor in block.items()}
            losses, share = network.unit_loss(batch), weights.index_select(0, inside)
            share = share.to(losses.dtype)
            own = torch.where(share > 0, losses * share, 0.0).reshape(len(inside), -1).sum(1)
            network.add_gradient(own, torch.full_like(own, scale))

    def state(self) -> dict[str, Tensor]:
        """Return the epoch's order, the place in it, and the random numbers to come."""
        state = {"order": self.order, "place": torch.tensor(self.place)}
        return state | {"random": self.random.get_state()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self.order, self.place = state["order"], int(state["place"])
        self.random.set_state(state["random"])

    def _next(self) -> Tensor:
        if self.size == len(self.candidates):
            return self.candidates
        if self.place + self.size > len(self.order):
            self.order = torch.randperm(len(self.candidates), generator=self.random)
            self.place = 0
        chosen = self.order[self.place : self.place + self.size]
        self.place += self.size
        return self.candidates.index_select(0, chosen)


def _weights(rows: Rows, columns: Tensor) -> list[Tensor]:
    """Return per block what each loss counts for in the mean, shaped as its losses, float64."""
    entries = columns if rows.order is None else rows.order.index_select(0, columns)
    counts = torch.zeros(rows.evaluated, dtype=torch.float64)
    counts[entries] = 1 / len(entries)
    found, start = [], 0
    for block, present in zip(rows.blocks, rows.present, strict=True):
        length = block_length(block) if present is None else int(present.sum())
        own = counts[start : start + length]
        start += length
        if present is None:
            found.append(own)
            continue
        spread = torch.zeros(present.shape, dtype=torch.float64)
        spread[present] = own
        found.append(spread)
    return found
