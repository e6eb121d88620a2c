"""Rounding to float32 that keeps bounds exactly and equalities as nearly as float32 can.

Nearest rounding moves a row by about `6e-8 ‖row‖`, which can exceed a small target's tolerance.
Single steps of one unit in the last place, then pairs of them, take the error back.
"""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from pattern_lang.solve.box import Box
from pattern_lang.solve.normal import Vector

Weights = NDArray[np.float32]

CANDIDATES = 20_000
PAIRS = 800
STEPS = 400
PATIENCE = 4


def inward(w: Vector, box: Box) -> Weights:
    """Round to float32 without leaving the box (where it holds no float32: to the nearest)."""
    rounded = w.astype(np.float32)
    above = rounded.astype(np.float64) > box.upper
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    below = rounded.astype(np.float64) < box.lower
    rounded[below] = np.nextafter(rounded[below], np.float32(np.inf))
    return rounded


def to_float32(
    w: Vector, box: Box, matrix: sp.csr_array, right: Vector, tolerance: Vector
) -> Weights:
    """Round weights (n,) so that `|matrix · (w - 1) - right|` stays below `tolerance` (k,).

    Rows that cannot be brought below are brought as low as the search finds.
    """
    rounded = inward(w, box)
    if not right.size:
        return rounded
    scaled = sp.csr_array(sp.diags_array(1.0 / tolerance) @ matrix)
    goal = right / tolerance
    if _miss(scaled, goal, rounded).max(initial=0.0) <= 0.5:
        return rounded
    movable = _movable(rounded, box)
    return _repaired(rounded, scaled[:, movable].toarray(), scaled, goal, movable, box)


def _miss(matrix: sp.csr_array, goal: Vector, rounded: Weights) -> Vector:
    return np.asarray(np.abs(goal - matrix @ (rounded.astype(np.float64) - 1.0)))


def _movable(rounded: Weights, box: Box) -> NDArray[np.int64]:
    """Pick units that can take a step up and a step down, spread evenly over the data."""
    up = np.nextafter(rounded, np.float32(np.inf)).astype(np.float64)
    down = np.nextafter(rounded, np.float32(-np.inf)).astype(np.float64)
    free = np.flatnonzero((up <= box.upper) & (down >= box.lower) & (rounded != 0))
    stride = max(1, -(-free.size // CANDIDATES))
    return np.asarray(free[::stride], dtype=np.int64)


def _repaired(
    rounded: Weights,
    columns: NDArray[np.float64],
    matrix: sp.csr_array,
    goal: Vector,
    movable: NDArray[np.int64],
    box: Box,
) -> Weights:
    best, least = rounded, float(_miss(matrix, goal, rounded).max())
    current = rounded.copy()
    residual = goal - matrix @ (current.astype(np.float64) - 1.0)
    stuck = 0
    for turn in range(STEPS):
        if least <= 0.5 or not movable.size or stuck > PATIENCE:
            break
        moved = _single(current, columns, residual, movable) or _pair(
            current, columns, residual, movable, turn
        )
        stuck = 0 if moved else stuck + 1
        for place, direction in moved:
            unit = movable[place]
            target = np.float32(np.inf * direction)
            stepped = np.nextafter(current[unit], target)
            if not box.lower[unit] <= float(stepped) <= box.upper[unit]:
                return best
            residual = residual - columns[:, place] * (float(stepped) - float(current[unit]))
            current[unit] = stepped
        worst = float(np.abs(residual).max())
        if worst < least:
            best, least = current.copy(), worst
    return best


def _steps(
    current: Weights, columns: NDArray[np.float64], movable: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the change of the rows (k, 2 candidates) of every step up and every step down."""
    values = current[movable]
    up = np.nextafter(values, np.float32(np.inf)).astype(np.float64) - values
    down = np.nextafter(values, np.float32(-np.inf)).astype(np.float64) - values
    changes = np.concatenate([columns * up, columns * down], axis=1)
    places = np.tile(np.arange(movable.size), 2)
    return changes, places, np.repeat([1, -1], movable.size)


def _single(
    current: Weights,
    columns: NDArray[np.float64],
    residual: Vector,
    movable: NDArray[np.int64],
) -> list[tuple[int, int]]:
    changes, places, signs = _steps(current, columns, movable)
    gain = 2.0 * residual @ changes - np.einsum("ij,ij->j", changes, changes)
    pick = int(np.argmax(gain))
    return [(int(places[pick]), int(signs[pick]))] if gain[pick] > 0 else []


def _pair(
    current: Weights,
    columns: NDArray[np.float64],
    residual: Vector,
    movable: NDArray[np.int64],
    turn: int,
) -> list[tuple[int, int]]:
    """Pick the pair of steps that lowers the error most, among other candidates at each turn."""
    changes, places, signs = _steps(current, columns, movable)
    stride = max(1, -(-places.size // PAIRS))
    some = slice(turn % stride, None, stride)
    changes, places, signs = changes[:, some], places[some], signs[some]
    alone = 2.0 * residual @ changes - np.einsum("ij,ij->j", changes, changes)
    gain = alone[:, None] + alone[None, :] - 2.0 * changes.T @ changes
    gain[places[:, None] == places[None, :]] = -np.inf
    first, second = np.unravel_index(int(np.argmax(gain)), gain.shape)
    if gain[first, second] <= 0:
        return []
    return [(int(places[i]), int(signs[i])) for i in (first, second)]
