"""Arrays in files: written without a copy, and read some columns at a time.

The format is safetensors. Matrices over a million units are most of the memory there is, so a file
is written array by array, and what is read back is whatever is asked for, no more. Nothing here
imports torch.
"""

import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve, frozen

from pattern_lang.estimate.table import Array

_DTYPES: "dict[np.dtype[Any], str]" = {
    np.dtype(np.float64): "F64",
    np.dtype(np.float32): "F32",
    np.dtype(np.int64): "I64",
    np.dtype(np.int32): "I32",
    np.dtype(np.uint16): "U16",
    np.dtype(np.uint8): "U8",
    np.dtype(np.bool_): "BOOL",
}
_NAMES = {name: dtype for dtype, name in _DTYPES.items()}
_BYTES = 2**24  # written at once


@frozen(eq=False)
class Stored:
    """An array in a file that is open, of which nothing stays in memory; it may be unlinked.

    It is read, not mapped: systems map far more of a file than what is looked at, and count that.
    places: of its rows in the file, None where they follow each other.
    """

    file: FileIO
    dtype: "np.dtype[Any]"
    offset: int
    shape: tuple[int, ...]
    places: tuple[int, ...] | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.shape[0]

    def __getitem__(self, key: tuple[slice, slice]) -> Array:
        """Return some columns of some rows of a matrix."""
        rows = range(len(self))[key[0]]
        first, last, _ = key[1].indices(self.shape[1])
        if self.places is None and (first, last) == (0, self.shape[1]) and rows.step == 1:
            return self._read(rows.start * last, (len(rows), last))
        found = np.empty((len(rows), last - first), self.dtype)
        for into, row in zip(found, rows, strict=True):
            place = row if self.places is None else self.places[row]
            self._fill(place * self.shape[1] + first, into)
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Return all of it."""
        whole = self._read(0, self.shape) if self.places is None else self[:, :]
        return np.asarray(whole, dtype=dtype)

    def picked(self, rows: Sequence[int]) -> "Stored":
        """Return some rows of it."""
        old = range(len(self)) if self.places is None else self.places
        places = tuple(old[row] for row in rows)
        return evolve(self, places=places, shape=(len(places), *self.shape[1:]))

    def _read(self, first: int, shape: tuple[int, ...]) -> Array:
        found = np.empty(shape, self.dtype)
        self._fill(first, found)
        return found

    def _fill(self, first: int, into: Array) -> None:
        """Read numbers from the `first` on; raise OSError where the file has fewer."""
        rest = into.reshape(-1).view(np.uint8).data
        self.file.seek(self.offset + first * self.dtype.itemsize)
        while rest:
            count = self.file.readinto(rest)
            if not count:
                raise OSError("a file that is read became shorter")
            rest = rest[count:]


Matrix = Array | Stored


def picked(matrix: Matrix, rows: Sequence[int]) -> Matrix:
    """Return some rows of a matrix."""
    if isinstance(matrix, Stored):
        return matrix.picked(rows)
    return np.ascontiguousarray(matrix[list(rows)])


def parts_of(
    facts: Mapping[str, str], arrays: Mapping[str, Matrix], more: int = 0
) -> "Iterator[bytes | memoryview]":
    """Yield the bytes of a safetensors file, without copying arrays that are contiguous.

    more: bytes that whoever writes the file adds to it at the end, as the array `seal`.
    """
    header: dict[str, object] = {"__metadata__": dict(facts)}
    place = 0
    for name, array in arrays.items():
        size = math.prod(array.shape) * array.dtype.itemsize
        described = {"dtype": _DTYPES[array.dtype], "shape": list(array.shape)}
        header[name] = {**described, "data_offsets": [place, place + size]}
        place += size
    if more:
        header["seal"] = {"dtype": "U8", "shape": [more], "data_offsets": [place, place + more]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    yield struct.pack("<Q", len(text)) + text
    for array in arrays.values():
        yield from _pieces(array)


def _pieces(array: Matrix) -> "Iterator[memoryview]":
    if isinstance(array, np.ndarray):
        whole = array if array.flags.c_contiguous else np.ascontiguousarray(array)
        yield whole.reshape(-1).view(np.uint8).data
        return
    step = max(1, _BYTES // max(math.prod(array.shape[1:]) * array.dtype.itemsize, 1))
    for start in range(0, len(array), step):
        yield array[start : start + step, :].reshape(-1).view(np.uint8).data


def open_arrays(path: Path) -> tuple[dict[str, str], dict[str, Stored]]:
    """Return the facts and the arrays of a safetensors file, which stays open as long as these.

    Raises OSError, and ValueError for a file that is something else or cut off.
    """
    file = FileIO(path)
    start = file.read(8)
    if len(start) < 8:
        raise ValueError("it is cut off")
    (length,) = struct.unpack("<Q", start)
    size = path.stat().st_size - 8
    if length > size:
        raise ValueError("it is damaged")
    header = json.loads(file.read(length))
    facts = header.pop("__metadata__", {})
    arrays = {}
    for name, item in header.items():
        first, last = item["data_offsets"]
        if length + last > size:
            raise ValueError("it is cut off")
        arrays[name] = Stored(file, _NAMES[item["dtype"]], 8 + length + first, tuple(item["shape"]))
    return facts, arrays
