"""Newton's method on the dual of a quadratic program: a few numbers, a few passes over the rows.

`min c/2 ‖x‖² + b·x  with  A x <= d`, over the box, has a dual in one number per row whose
minimiser in x is a rule, `x = clip(-b/c - Aᵀy)`. Either the climb reaches the top of the dual,
which is the solution, or it finds a Farkas ray, a y with `y·(A x - d) > 0` all over the box,
which proves that there is none. A step costs one pass: its line search needs none.
"""

from enum import Enum

import attrs
import numpy as np
import scipy.linalg
from attrs import frozen

from pattern_lang.ir.program import Norm, SumSquares
from pattern_lang.solve.active_set import Guess, cold_guess
from pattern_lang.solve.box import Box, Flags
from pattern_lang.solve.linear import fits_densely
from pattern_lang.solve.normal import Matrix, NormalConstraint, NormalProgram, Terms, Vector
from pattern_lang.solve.quadratic import Quadratic, quadratic
from pattern_lang.solve.values import violation

ROUNDS = 60
HALVINGS = 50
LONGEST = 1e12
TIGHT = 1e-10
CERTAIN = 1e-9
DAMPING = 1e-10
LEAST_NORM: Terms = ((1.0, SumSquares(1.0, -1.0)),)


class Finding(Enum):
    """What the oracle says."""

    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    UNDECIDED = "undecided"


@frozen(eq=False)
class Rows:
    """`matrix · x <= right` (`==` where `equal`), rows of length 1, and bounds on x.

    With `z = -Aᵀy` the minimiser of the Lagrangian is `x = clip(centre + z)`.
    """

    matrix: Matrix
    right: Vector
    equal: Flags
    lower: Vector
    upper: Vector
    centre: Vector

    def link(self, z: Vector) -> Vector:
        """Return the minimiser of the Lagrangian, (n,)."""
        return np.clip(self.centre + z, self.lower, self.upper)

    def is_ray(self, y: Vector, z: Vector) -> bool:
        """Tell whether `y · (A x - d)` is positive at every point of the box."""
        with np.errstate(invalid="ignore"):
            most = np.where(z > 0, z * self.upper, z * self.lower)
        most = np.where(z == 0, 0.0, most)
        size = float(np.sum(np.abs(y) * np.maximum(1.0, np.abs(self.right))))
        return -float(np.sum(most)) - float(y @ self.right) > CERTAIN * size > 0


@frozen(eq=False)
class Climbed:
    """Where a climb ended: the solution x (n,) and its active set where one was reached."""

    finding: Finding
    x: Vector
    guess: Guess
    passes: int


def decide(program: NormalProgram, box: Box) -> Finding:
    """Tell whether a program in standard form, whatever its cost, has any point."""
    problem = quadratic(attrs.evolve(program, cost=LEAST_NORM))
    if problem is None or box.crossed:
        return Finding.UNDECIDED
    return judge(problem, box, climb(problem, box))


def judge(problem: Quadratic, box: Box, top: Climbed) -> Finding:
    """Tell what a climb says about feasibility, the constraints that are not linear included.

    A ball around w = 1 meets the rest if and only if it holds the least-norm point of the rest.
    """
    if top.finding is not Finding.FEASIBLE:
        return top.finding
    w = box.clip(1.0 + top.x)
    broken = [c for c in problem.beside if violation(c, w, 1.0) > 0]
    if not broken:
        return Finding.FEASIBLE
    if not np.any(problem.b):
        floor = CERTAIN * w.size**0.5
        if any(_is_ball(c) and violation(c, w, 1.0) > floor for c in broken):
            return Finding.INFEASIBLE
    return Finding.UNDECIDED


def _is_ball(constraint: NormalConstraint) -> bool:
    if len(constraint.terms) != 1 or constraint.terms[0][0] <= 0:
        return False
    atom = constraint.terms[0][1]
    return isinstance(atom, Norm) and atom.scale + atom.offset == 0


def climb(problem: Quadratic, box: Box) -> Climbed:
    """Solve a quadratic program by its dual, or find a ray that proves it infeasible."""
    nothing = Climbed(Finding.UNDECIDED, np.zeros(box.lower.size), cold_guess(problem, box), 0)
    if not fits_densely(problem.rows.shape[0], box.lower.size):
        return nothing
    rows = _rows(problem, box)
    y, z = np.zeros(rows.right.size), np.zeros(rows.lower.size)
    for turn in range(ROUNDS):
        x = rows.link(z)
        gradient = rows.matrix @ x - rows.right
        rising = rows.equal | (gradient > 0)
        off = np.where(rising, np.abs(gradient), np.minimum(y, -gradient))
        if float(np.max(off, initial=0.0)) <= TIGHT:
            return Climbed(Finding.FEASIBLE, x, _guess(rows, box, y, z), turn + 1)
        if rows.is_ray(y, z):
            return attrs.evolve(nothing, finding=Finding.INFEASIBLE, passes=turn + 1)
        direction = _direction(rows, x, y, gradient, rising | (y > 0))
        along = -(direction @ rows.matrix)
        if rows.is_ray(direction, along) and np.all(rows.equal | (direction >= 0)):
            return attrs.evolve(nothing, finding=Finding.INFEASIBLE, passes=turn + 1)
        length = _length(rows, y, z, direction, along)
        if length is None:
            return nothing
        y, z = y + length * direction, z + length * along
        y = np.where(rows.equal, y, np.maximum(y, 0.0))
    return nothing


def _rows(problem: Quadratic, box: Box) -> Rows:
    return Rows(
        problem.rows.toarray(),
        problem.right,
        problem.equal,
        box.lower - 1.0,
        box.upper - 1.0,
        -problem.b / problem.c,
    )


def _guess(rows: Rows, box: Box, y: Vector, z: Vector) -> Guess:
    point = rows.centre + z
    lower = (point <= rows.lower) | box.fixed
    return Guess(rows.equal | (y > 0), lower, (point >= rows.upper) & ~lower)


def _direction(rows: Rows, x: Vector, y: Vector, gradient: Vector, pressing: Flags) -> Vector:
    """Return the projected Newton direction in y, or the projected gradient where that fails."""
    free = np.flatnonzero((x > rows.lower) & (x < rows.upper))
    chosen = np.flatnonzero(pressing)
    part = rows.matrix[np.ix_(chosen, free)]
    hessian = part @ part.T + DAMPING * np.eye(chosen.size)
    step = np.zeros(y.size)
    step[chosen] = scipy.linalg.solve(hessian, gradient[chosen], assume_a="pos")
    newton = np.where(rows.equal, step, np.maximum(y + step, 0.0) - y)
    if float(newton @ gradient) > 0:
        return newton
    return np.where(rows.equal, gradient, np.maximum(y + gradient, 0.0) - y)


def _length(rows: Rows, y: Vector, z: Vector, direction: Vector, along: Vector) -> float | None:
    """Return where the dual is highest along a direction, within y >= 0; it costs no pass."""

    def slope(length: float) -> float:
        x = rows.link(z + length * along)
        return -float(along @ x) - float(direction @ rows.right)

    falling = ~rows.equal & (direction < 0)
    limit = float(np.min(-y[falling] / direction[falling], initial=LONGEST))
    if slope(0.0) <= 0 or limit <= 0:
        return None
    high = min(1.0, limit)
    while slope(high) > 0 and high < limit:
        high = min(4.0 * high, limit)
    if slope(high) >= 0:
        return high
    low = 0.0
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return 0.5 * (low + high)
