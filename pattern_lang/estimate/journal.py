"""Which files an estimate read, so that a later run can tell whether anything changed.

Files that the compiler opens are written down by name. Files that user code opens are heard through
Python's audit events. Files that native libraries open by themselves raise no such event: data
read only in that way are not watched, and a fresh estimate has to be asked for when they change.
"""

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from attrs import frozen

_listener: ContextVar[Callable[[str], None] | None] = ContextVar("_listener", default=None)
_PSEUDO = ("/proc/", "/sys/", "/dev/")
_SETTLED = 2 * 10**9  # a change within 2 s of the stamp may leave size and time as they were


@frozen
class FileStamp:
    """What a file was like when it was read; `sha256` is None for files outside the project."""

    path: str
    size: int
    mtime_ns: int
    sha256: str | None
    settled: bool

    def unchanged(self) -> bool:
        """Tell whether the file still has the same content, as far as the stamp can know."""
        try:
            now = Path(self.path).stat()
        except OSError:
            return False
        if now.st_size != self.size:
            return False
        same_time = now.st_mtime_ns == self.mtime_ns
        if self.sha256 is None:
            return same_time
        return (same_time and self.settled) or _digest(Path(self.path)) == self.sha256


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Journal:
    """The files that were read, and those that were looked for and absent."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[int, int] | None] = {}
        self.absent: set[str] = set()
        self.folders: set[str] = set()

    def read(self, path: Path | str) -> None:
        """Note a file that is about to be read, with its size and time."""
        name = str(Path(path).absolute())
        if name not in self.seen:
            self.seen[name] = _state(name)

    def missed(self, path: str) -> None:
        """Note a place where a file was looked for in vain."""
        self.absent.add(str(Path(path).absolute()))

    def root(self, folder: Path) -> None:
        """Note a folder whose files count by content: the spec's, or one of `-I`."""
        self.folders.add(str(folder.resolve()))

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note every file that Python code opens for reading meanwhile."""
        _install()
        token = _listener.set(self.read)
        try:
            yield
        finally:
            _listener.reset(token)

    def stamps(self) -> tuple[FileStamp, ...]:
        """Return the state of every regular file that was read, in order of their paths.

        A file that changed since it was read gets a stamp that never holds.
        """
        return tuple(self._stamp(path) for path in sorted(self.seen) if _is_real(path))

    def _stamp(self, path: str) -> FileStamp:
        state = self.seen[path]
        if state is None or state != _state(path):
            return FileStamp(path, -1, 0, None, settled=False)
        own = any(Path(path).resolve().is_relative_to(folder) for folder in self.folders)
        digest = _digest(Path(path)) if own else None
        settled = time.time_ns() - state[1] > _SETTLED
        return FileStamp(path, *state, digest, settled)


def _state(path: str) -> tuple[int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _is_real(path: str) -> bool:
    return Path(path).is_file() and not path.startswith(_PSEUDO) and not path.endswith(".pyc")


@cache
def _install() -> None:
    """Add the audit hook, once: a process cannot take one away again."""
    sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open":
        return
    listener = _listener.get()
    if listener is None:
        return
    path, mode, flags = arguments[0], arguments[1], arguments[2]
    writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
    if isinstance(path, str | bytes) and not writes and (mode is None or "r" in str(mode)):
        listener(os.fsdecode(path))
