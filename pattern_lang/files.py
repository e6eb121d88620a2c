"""Files by name and whole: which paths stay inside a folder, and writing by renaming."""

import os
import posixpath
import tempfile
from contextlib import suppress
from pathlib import Path, PureWindowsPath


def misplaced(path: str) -> str:
    """Say why a path names no file inside the folder it is relative to; nothing where it does.

    It has to mean the same on every system, so what is absolute on any of them is refused. Links
    are not looked at.
    """
    windows = PureWindowsPath(path)
    if path.startswith("/") or windows.drive or windows.root:
        return "an absolute path"
    if any(ord(char) < 32 for char in path):
        return "control characters in a path"
    if "\\" in path:
        return "write `/` between folders"
    normal = posixpath.normpath(path)
    if normal == ".." or normal.startswith("../"):
        return "climbs out of the folder"
    if normal == "." or path.endswith("/"):
        return "names a folder, not a file"
    return ""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, and keep its mode.

    Raises OSError when the operating system refuses; nothing is left behind then.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        mode = path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~_umask()
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
