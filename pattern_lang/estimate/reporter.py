"""How the estimator tells its caller what it is doing."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """One running count."""

    def advance(self, steps: int) -> None:
        """Count further steps."""


class Reporter(Protocol):
    """What a user interface offers the estimator."""

    def message(self, text: str) -> None:
        """Show one line."""

    def progress(self, total: int, description: str) -> AbstractContextManager[Progress]:
        """Show a count towards a total while the context is open."""


class _Silence:
    def advance(self, steps: int) -> None:
        """Count nothing."""


class SilentReporter:
    """Shows nothing."""

    def message(self, text: str) -> None:
        """Show nothing."""

    @contextmanager
    def progress(self, total: int, description: str) -> Iterator[Progress]:
        """Count nothing."""
        yield _Silence()
