"""Progress on a terminal, quiet lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from attrs import frozen
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


@frozen(eq=False)
class _Task:
    """A running count on a terminal."""

    bar: Progress
    task: TaskID

    def advance(self, steps: int) -> None:
        """Count further steps."""
        self.bar.advance(self.task, steps)


@frozen(eq=False)
class TerminalReporter:
    """Shows what the estimator is doing on standard error."""

    console: Console

    @classmethod
    def create(cls) -> "TerminalReporter":
        """Return a reporter on standard error."""
        return cls(Console(stderr=True, highlight=False))

    def message(self, text: str) -> None:
        """Show one line."""
        self.console.print(Text(text), soft_wrap=True)

    @contextmanager
    def progress(self, total: int, description: str) -> Iterator[_Task]:
        """Show a bar towards a total while the context is open; only on a terminal."""
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        bar = Progress(
            *columns,
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        with bar:
            yield _Task(bar, bar.add_task(description, total=total))
