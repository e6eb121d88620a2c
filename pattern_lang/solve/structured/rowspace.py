"""The step in row space: a small quadratic program over intervals, without touching the data.

With `H` the Hessian of the dual and r the row sums at prices y, the sums at y⁺ are about
`r - H (y⁺ - y)`. The step finds y⁺ whose prices and sums agree: a positive price only at the upper
limit, a negative one only at the lower (the primal-dual active set method, Hintermüller, Ito &
Kunisch 2002). Groups are eliminated first: theirs is a diagonal block (Schur complement).
"""

import numpy as np
from numpy.typing import NDArray

from pattern_lang.solve.normal import Matrix, Vector
from pattern_lang.solve.structured.curvature import Curvature
from pattern_lang.solve.structured.form import Rows

ROUNDS = 60
# From here on only one row changes its state per round, which cannot go in circles for long.
CAREFUL = 25
SWEEPS = 200


def step(rows: Rows, curvature: Curvature, sums: Vector, y: Vector) -> Vector:
    """Return prices (k,) whose predicted row sums lie where the prices say."""
    found, settled = _active(rows, curvature, sums, y)
    if settled or curvature.cross is not None:
        return np.clip(found, rows.least, rows.most)
    # The guesses went in circles: descend row by row, and guess again from there.
    found = _swept(rows, curvature.dense, sums + curvature.times(y), y)
    again, settled = _active(rows, curvature, sums - curvature.times(found - y), found)
    return np.clip(again if settled else found, rows.least, rows.most)


def _swept(rows: Rows, matrix: Matrix, base: Vector, y: Vector) -> Vector:
    """Minimise over one price after the other (Hildreth's method), some sweeps."""
    y = np.clip(y, rows.least, rows.most)
    slack = base - matrix @ y
    for _ in range(SWEEPS):
        start = y.copy()
        for i in range(y.size):
            level, own = slack[i] + matrix[i, i] * y[i], matrix[i, i] + rows.curvature[i]
            high, low = (level - rows.upper[i]) / own, (level - rows.lower[i]) / own
            new = min(max(high if high > 0 else min(low, 0.0), rows.least[i]), rows.most[i])
            slack -= matrix[i] * (new - y[i])
            y[i] = new
        if float(np.max(np.abs(y - start))) <= 1e-12 * float(np.max(np.abs(y), initial=1e-300)):
            break
    return y


def _active(rows: Rows, curvature: Curvature, sums: Vector, y: Vector) -> tuple[Vector, bool]:
    """Guess which rows are on which limit until nothing changes; tell whether that happened."""
    base = sums + curvature.times(y)
    equal = rows.lower == rows.upper
    state = np.sign(y).astype(np.int8)
    state[equal & (state == 0)] = 1
    state = _entered(rows, state, sums)
    found = y
    for turn in range(ROUNDS + 4 * min(rows.dense, 500)):
        found, slack = _held(rows, curvature, base, state)
        following = _moved(rows, state, found, slack, equal)
        changed = np.flatnonzero(following != state)
        if not changed.size:
            return found, True
        if turn >= CAREFUL:
            changed = changed[[turn % changed.size]] if turn % 2 else changed[-1:]
        state = state.copy()
        state[changed] = following[changed]
    return found, False


def _entered(rows: Rows, state: NDArray[np.int8], sums: Vector) -> NDArray[np.int8]:
    state = np.where((state == 0) & (sums > rows.upper), 1, state)
    return np.where((state == 0) & (sums < rows.lower), -1, state).astype(np.int8)


def _held(
    rows: Rows, curvature: Curvature, base: Vector, state: NDArray[np.int8]
) -> tuple[Vector, Vector]:
    """Solve with states held: ±1 on a limit, ±2 at an extreme price, 0 without a price."""
    fixed = np.where(state == 2, rows.most, np.where(state == -2, rows.least, 0.0))
    chosen = np.abs(state) == 1
    level = np.where(state == 1, rows.upper, rows.lower)
    moved = base - curvature.times(fixed) if np.any(fixed) else base
    right = np.where(chosen, moved - np.where(chosen, level, 0.0), 0.0)
    found = curvature.solve(chosen, right, rows.curvature) + fixed
    return found, base - curvature.times(found)


def _moved(
    rows: Rows,
    state: NDArray[np.int8],
    y: Vector,
    slack: Vector,
    equal: NDArray[np.bool_],
) -> NDArray[np.int8]:
    following = state.copy()
    bent = rows.curvature * y
    following[(state == 1) & ~equal & (y < 0)] = 0
    following[(state == -1) & ~equal & (y > 0)] = 0
    held = np.abs(state) == 1
    following[held & (y > rows.most) & (rows.most > 0)] = 2
    following[held & (y < rows.least) & (rows.least < 0)] = -2
    size = 1e-13 * (1.0 + np.abs(slack))
    following[(state == 0) & (slack > rows.upper + size)] = 1
    following[(state == 0) & (slack < rows.lower - size)] = -1
    following[(state == 2) & (slack < rows.upper + bent - size)] = 1
    following[(state == -2) & (slack > rows.lower + bent + size)] = -1
    return following


def support(rows: Rows, y: Vector) -> float:
    """Return `σ(y)`: the most that `y · s` reaches over the intervals, with the curvature."""
    with np.errstate(invalid="ignore"):
        most = np.where(y > 0, y * rows.upper, np.where(y < 0, y * rows.lower, 0.0))
    return float(np.sum(most) + 0.5 * np.dot(rows.curvature, y * y))


def misses(rows: Rows, y: Vector, sums: Vector) -> Vector:
    """Return how far each row sum lies from where its price says that it should, (k,) >= 0."""
    bent = rows.curvature * y
    above = np.where(np.isfinite(rows.upper), sums - rows.upper - bent, -np.inf)
    below = np.where(np.isfinite(rows.lower), rows.lower + bent - sums, -np.inf)
    free = np.maximum(np.maximum(above, below), 0.0)
    high = np.where(y >= rows.most, np.maximum(-above, 0.0), np.abs(above))
    low = np.where(y <= rows.least, np.maximum(-below, 0.0), np.abs(below))
    return np.where(y > 0, high, np.where(y < 0, low, free))
