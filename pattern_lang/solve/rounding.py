"""Rounding to float32 that keeps bounds exactly and equalities as nearly as float32 can.

Nearest rounding moves a row by about `6e-8 ‖row‖`, which can exceed a small target's tolerance.
Single steps of one unit in the last place, then pairs of them, take the error back; where few
weights leave few ways to do so, other roundings are tried as the start.
"""

import numpy as np
import scipy.sparse as sp
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.solve.box import Box
from pattern_lang.solve.normal import Codes, Vector

Weights = NDArray[np.float32]
Steps = list[tuple[int, int]]

CANDIDATES = 20_000
PAIRS = 800
STEPS = 400
PATIENCE = 4
STARTS = 12
FEW = 2_000
# Rows are in units of their tolerance; the search stops at half of it.
ENOUGH = 0.5


@frozen(eq=False)
class Search:
    """What to bring to zero: `goal - matrix · (w - 1)` (k,), by moving the units in `movable`.

    columns: (k, movable) the part of the matrix that can move.
    """

    matrix: sp.csr_array
    goal: Vector
    movable: Codes
    columns: NDArray[np.float64]

    def residual(self, weights: Weights) -> Vector:
        """Return how far each row is from its goal, (k,)."""
        return np.asarray(self.goal - self.matrix @ (weights.astype(np.float64) - 1.0))

    def miss(self, weights: Weights) -> float:
        """Return the largest distance of a row from its goal."""
        return float(np.abs(self.residual(weights)).max(initial=0.0))


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
    nearest = inward(w, box)
    if not right.size:
        return nearest
    scaled = sp.csr_array(sp.diags_array(1.0 / tolerance) @ matrix)
    movable = _movable(nearest, box)
    search = Search(scaled, right / tolerance, movable, scaled[:, movable].toarray())
    best, least = nearest, search.miss(nearest)
    for start in range(STARTS if w.size <= FEW else 1):
        if least <= ENOUGH or not movable.size:
            break
        found = _descend(search, _start(w, nearest, movable, start))
        miss = search.miss(found)
        if miss < least:
            best, least = found, miss
    return best


def _movable(rounded: Weights, box: Box) -> Codes:
    """Pick units with room for STEPS steps up and down, spread evenly over the data."""
    room = STEPS * np.spacing(np.abs(rounded)).astype(np.float64)
    values = rounded.astype(np.float64)
    free = np.flatnonzero((values + room <= box.upper) & (values - room >= box.lower))
    stride = max(1, -(-free.size // CANDIDATES))
    return np.asarray(free[::stride], dtype=np.int64)


def _start(w: Vector, nearest: Weights, movable: Codes, start: int) -> Weights:
    """Return the nearest rounding first, then roundings up or down by the toss of a coin."""
    weights = nearest.copy()
    if start:
        coin = np.random.default_rng(start).random(movable.size) < ENOUGH
        exact, there = w[movable], nearest[movable]
        down = np.where(there > exact, np.nextafter(there, np.float32(-np.inf)), there)
        weights[movable] = np.where(coin, np.nextafter(down, np.float32(np.inf)), down)
    return weights


def _descend(search: Search, weights: Weights) -> Weights:
    current = weights
    best, least = current.copy(), search.miss(current)
    residual = search.residual(current)
    stuck = 0
    for turn in range(STEPS):
        if least <= ENOUGH or stuck > PATIENCE:
            break
        moved = _single(search, current, residual) or _pair(search, current, residual, turn)
        stuck = 0 if moved else stuck + 1
        for place, direction in moved:
            unit = search.movable[place]
            stepped = np.nextafter(current[unit], np.float32(np.inf * direction))
            residual = residual - search.columns[:, place] * (float(stepped) - float(current[unit]))
            current[unit] = stepped
        worst = float(np.abs(residual).max())
        if worst < least:
            best, least = current.copy(), worst
    return best


def _steps(search: Search, current: Weights) -> tuple[NDArray[np.float64], Codes, Codes]:
    """Return the change of the rows (k, 2 movable) of every step up and every step down."""
    values = current[search.movable]
    up = np.nextafter(values, np.float32(np.inf)).astype(np.float64) - values
    down = np.nextafter(values, np.float32(-np.inf)).astype(np.float64) - values
    changes = np.concatenate([search.columns * up, search.columns * down], axis=1)
    places = np.tile(np.arange(search.movable.size), 2)
    return changes, places, np.repeat([1, -1], search.movable.size)


def _single(search: Search, current: Weights, residual: Vector) -> Steps:
    changes, places, signs = _steps(search, current)
    gain = 2.0 * residual @ changes - np.einsum("ij,ij->j", changes, changes)
    pick = int(np.argmax(gain))
    return [(int(places[pick]), int(signs[pick]))] if gain[pick] > 0 else []


def _pair(search: Search, current: Weights, residual: Vector, turn: int) -> Steps:
    """Pick the pair of steps that lowers the error most, among other candidates at each turn."""
    changes, places, signs = _steps(search, current)
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
