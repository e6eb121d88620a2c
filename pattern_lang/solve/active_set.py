"""The exact solution of a quadratic program from a guess of its active set.

With a cost `c/2 ‖x‖² + b·x` and linear constraints, a guess of which constraints are active gives
x and all multipliers by one factorisation of the active rows. Violated constraints enter the
guess, constraints with a multiplier of the wrong sign leave it, until nothing changes (the
primal-dual active set method, Hintermüller, Ito & Kunisch 2002). What comes out is optimal to
rounding error however small the targets are, where an interior point stops at its tolerance.
"""

import numpy as np
import scipy.linalg
from attrs import frozen

from pattern_lang.solve.box import Box, Flags, bound_multiplier
from pattern_lang.solve.engine import EngineResult, Verdict
from pattern_lang.solve.linear import fits_densely
from pattern_lang.solve.normal import NormalProgram, Vector
from pattern_lang.solve.quadratic import Quadratic
from pattern_lang.solve.rewrite import is_bound
from pattern_lang.solve.values import total, violation

ROUNDS = 40
COLD_ROUNDS = 12


@frozen(eq=False)
class Point:
    """A guess worked out: x (n,), multipliers of all rows, gradient of cost plus rows (n,)."""

    x: Vector
    multipliers: Vector
    gradient: Vector


@frozen(eq=False)
class Guess:
    """Which rows are active, and which weights sit on their lower and upper bound."""

    active: Flags
    lower: Flags
    upper: Flags

    def same(self, other: "Guess") -> bool:
        """Tell whether two guesses agree."""
        return (
            np.array_equal(self.active, other.active)
            and np.array_equal(self.lower, other.lower)
            and np.array_equal(self.upper, other.upper)
        )


def refine(
    program: NormalProgram, box: Box, problem: Quadratic, guess: Guess, passes: int = 0
) -> EngineResult | None:
    """Return the exact solution of a quadratic program, or None where this does not find it.

    `passes` counts what was done to get the guess. Constraints that are not linear are allowed
    while they do not bind. A result is returned only when all optimality conditions were checked.
    """
    for turn in range(COLD_ROUNDS if not passes else ROUNDS):
        point = _work_out(problem, box, guess)
        if point is None:
            return None
        following = _improve(problem, box, guess, point)
        if following.same(guess):
            return _checked(program, box, problem, guess, point, passes + turn + 1)
        guess = following
    return None


def cold_guess(problem: Quadratic, box: Box) -> Guess:
    """Return the guess that nothing binds but the equalities."""
    return Guess(problem.equal, box.fixed, np.zeros_like(box.fixed))


def guess_of(problem: Quadratic, box: Box, result: EngineResult) -> Guess:
    """Return what an engine found active."""
    active = problem.equal.copy()
    for index, start, stop in problem.owners:
        active[start:stop] |= result.active[index]
    lower = result.at_lower | box.fixed
    return Guess(active, lower, result.at_upper & ~lower)


def _work_out(problem: Quadratic, box: Box, guess: Guess) -> Point | None:
    """Solve for x and the multipliers with the guess held as equalities."""
    free = ~(guess.lower | guess.upper)
    x = np.where(guess.lower, box.lower - 1.0, np.where(guess.upper, box.upper - 1.0, 0.0))
    x[free] = -problem.b[free] / problem.c
    chosen = np.flatnonzero(guess.active)
    multipliers = np.zeros(problem.right.size)
    if not fits_densely(chosen.size, int(np.count_nonzero(free))):
        return None
    if chosen.size:
        rows = problem.rows[chosen].toarray()
        push = _least_norm(rows[:, free], problem.right[chosen] - rows @ x)
        if push is None:
            return None
        step, weights = push
        x[free] += step
        multipliers[chosen] = -problem.c * weights
    gradient = problem.c * x + problem.b + problem.rows.T @ multipliers
    return Point(x, multipliers, np.asarray(gradient))


