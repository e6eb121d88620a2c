"""Rows that repeat one another: zero, the same twice, or a combination of those before.

What weights do to such a row is settled by what they do to the others, so a goal on it is either
implied by theirs or contradicts them.
"""

from collections.abc import Sequence

import numpy as np
import scipy.linalg
from attrs import frozen

from pattern_lang.solve.normal import Matrix, Vector

# What is left of a row without the others, relative to its length: float32 leaves 6e-8 an entry.
SAME = 1e-6
# Shares of a combination below this are rounding.
SHARE = 1e-4


@frozen
class Dependent:
    """A row that is `Σ coefficient · row` of rows before it; of none where it is zero."""

    row: int
    on: tuple[int, ...]
    coefficients: tuple[float, ...]


def dependent(gram: Matrix, order: Sequence[int] | None = None) -> tuple[Dependent, ...]:
    """Return the rows that repeat those before them, from the products (m, m) of all pairs.

    order: the numbers of the rows that count, in order; all of them by default.
    """
    kept: list[int] = []
    found: list[Dependent] = []
    lengths = np.sqrt(np.maximum(np.diag(gram), 0.0))
    for row in dict.fromkeys(range(len(gram)) if order is None else order):
        if lengths[row] == 0:
            found.append(Dependent(row, (), ()))
            continue
        shares, left = _fitted(gram, lengths, kept, row)
        if left > SAME:
            kept.append(row)
            continue
        picked = [i for i, share in enumerate(shares) if abs(share) > SHARE]
        chosen = [kept[i] for i in picked]
        shares, _ = _fitted(gram, lengths, chosen, row)
        scaled = shares * lengths[row] / lengths[chosen]
        found.append(Dependent(row, tuple(chosen), tuple(scaled.tolist())))
    return tuple(found)


def _fitted(gram: Matrix, lengths: Vector, on: list[int], row: int) -> tuple[Vector, float]:
    """Return how rows of length 1 add up to another, and the length of what is left."""
    if not on:
        return np.zeros(0), 1.0
    among = gram[np.ix_(on, on)] / lengths[on] / lengths[on][:, None]
    with_row = gram[on, row] / lengths[on] / lengths[row]
    shares = np.asarray(scipy.linalg.lstsq(among, with_row)[0])
    left = 1.0 - 2.0 * float(shares @ with_row) + float(shares @ among @ shares)
    return shares, float(np.sqrt(max(left, 0.0)))
