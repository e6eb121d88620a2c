"""Collecting independent mistakes of one run, and guessing what a name was meant to be."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from attrs import define

from pattern_lang.diagnostics import Diagnostic, PatternError
from pattern_lang.diagnostics.suggest import closest

T = TypeVar("T")


@define(eq=False)
class ChainDivergedError(Exception):
    """A chain left for infinity: of which posterior, which one, at which step, and how it shows."""

    posterior: int
    chain: int
    step: int
    symptom: str
    of_tangent: bool = False


class Errors:
    """The mistakes found so far."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []

    def attempt(self, work: Callable[[], T]) -> T | None:
        """Return what `work` returns, or keep its errors and return None."""
        try:
            return work()
        except PatternError as error:
            self.found += [item for item in error.diagnostics if item not in self.found]
            return None

    def stop(self) -> None:
        """Raise PatternError if there is any."""
        if self.found:
            raise PatternError(self.found)


def did_you_mean(name: str, options: Iterable[str], kind: str) -> str:
    """Return advice that names the nearest option, or lists what there is."""
    known = sorted(options)
    shown = ", ".join(f"`{item}`" for item in known[:12])
    return closest(name, known, f"the {kind} are {shown}" if known else f"there are no {kind}")
