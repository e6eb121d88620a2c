"""Variances of all entries of χ, kept to three digits and read a stretch at a time.

There is one for each entry, so they would be as large as χ, and they are known far less well: some
tens of replicates say a variance to a fifth of it. So they are kept as bfloat16, half the size,
and nobody holds all of them wider: whoever needs them reads a few rows or some units. Rounding
changes a variance by at most one part in 256, and so a standard error by at most one in 512.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Halves = NDArray[np.uint16]
Ints = NDArray[np.int64]

# Columns at a time: blocks that stay in cache.
_COLUMNS = 8192


def narrowed(array: NDArray[Any]) -> Halves:
    """Return float32 numbers as bfloat16, three digits of each, in uint16: numpy has no such type.

    They are rounded to the nearest; NaN and infinity stay what they are.
    """
    bits = np.ascontiguousarray(array, dtype=np.float32).view(np.uint32)
    bits = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return (bits >> np.uint32(16)).astype(np.uint16)


def widened(array: NDArray[Any]) -> Singles:
    """Return numbers that `narrowed` made as float32."""
    return (array.astype(np.uint32) << np.uint32(16)).view(np.float32)


def blocks(n: int, width: int = _COLUMNS) -> Iterator[slice]:
    """Yield slices of n columns, few enough at a time to stay in cache."""
    for start in range(0, n, width):
        yield slice(start, min(start + width, n))


@frozen(eq=False)
class Variances:
    """Numbers (k, n), at least 0, to three digits; products and sums over them are float64.

    kept: (k, n) as `narrowed` makes them.
    """

    kept: Halves

    @classmethod
    def zeros(cls, k: int, n: int) -> "Variances":
        """Return zeros."""
        return cls(np.zeros((k, n), dtype=np.uint16))

    @property
    def shape(self) -> tuple[int, int]:
        """Return (k, n)."""
        return self.kept.shape[0], self.kept.shape[1]

    def of(self, units: slice) -> Singles:
        """Return those of some units, (k, w)."""
        return widened(self.kept[:, units])

    def row(self, row: int) -> Floats:
        """Return those of one row, (n,)."""
        return widened(self.kept[row]).astype(np.float64)

    def put(self, units: slice, values: NDArray[Any]) -> None:
        """Replace those of some units, (k, w)."""
        self.kept[:, units] = narrowed(values)

    def add(self, rows: Ints, units: slice, values: NDArray[Any]) -> None:
        """Add to some units of some rows, (k', w)."""
        self.kept[rows, units] = narrowed(widened(self.kept[rows, units]) + values)

    def scaled(self, factors: Floats) -> "Variances":
        """Return those of rows each times a factor, (k,)."""
        return self._each(lambda own: factors.astype(np.float32)[:, None] * own, len(self.kept))

    def combined(self, matrix: Floats) -> "Variances":
        """Return sums over the rows, (m, n), with coefficients (m, k)."""
        coefficients = matrix.astype(np.float32)
        return self._each(lambda own: coefficients @ own, len(matrix))

    def __add__(self, other: "Variances") -> "Variances":
        """Return sums of both."""
        found = Variances.zeros(*self.shape)
        for units in blocks(self.shape[1]):
            found.put(units, self.of(units) + other.of(units))
        return found

    def totals(self) -> Floats:
        """Return the sum of each row, (k,)."""
        return self.times(np.ones(self.shape[1]))

    def times(self, x: NDArray[Any], rows: Ints | None = None) -> Floats:
        """Return the products with x (n,), (k,); or those of some rows, in their order."""
        chosen = np.arange(len(self.kept)) if rows is None else rows
        found = np.zeros(len(chosen))
        for units in blocks(self.shape[1]):
            found += widened(self.kept[chosen, units]) @ x[units]
        return found

    def _each(self, change: Callable[[Singles], Singles], rows: int) -> "Variances":
        found = Variances.zeros(rows, self.shape[1])
        for units in blocks(self.shape[1]):
            found.put(units, change(self.of(units)))
        return found
