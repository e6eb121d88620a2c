"""The rows that a program adds up over units: χ, rows written out, the mass, and groups."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import attrs
import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from pattern_lang.solve.normal import Vector
from pattern_lang.solve.response import Block, Response

# Numbers in a tile: it is read twice, so it should stay in the cache; calls cost microseconds.
TILE = 1 << 20
LEAST, MOST = 1024, 65536
# Groups cost one pass over all of them per tile; tiles are then larger.
GROUPED = 4
# Partial sums are kept per chunk of tiles: their number is fixed, so the bits are too.
CHUNKS = 64
# Below this many numbers threads cost more than they save: calls are short, and handing the
# interpreter from thread to thread takes longer.
ALONE = 1 << 25

Chunk = tuple[slice, ...]
T = TypeVar("T")


@frozen(eq=False)
class Groups:
    """One group per unit: codes (n,), -1 for none; coefficients (n,), None for all 1."""

    codes: NDArray[np.int64]
    count: int
    coefficients: Vector | None = None
    whole: bool = field(init=False)

    @whole.default
    def _whole(self) -> bool:
        """Tell whether every unit is in a group."""
        return bool(self.codes.min(initial=0) >= 0)

    def lengths(self) -> Vector:
        """Return the Euclidean length of each group's row, (groups,)."""
        inside = self.codes >= 0
        squares = None if self.coefficients is None else self.coefficients[inside] ** 2
        return np.sqrt(np.bincount(self.codes[inside], squares, minlength=self.count))


@frozen(eq=False)
class Base:
    """Base rows in order: picked rows of a response, written rows, the mass; then the groups.

    picked: numbers of rows of `response`. written: (k, n).
    """

    n: int
    response: Response | None
    picked: NDArray[np.int64]
    written: NDArray[np.float64]
    groups: Groups | None
    dtype: type = field(init=False)
    whole: bool = field(init=False)

    @dtype.default
    def _dtype(self) -> type:
        """Return in which precision the response is stored."""
        if self.response is None:
            return np.float64
        return np.float32 if self.response.source.block(slice(0, 1)).dtype == np.float32 else float

    @whole.default
    def _whole(self) -> bool:
        """Tell whether the picked rows are all rows of the response, in order."""
        rows = self.picked.size if self.response is None else self.response.shape[0]
        return bool(np.array_equal(self.picked, np.arange(rows)))

    @property
    def dense(self) -> int:
        """Return the number of rows without the groups."""
        return int(self.picked.size + self.written.shape[0] + 1)

    @property
    def size(self) -> int:
        """Return the number of rows."""
        return self.dense + (self.groups.count if self.groups is not None else 0)

    def block(self, units: slice) -> Block:
        """Return the picked rows of some units."""
        if self.response is None:
            return np.zeros((0, units.stop - units.start))
        block = self.response.source.block(units)
        return block if self.whole else block[self.picked]

    def lengths(self) -> Vector:
        """Return the Euclidean length of each row, (size,)."""
        squares = np.zeros(0) if self.response is None else self.response.survey()[self.picked]
        parts = [np.sqrt(squares), np.linalg.norm(self.written, axis=1), [np.sqrt(self.n)]]
        if self.groups is not None:
            parts.append(self.groups.lengths())
        return np.concatenate(parts)

    def tiles(self, columns: int = 0) -> tuple[Chunk, ...]:
        """Cut the units into tiles, and the tiles into chunks that are summed apart."""
        if not columns:
            columns = int(np.clip(TILE // max(1, self.dense), LEAST, MOST)) // 256 * 256
            columns *= 1 if self.groups is None else GROUPED
        starts = range(0, self.n, columns)
        tiles = [slice(a, min(self.n, a + columns)) for a in starts]
        parts = np.array_split(np.arange(len(tiles)), min(CHUNKS, len(tiles)))
        return tuple(tuple(tiles[int(i)] for i in part) for part in parts)


def shared_out(work: Callable[[Chunk], T], chunks: tuple[Chunk, ...], threads: int) -> list[T]:
    """Work on every chunk, in threads; return the results in order."""
    if threads < 2 or len(chunks) < 2:
        return [work(chunk) for chunk in chunks]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, chunks))


def threads_for(base: Base) -> int:
    """Return how many threads pay: as many as can run at once, or one."""
    return 1 if base.n * base.dense <= ALONE else len(os.sched_getaffinity(0))


@frozen(eq=False)
class Prices:
    """What every row is worth: dense (rows,), groups (groups,) or None; z_j = -(Aᵀ v)_j."""

    dense: Vector
    groups: Vector | None

    def minus(self, other: "Prices") -> "Prices":
        """Subtract."""
        groups = None
        if self.groups is not None and other.groups is not None:
            groups = self.groups - other.groups
        return attrs.evolve(self, dense=self.dense - other.dense, groups=groups)
