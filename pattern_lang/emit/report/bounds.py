"""The bounds that a pattern sets on each weight, and how many units stand at them."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pattern_lang.ir.program import Constraint, Entries


def entry_bounds(constraints: Iterable[Constraint]) -> tuple[float | None, float | None]:
    """Return the tightest lower and upper bound on the entries of w, None where there is none."""
    lows: list[float] = []
    highs: list[float] = []
    for constraint in constraints:
        terms = constraint.expression.terms
        if len(terms) != 1 or not isinstance(terms[0][1], Entries) or terms[0][0] == 0:
            continue
        factor = terms[0][0]
        end = -constraint.expression.constant / factor
        if constraint.relation == "==" or factor > 0:
            highs.append(end)
        if constraint.relation == "==" or factor < 0:
            lows.append(end)
    return max(lows, default=None), min(highs, default=None)


def shares_at_bounds(
    weights: NDArray[np.float32], constraints: Iterable[Constraint]
) -> list[tuple[float, float]]:
    """Return (bound, share of the units at it) for each bound that some unit stands at."""
    found = []
    for bound in entry_bounds(constraints):
        if bound is None:
            continue
        share = float(np.mean(np.abs(weights - bound) < 1e-4 * max(1.0, abs(bound))))
        if share > 0:
            found.append((bound + 0.0, share))
    return found
