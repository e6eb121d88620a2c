"""Which of several processes this is, told from the environment: torchrun, srun, job arrays.

Nothing here imports torch.
"""

import os
from collections.abc import Mapping, Sequence
from typing import TypeVar

from attrs import frozen

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.estimates import WrongRank

T = TypeVar("T")


@frozen
class Rank:
    """One of `count` processes that share the chains; the one with index 0 puts them together."""

    index: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Tell whether this process waits for all chains and goes on with what they say."""
        return self.index == 0

    def turned(self, items: Sequence[T], worker: int = 0, workers: int = 1) -> list[T]:
        """Return the items, beginning where this process's part of them does."""
        part, parts = self.index * workers + worker, self.count * workers
        start = part * len(items) // parts
        return [*items[start:], *items[:start]]


ALONE = Rank()


def rank_here(environment: Mapping[str, str] | None = None) -> Rank:
    """Return the rank: from torchrun and its like, else of a job array times the tasks of a step.

    A process that is told nothing is alone. Raises WrongRank for numbers that make no sense.
    """
    known = os.environ if environment is None else environment
    if "RANK" in known and "WORLD_SIZE" in known:
        return Rank(*_pair(known, "RANK", "WORLD_SIZE"))
    step = Rank()
    if "SLURM_PROCID" in known and "SLURM_NTASKS" in known:
        step = Rank(*_pair(known, "SLURM_PROCID", "SLURM_NTASKS"))
    if "SLURM_ARRAY_TASK_ID" in known and "SLURM_ARRAY_TASK_COUNT" in known:
        array = _array(known)
        return Rank(array.index * step.count + step.index, array.count * step.count)
    return step


def _array(known: Mapping[str, str]) -> Rank:
    """Return the place in a job array, whose numbers may start anywhere and have gaps."""
    count = _number(known, "SLURM_ARRAY_TASK_COUNT", 1)
    first = _number(known, "SLURM_ARRAY_TASK_MIN", 0) if "SLURM_ARRAY_TASK_MIN" in known else 0
    number = _number(known, "SLURM_ARRAY_TASK_ID", first) - first
    if "SLURM_ARRAY_TASK_STEP" in known:
        number //= _number(known, "SLURM_ARRAY_TASK_STEP", 1)
    if number < count:
        return Rank(number, count)
    # An array such as 1,5,7: the first one leads, and where the others begin matters little.
    return Rank(1 + number % (count - 1) if count > 1 else 0, count)


def _pair(known: Mapping[str, str], rank: str, count: str) -> tuple[int, int]:
    total, index = _number(known, count, 1), _number(known, rank, 0)
    if index >= total:
        reason = f"it is not below {count}, {total}"
        raise PatternError([WrongRank(variable=rank, value=str(index), reason=reason)])
    return index, total


def _number(known: Mapping[str, str], name: str, least: int) -> int:
    text = known[name]
    try:
        value = int(text)
    except ValueError:
        value = None
    if value is None or value < least:
        reason = f"it has to be a whole number, {least} or more"
        raise PatternError([WrongRank(variable=name, value=text, reason=reason)])
    return value
