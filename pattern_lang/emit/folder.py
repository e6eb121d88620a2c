"""Writing a set of files into a folder so that a reader never takes a mixture for a whole.

All files are first written in full beside the folder, on the same file system. Then the manifest
is removed, each changed file is renamed into place, and the manifest comes last: a folder without
it is incomplete, and whatever manifest is there matches the files. One lock per folder keeps two
processes apart; it is released by the operating system when its owner dies.
"""

import errno
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from attrs import define, field

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.emission import CannotWrite, NoSpace, PathLeavesFolder
from pattern_lang.emit.content import Content, chunks_of

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@define
class FileSet:
    """Files by name below a folder, one of them the manifest, and names that must not be there."""

    folder: Path
    files: Mapping[str, Content]
    manifest: str
    stale: tuple[str, ...] = ()
    _place: Path = field(init=False)
    _touched: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._place = self.folder

    @property
    def _root(self) -> Path:
        """Return the folder itself where its name is a link, so that renames stay on one disk."""
        return Path(os.path.realpath(self.folder))

    def is_current(self) -> bool:
        """Tell whether the folder already holds exactly these bytes."""
        if any((self.folder / name).exists() for name in self.stale):
            return False
        return all(_same(self.folder / name, content) for name, content in self.files.items())

    def write(self) -> None:
        """Make the folder hold these files; those whose bytes are right are not touched.

        Raises `PatternError` when the operating system refuses; nothing temporary is left behind.
        """
        if self.is_current():
            return
        root = self._root
        staging = root.parent / f".{root.name}.partial"
        try:
            root.parent.mkdir(parents=True, exist_ok=True)
            with _lock(root.parent / f".{root.name}.lock"):
                try:
                    self._stage(root, staging)
                    self._swap(root, staging)
                finally:
                    shutil.rmtree(staging, ignore_errors=True)
        except OSError as error:
            raise PatternError([self._refusal(error)]) from error

    def _stage(self, root: Path, staging: Path) -> None:
        """Write every file that differs in full, with its bytes on the disk."""
        shutil.rmtree(staging, ignore_errors=True)  # what a killed run left
        staging.mkdir()
        for name, content in self.files.items():
            self._place = self.folder / name
            self._check_inside(root, name)
            if name == self.manifest or not _same(root / name, content):
                _write_through(staging / name, content)

    def _swap(self, root: Path, staging: Path) -> None:
        self._place = self.folder
        root.mkdir(exist_ok=True)
        self._place = self.folder / self.manifest
        (root / self.manifest).unlink(missing_ok=True)
        self._touched = True
        for name in self.stale:
            self._place = self.folder / name
            (root / name).unlink(missing_ok=True)
        for name in sorted(self.files, key=lambda name: (name == self.manifest, name)):
            self._place = self.folder / name
            if (staging / name).exists():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (staging / name).replace(root / name)

    def _check_inside(self, root: Path, name: str) -> None:
        """Refuse to follow a link inside the folder that leads out of it."""
        if not (root / name).parent.resolve().is_relative_to(root):
            problem = PathLeavesFolder(path=name, reason="a link leads out of the folder")
            raise PatternError([problem])

    def _refusal(self, error: OSError) -> CannotWrite:
        reason = error.strerror or type(error).__name__
        kept = not self._touched and (self.folder / self.manifest).exists()
        kind = NoSpace if error.errno in _NO_SPACE else CannotWrite
        return kind(path=str(self._place), reason=reason, kept=kept)


def _write_through(path: Path, content: Content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as sink:
        sink.writelines(chunks_of(content))
        sink.flush()
        os.fsync(sink.fileno())


def _same(path: Path, content: Content) -> bool:
    try:
        if path.stat().st_size != len(content):
            return False
        with path.open("rb") as file:
            return all(file.read(len(chunk)) == chunk for chunk in chunks_of(content))
    except OSError:
        return False


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file that exists only while someone holds or awaits it."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            # Its last owner removes the file, so the one that was locked may be gone already.
            if _still_there(handle, path):
                break
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(handle)


def _still_there(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
