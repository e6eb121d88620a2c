"""The step in row space: a small quadratic program over intervals, without touching the data.

With `H` the Hessian of the dual and r the row sums at prices y, the sums at y⁺ are about
`r - H (y⁺ - y)`. The step finds y⁺ whose prices and sums agree: a positive price only at the upper
limit, a negative one only at the lower (the primal-dual active set method, Hintermüller, Ito &
Kunisch 2002). Groups are eliminated first: theirs is a diagonal block (Schur complement).
"""

import numpy as np
import scipy.linalg
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.solve.normal import Matrix, Vector
from pattern_lang.solve.structured.form import Rows
from pattern_lang.solve.structured.passes import Sums

ROUNDS = 60
# From here on only one row changes its state per round, which cannot go in circles for long.
CAREFUL = 25
SWEEPS = 200
# Keeps the step short along rows that depend on others.
PROXIMAL = 1e-11
# And this, relative to the Hessian of the first pass, where no unit is free.
FLOOR = 1e-10


@frozen(eq=False)
class Curvature:
    """A Hessian over rows: dense (k, k), and with groups `[[dense, cross], [crossᵀ, diagonal]]`."""

    dense: Matrix
    cross: Matrix | None = None
    diagonal: Vector | None = None

    @classmethod
    def of(cls, rows: Rows, sums: Sums) -> "Curvature":
        """Take the Hessian over base rows to the rows of the program."""
        assert sums.hessian is not None
        if not rows.arrow:
            combine = rows.combine.toarray()
            return cls(combine @ _full(sums) @ combine.T)
        assert sums.cross is not None
        assert sums.diagonal is not None
        width = sums.hessian.shape[0]
        head = rows.combine[: rows.dense, :width].toarray()
        scale = rows.combine[rows.dense :].tocsr().data
        return cls(
            head @ sums.hessian @ head.T, (head @ sums.cross) * scale, sums.diagonal * scale**2
        )

    def with_floor(self, scale: float) -> "Curvature":
        """Add a small multiple of the diagonal, and of `scale`."""
        if self.cross is None or self.diagonal is None:
            extra = PROXIMAL * np.diag(self.dense) + FLOOR * scale
            return Curvature(self.dense + np.diag(extra))
        extra = PROXIMAL * np.diag(self.dense) + FLOOR * scale
        more = (1.0 + PROXIMAL) * self.diagonal + FLOOR * scale
        return Curvature(self.dense + np.diag(extra), self.cross, more)

    def with_scalars(self, scalars: Matrix) -> "Curvature":
        """Add `scalars scalarsᵀ`; groups have none."""
        if not scalars.shape[1]:
            return self
        head = scalars[: self.dense.shape[0]]
        return Curvature(self.dense + head @ head.T, self.cross, self.diagonal)

    def times(self, y: Vector) -> Vector:
        """Multiply with prices."""
        if self.cross is None or self.diagonal is None:
            return self.dense @ y
        k = self.dense.shape[0]
        return np.concatenate(
            [self.dense @ y[:k] + self.cross @ y[k:], self.cross.T @ y[:k] + self.diagonal * y[k:]]
        )

    def solve(self, chosen: NDArray[np.bool_], right: Vector, bend: Vector) -> Vector:
        """Solve `(H + diag(bend)) y = right` over the chosen rows, 0 elsewhere."""
        y = np.zeros(right.size)
        k = self.dense.shape[0]
        head = np.flatnonzero(chosen[:k])
        block = self.dense[np.ix_(head, head)] + np.diag(bend[head])
        if self.cross is None or self.diagonal is None:
            y[head] = _solved(block, right[head])
            return y
        tail = np.flatnonzero(chosen[k:])
        beside = self.cross[np.ix_(head, tail)]
        own = self.diagonal[tail] + bend[k + tail]
        reduced = block - (beside / own) @ beside.T
        y[head] = _solved(reduced, right[head] - beside @ (right[k + tail] / own))
        y[k + tail] = (right[k + tail] - beside.T @ y[head]) / own
        return y


def _full(sums: Sums) -> Matrix:
    assert sums.hessian is not None
    if sums.cross is None or sums.diagonal is None:
        return sums.hessian
    return np.block([[sums.hessian, sums.cross], [sums.cross.T, np.diag(sums.diagonal)]])


def _solved(matrix: Matrix, right: Vector) -> Vector:
    if not right.size:
        return right
    root = np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    scaled = matrix / root / root[:, None]
    try:
        factor = scipy.linalg.cho_factor(scaled, check_finite=False)
        return np.asarray(scipy.linalg.cho_solve(factor, right / root, check_finite=False)) / root
    except (np.linalg.LinAlgError, ValueError):
        values, vectors = np.linalg.eigh(scaled)
        kept = values > 1e-13 * max(float(values[-1]), 1e-300)
        along = (vectors.T @ (right / root))[kept] / values[kept]
        return np.asarray(vectors[:, kept] @ along) / root


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
