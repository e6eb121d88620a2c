"""Patterns that were asked for and are not written yet, so that a killed run can be told about.

`.cache/wanted/NAME` is there from the start of a run until the pattern's folder is written.
"""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_WANTED = "wanted"


def want(cache: Path, patterns: Iterable[str]) -> None:
    """Note patterns as asked for; a cache that cannot be written is left alone."""
    with suppress(OSError):
        (cache / _WANTED).mkdir(parents=True, exist_ok=True)
        for name in patterns:
            (cache / _WANTED / name).touch()


def written(cache: Path, pattern: str) -> None:
    """Note a pattern as written."""
    with suppress(OSError):
        (cache / _WANTED / pattern).unlink(missing_ok=True)


def wanted(cache: Path) -> list[str]:
    """Return the patterns that were asked for and are not written."""
    folder = cache / _WANTED
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
