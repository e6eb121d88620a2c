"""Which rows each step of training takes: told from the seed and the step, so nothing is kept.

Rows come without replacement within an epoch, and epochs follow each other without a gap: a batch
may end one and begin the next. Runs of one seed see the same rows at the same step, whatever their
weights, which makes differences between arms paired.
"""

import hashlib

import torch
from torch import Tensor


class Order:
    """The order of rows for one seed. A batch that takes all rows is all rows, in their order."""

    def __init__(self, rows: int, batch: int, seed: int) -> None:
        self.rows, self.batch, self.seed = rows, min(batch, rows), seed
        self._epoch: tuple[int, Tensor] = (-1, torch.empty(0, dtype=torch.int64))

    def rows_of(self, step: int) -> Tensor:
        """Return the rows of a step, counted from 0: int64 (batch,)."""
        if self.batch == self.rows:
            return torch.arange(self.rows)
        epoch, place = divmod(step * self.batch, self.rows)
        head = self._permutation(epoch)[place : place + self.batch]
        if len(head) == self.batch:
            return head
        return torch.cat([head, self._permutation(epoch + 1)[: self.batch - len(head)]])

    def _permutation(self, epoch: int) -> Tensor:
        if self._epoch[0] != epoch:
            random = torch.Generator().manual_seed(seed_of("order", self.seed, epoch))
            self._epoch = epoch, torch.randperm(self.rows, generator=random)
        return self._epoch[1]


def seed_of(*parts: object) -> int:
    """Return a seed, 0 to 2⁶³ - 1, that depends on all the parts."""
    text = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1
