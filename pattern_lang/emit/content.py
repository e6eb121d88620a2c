"""Contents of files: bytes, or what is too large to be held and waits in a file without a name."""

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from typing import IO

from attrs import define, field

_LARGE = 2**24
_CHUNK = 2**22


@define(eq=False)
class Spooled:
    """Bytes that are written once, in any order, and then read in chunks as often as needed.

    Many are in the folder for temporary files, unless there is no room for them.
    """

    size: int
    file: IO[bytes] = field(init=False, factory=BytesIO)

    def __attrs_post_init__(self) -> None:
        if self.size > _LARGE:
            with suppress(OSError):
                self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115

    def put(self, place: int, content: bytes | memoryview) -> None:
        """Write bytes at a place."""
        try:
            self._write(place, content)
        except OSError:  # no room
            self.file.seek(0)
            self.file = BytesIO(self.file.read())
            self._write(place, content)

    def _write(self, place: int, content: bytes | memoryview) -> None:
        self.file.seek(place)
        rest = memoryview(content)
        while rest:
            rest = rest[self.file.write(rest) :]

    def __len__(self) -> int:
        """Return the number of bytes."""
        return self.size

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes in order."""
        self.file.seek(0)
        while chunk := self.file.read(_CHUNK):
            yield chunk


Content = bytes | Spooled


def chunks_of(content: Content) -> Iterator[bytes]:
    """Yield bytes in order, a few at a time."""
    if isinstance(content, bytes):
        yield content
    else:
        yield from content.chunks()
