"""Where the rows of a response come from: an array, a memory map, a file, anything with blocks.

A response is (m, n) numbers that may be larger than memory. It is read in blocks of columns; a
row that is not stored anywhere, such as a constant one, is a value of its own.
"""

import json
from pathlib import Path
from typing import Any, Protocol

import attrs
import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Block = NDArray[Any]

# A block of a survey: enough columns for long reads, few enough to stay in the cache.
SURVEYED = 1 << 18
STORED = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}


class BlockSource(Protocol):
    """Numbers (m, n) that are read by blocks of columns."""

    @property
    def shape(self) -> tuple[int, int]:
        """Return (m, n)."""
        ...

    def block(self, columns: slice) -> Block:
        """Return the numbers of some columns, (m, k), float32 or float64."""
        ...


@frozen(eq=False)
class ArraySource:
    """An array or a memory map as blocks."""

    array: NDArray[Any]

    @property
    def shape(self) -> tuple[int, int]:
        """Return (m, n)."""
        return (int(self.array.shape[0]), int(self.array.shape[1]))

    def block(self, columns: slice) -> Block:
        """Return some columns, as float64 where they are stored as anything but floats."""
        block = self.array[:, columns]
        return block if block.dtype in (np.float32, np.float64) else block.astype(np.float64)


def tensor_of(path: str | Path, name: str | None = None) -> NDArray[Any]:
    """Map a tensor of a safetensors file into memory; nothing is read but the header.

    Without a name the file must hold one tensor of two dimensions. Raises ValueError where there
    is none, or its numbers are not stored as F16, F32 or F64.
    """
    with Path(path).open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(size))
    header.pop("__metadata__", None)
    matrices = [key for key, item in header.items() if len(item["shape"]) == 2]
    chosen = name if name is not None else matrices[0] if len(matrices) == 1 else None
    if chosen is None or chosen not in header:
        raise ValueError(f"{path} has no tensor {name!r}; it has {', '.join(sorted(header))}")
    item = header[chosen]
    if item["dtype"] not in STORED:
        raise ValueError(f"tensor {chosen!r} of {path} is stored as {item['dtype']}")
    offset = 8 + size + int(item["data_offsets"][0])
    return np.memmap(path, STORED[item["dtype"]], "r", offset, tuple(item["shape"]))


@define(eq=False)
class Response:
    """A source with what one pass over it tells: the length of each row, and what is not finite.

    The survey is made when it is first asked for, and kept.
    """

    source: BlockSource
    _squares: Vector | None = field(default=None, init=False)

    @classmethod
    def of(cls, given: Any) -> "Response":
        """Wrap an array, a memory map, the path of a safetensors file, or a source of blocks."""
        if isinstance(given, Response):
            return given
        if isinstance(given, str | Path):
            return cls(ArraySource(tensor_of(given)))
        if hasattr(given, "block"):
            return cls(given)
        return cls(ArraySource(given if isinstance(given, np.ndarray) else np.asarray(given)))

    @property
    def shape(self) -> tuple[int, int]:
        """Return (m, n)."""
        return self.source.shape

    def read(self, index: int) -> Vector:
        """Return one row, (n,) float64."""
        if isinstance(self.source, ArraySource):
            return np.asarray(self.source.array[index], dtype=np.float64)
        step = max(1, SURVEYED // max(1, self.shape[0]))
        starts = range(0, self.shape[1], step)
        pieces = [self.source.block(slice(a, a + step))[index] for a in starts]
        return np.concatenate(pieces).astype(np.float64)

    def survey(self) -> Vector:
        """Return the sum of squares of each row, (m,): not finite where an entry is not."""
        if self._squares is None:
            rows, n = self.shape
            step = max(1, SURVEYED // max(1, rows))
            squares = np.zeros(rows)
            for start in range(0, n, step):
                squares += _squares(self.source.block(slice(start, min(n, start + step))))
            self._squares = squares
        return self._squares

    def products(self) -> tuple[NDArray[np.float64], Vector]:
        """Return the products of all pairs of rows (m, m), and the sum of each row (m,)."""
        rows, n = self.shape
        step = max(1, SURVEYED // max(1, rows))
        gram, sums = np.zeros((rows, rows)), np.zeros(rows)
        for start in range(0, n, step):
            block = self.source.block(slice(start, min(n, start + step))).astype(np.float64)
            gram += block @ block.T
            sums += block.sum(axis=1)
        return gram, sums


def _squares(block: Block) -> Vector:
    with np.errstate(over="ignore", invalid="ignore"):
        made = np.einsum("ij,ij->i", block, block).astype(np.float64)
        if not np.all(np.isfinite(made)) or np.any(made < np.finfo(np.float32).tiny):
            wide = block.astype(np.float64)
            made = np.einsum("ij,ij->i", wide, wide)
    return np.asarray(made)


@frozen(eq=False)
class RowOf:
    """`factor` times a row of a response."""

    response: Response
    index: int
    factor: float = 1.0

    @property
    def size(self) -> int:
        """Return the number of units."""
        return self.response.shape[1]

    def read(self) -> Vector:
        """Return the row, (n,)."""
        return np.asarray(self.factor * self.response.read(self.index))

    @property
    def length(self) -> float:
        """Return the Euclidean length of the row."""
        return abs(self.factor) * float(np.sqrt(self.response.survey()[self.index]))


@frozen
class ConstantRow:
    """The same number for every unit."""

    value: float
    size: int

    def read(self) -> Vector:
        """Return the row, (n,)."""
        return np.full(self.size, self.value)

    @property
    def length(self) -> float:
        """Return the Euclidean length of the row."""
        return abs(self.value) * float(np.sqrt(self.size))


def _numbers(row: Any) -> Vector:
    return np.asarray(row, dtype=np.float64)


@frozen(eq=False)
class WrittenRow:
    """A row given by its numbers."""

    numbers: Vector = attrs.field(converter=_numbers)

    @property
    def size(self) -> int:
        """Return the number of units."""
        return int(self.numbers.size)

    def read(self) -> Vector:
        """Return the row, (n,)."""
        return self.numbers

    @property
    def length(self) -> float:
        """Return the Euclidean length of the row."""
        return float(np.linalg.norm(self.numbers))


AnyRow = RowOf | ConstantRow | WrittenRow
