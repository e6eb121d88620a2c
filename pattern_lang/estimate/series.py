"""Rows over the units that come one after the other, in a file where they are many.

A chain keeps the losses of a stretch's draws, and the mean losses of every stretch. They are
written once and read seldom, a few units at a time, so there is no need to hold them in memory. The
file has no name: it goes away with whoever holds it. Nothing here imports torch.
"""

import tempfile
from contextlib import suppress
from io import FileIO

import numpy as np
from attrs import define, field

from pattern_lang.estimate.arrays import Matrix, Stored
from pattern_lang.estimate.table import Array

_NUMBERS = 2**22  # 16 MB of float32
_SINGLE = np.dtype(np.float32)


@define(eq=False)
class Series:
    """Rows (count, width) of float32, each written in pieces, some units at a time.

    Beyond `_NUMBERS` they are in the folder for temporary files, unless there is no room for them.
    """

    count: int
    width: int
    _file: FileIO | None = field(init=False, default=None)
    _memory: Array = field(init=False)

    def __attrs_post_init__(self) -> None:
        if self.count * self.width > _NUMBERS:
            with suppress(OSError):
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        self._memory = np.empty((0 if self._file else self.count, self.width), np.float32)

    def __len__(self) -> int:
        """Return the number of rows that there is room for."""
        return self.count

    def put(self, place: int, units: slice, values: Array) -> None:
        """Write some units of the row at a place. Units come in order."""
        if self._file is not None:
            try:
                _write(self._file, (place * self.width + units.start) * 4, values)
            except OSError:  # no room
                self._retreat(place, units.start)
            else:
                return
        self._memory[place, units] = values

    def first(self, count: int) -> Matrix:
        """Return the first rows, as they are: in the file, or in memory."""
        if self._file is None:
            return self._memory[:count]
        return Stored(self._file, _SINGLE, 0, (count, self.width))

    def _retreat(self, place: int, unit: int) -> None:
        """Go on in memory, with what has been written."""
        memory = np.empty((self.count, self.width), np.float32)
        memory[:place] = self.first(place)
        memory[place, :unit] = np.asarray(self.first(place + 1)[place : place + 1, :unit])
        self._memory, self._file = memory, None


def _write(file: FileIO, offset: int, values: Array) -> None:
    rest = np.ascontiguousarray(values, np.float32).reshape(-1).view(np.uint8).data
    file.seek(offset)
    while rest:
        rest = rest[file.write(rest) :]