def _least_norm(rows: Vector, miss: Vector) -> tuple[Vector, Vector] | None:
    """Return the least-norm step with `rows · step = miss`, and y with `step = rowsᵀ y`.

    Dependent rows get y = 0 and must agree with the others, or the result is None.
    """
    q, triangle, order = scipy.linalg.qr(rows.T, mode="economic", pivoting=True)
    diagonal = np.abs(np.diag(triangle))
    rank = int(np.sum(diagonal > 1e-11 * max(float(diagonal[0]), 1e-300)))
    if rank == 0:
        return None
    square = triangle[:rank, :rank]
    along = scipy.linalg.solve_triangular(square, miss[order][:rank], trans="T")
    y = np.zeros(order.size)
    y[order[:rank]] = scipy.linalg.solve_triangular(square, along)
    step = q[:, :rank] @ along
    left = miss - rows @ step
    step = step + q[:, :rank] @ scipy.linalg.solve_triangular(square, left[order][:rank], trans="T")
    allowed = 1e-12 * float(np.max(np.abs(miss))) + 1e-15
    if float(np.max(np.abs(miss - rows @ step))) > allowed:
        return None
    return np.asarray(step), y


def _improve(problem: Quadratic, box: Box, guess: Guess, point: Point) -> Guess:
    w, gradient = 1.0 + point.x, point.gradient
    # A gradient of rounding size says nothing about which side of a bound is right.
    noise = 1e-12 * float(np.max(np.abs(gradient), initial=0.0))
    lower = np.where(guess.lower, (gradient > -noise) | box.fixed, w < box.lower)
    upper = np.where(guess.upper, gradient < noise, w > box.upper)
    free = ~(guess.lower | guess.upper)
    lower, upper = lower & (guess.lower | free), upper & (guess.upper | free)
    slack = problem.right - problem.rows @ point.x
    tiny = 1e-12 * np.abs(problem.right) + 1e-15 * (1.0 + float(np.linalg.norm(point.x)))
    active = np.where(guess.active, point.multipliers > 0, slack < -tiny) | problem.equal
    return Guess(active, lower, upper)


def _checked(
    program: NormalProgram,
    box: Box,
    problem: Quadratic,
    guess: Guess,
    point: Point,
    passes: int,
) -> EngineResult | None:
    """Return the point with its multipliers when the constraints left out hold as well."""
    w = 1.0 + point.x
    w[guess.lower], w[guess.upper] = box.lower[guess.lower], box.upper[guess.upper]
    if any(violation(constraint, w, 1.0) > 0 for constraint in problem.beside):
        return None
    lower = np.where(guess.lower, np.maximum(point.gradient, 0.0), 0.0)
    # A weight with one possible value is pressed from whichever side the gradient asks for.
    pressed = guess.upper | box.fixed
    upper = np.where(pressed, np.maximum(-point.gradient, 0.0), 0.0)
    places = {index: slice(start, stop) for index, start, stop in problem.owners}
    prices = point.multipliers / problem.lengths
    multipliers = tuple(
        bound_multiplier(index, c.terms[0][0], c.equality, box, lower, upper)
        if is_bound(c)
        else prices[places[index]]
        if index in places
        else np.zeros(1)
        for index, c in enumerate(program.constraints)
    )
    slope = problem.b + problem.rows.T @ point.multipliers - lower + upper
    slack = problem.right - problem.rows @ (w - 1.0)
    active = tuple(
        guess.active[places[index]] if index in places else np.zeros(1, dtype=np.bool_)
        for index in range(len(program.constraints))
    )
    return EngineResult(
        verdict=Verdict.OPTIMAL,
        x=w - 1.0,
        dose=1.0,
        multipliers=multipliers,
        slope=np.asarray(slope),
        curvature=np.full(program.n, problem.c),
        residual=0.0,
        # The Lagrangian at its minimiser is the dual value; on the bounds its terms are 0.
        dual_cost=float(total(program.cost, w, 1.0)[0] - point.multipliers @ slack),
        cost_unit=max(problem.c, float(np.max(np.abs(problem.b), initial=0.0))),
        active=active,
        at_lower=guess.lower,
        at_upper=guess.upper,
        iterations=passes,
        name="active set",
    )
