"""Intervals and tests over seeds, with numpy and Student's t."""

import math
from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

LEVEL = 0.95


@frozen
class Interval:
    """A mean over seeds with Student's 95 % interval; without limits for fewer than two seeds.

    p: two-sided, that the mean is 0.
    """

    mean: float
    low: float | None
    high: float | None
    seeds: int
    p: float | None

    @property
    def excludes_zero(self) -> bool:
        """Tell whether 0 lies outside."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def interval(values: Sequence[float] | NDArray[np.float64]) -> Interval:
    """Return the interval of the mean of independent values, at least one."""
    from scipy.special import stdtr, stdtrit

    own = np.asarray(values, dtype=np.float64)
    mean, count = float(own.mean()), len(own)
    if count < 2:
        return Interval(mean, None, None, count, None)
    error = float(own.std(ddof=1)) / math.sqrt(count)
    half = float(stdtrit(count - 1, (1 + LEVEL) / 2)) * error
    p = float(2 * stdtr(count - 1, -abs(mean) / error)) if error > 0 else float(mean == 0)
    return Interval(mean, mean - half, mean + half, count, p)


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Return p-values corrected for their number (Holm 1979); None stays, and does not count."""
    known = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    found: list[float | None] = [None] * len(ps)
    worst = 0.0
    for rank, (p, place) in enumerate(known):
        worst = max(worst, min(1.0, (len(known) - rank) * p))
        found[place] = worst
    return found


def slope(predicted: Sequence[float], realised: NDArray[np.float64]) -> Interval | None:
    """Return the slope of realised on predicted shifts through 0, with its interval over seeds.

    realised: (arms, seeds). None where nothing is predicted to move.
    """
    x = np.asarray(predicted, dtype=np.float64)
    size = float(x @ x)
    return interval(x @ realised / size) if size > 0 else None
