"""Keeping what frozen parameters decide of single rows, for gradient steps on minibatches."""

from collections.abc import Callable, Mapping

import torch
from attrs import define, field
from torch import Tensor

from pattern_lang.estimate.recall import Batch, Memory, same_bits

# A column of our own in minibatches: the numbers of their rows, (rows,) int64.
ROWS = "<rows>"
_CONFIRMED = 8  # minibatches of other rows


@define(eq=False)
class RowMemory(Memory):
    """What is kept of single rows, for passes over minibatches of `size` of them.

    Products may round differently with the number of rows that they are made of, so rows are gone
    through in groups of just that size; and kept only if other groups give the same bits.
    """

    rows: Mapping[str, Tensor] = field(factory=dict, kw_only=True)
    size: int = field(default=0, kw_only=True)
    by_row: dict[int, tuple[Tensor, int]] = field(factory=dict, init=False)

    def _keep(self, batch: Batch) -> bool:
        count, size = len(next(iter(self.rows.values()))), self.size
        if not self.program.is_even:
            return False
        direct = self.program.run(batch)
        groups = -(-count // size)
        bytes_each = sum(tensor.numel() * tensor.element_size() for tensor in direct.values())
        if not self.room.take(bytes_each * groups):
            return False
        found: dict[int, list[Tensor]] = {number: [] for number in direct}
        for start in range(0, groups * size, size):
            own = torch.arange(start, start + size) % count
            part = self.program.run({n: t.index_select(0, own) for n, t in self.rows.items()})
            for number, tensor in part.items():
                found[number].append(tensor)
        for number, parts in found.items():
            if all(torch.equal(part, direct[number]) for part in parts):
                self.kept[number] = direct[number]
                self.versions[number] = direct[number]._version
            elif not self._keep_rows(number, parts, direct[number], batch[ROWS]):
                return False
        return self._confirmed(count)

    def _confirmed(self, count: int) -> bool:
        """Tell whether more minibatches give what is kept, the same ones in every process."""
        random = torch.Generator().manual_seed(0)
        for _ in range(_CONFIRMED):
            numbers = torch.randperm(count, generator=random)[: self.size]
            batch = {name: t.index_select(0, numbers) for name, t in self.rows.items()}
            give = self._giver({ROWS: numbers})
            found = self.program.run(batch)
            if not all(same_bits(give(number), tensor) for number, tensor in found.items()):
                return False
        return True

    def _keep_rows(self, number: int, parts: list[Tensor], direct: Tensor, numbers: Tensor) -> bool:
        """Keep a result by its rows, along whichever axis they are; False if there is none."""
        count = len(next(iter(self.rows.values())))
        for axis, length in enumerate(direct.shape):
            if length and length % self.size == 0:
                rows = torch.cat([self._by_rows(part, axis) for part in parts])[:count]
                if same_bits(self._gathered(rows, axis, number, numbers), direct):
                    self.by_row[number] = rows, axis
                    return True
        return False

    def _by_rows(self, tensor: Tensor, axis: int) -> Tensor:
        """Return a view with an axis of rows first: (size, …)."""
        shape = (*tensor.shape[:axis], self.size, -1, *tensor.shape[axis + 1 :])
        return tensor.view(shape).movedim(axis, 0)

    def _gathered(self, rows: Tensor, axis: int, number: int, numbers: Tensor) -> Tensor:
        """Return a result for some rows, laid out in memory as it was found."""
        look = self.program.looks[number]
        made = torch.empty_strided(look.shape, look.strides, dtype=look.dtype, device=look.device)
        torch.index_select(rows, 0, numbers, out=self._by_rows(made, axis))
        return made

    def _giver(self, batch: Batch) -> Callable[[int], Tensor]:
        numbers, found = batch[ROWS], dict[int, Tensor]()

        def give(number: int) -> Tensor:
            if number in self.by_row and number not in found:
                found[number] = self._gathered(*self.by_row[number], number, numbers)
            if number in found:
                return found[number]
            return self.kept[number] if number in self.kept else self.stands[number]

        return give

    def forget(self) -> None:
        """Keep nothing, from now on."""
        super().forget()
        self.by_row = {}
