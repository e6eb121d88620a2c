"""The exact solution of a quadratic program, from the active set that an engine found.

With a cost `c/2 ‖x‖² + b·x` and linear constraints, a guess of which constraints are active gives
x and all multipliers by one factorisation of the active rows. Violated constraints enter the
guess, constraints with a multiplier of the wrong sign leave it, until nothing changes (the
primal-dual active set method, Hintermüller, Ito & Kunisch 2002). What comes out is optimal to
rounding error however small the targets are, where an interior point stops at its tolerance.
"""

import attrs
import numpy as np
import scipy.linalg
import scipy.sparse as sp
from attrs import frozen

from pattern_lang.ir.program import Chi2, SumSquares
from pattern_lang.solve.box import Box, Flags, bound_multiplier
from pattern_lang.solve.engine import EngineResult, Verdict
from pattern_lang.solve.linear import DENSE_LIMIT, linear_rows
from pattern_lang.solve.normal import Affine, NormalProgram, Terms, Vector
from pattern_lang.solve.rewrite import is_bound
from pattern_lang.solve.values import left_side, total

ROUNDS = 40


@frozen(eq=False)
class Quadratic:
    """`c/2 ‖x‖² + b·x` under `rows · x <= right` (`==` where `equal`), within a box on w."""

    c: float
    b: Vector
    rows: sp.csr_array
    right: Vector
    equal: Flags
    owners: tuple[tuple[int, int, int], ...]


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
    program: NormalProgram, box: Box, result: EngineResult
) -> tuple[Vector, EngineResult] | None:
    """Return exact weights (n,) and multipliers, or None where the program is not of this kind.

    Constraints that are not linear are allowed while they do not bind. A result is returned only
    when every optimality condition has been checked on it.
    """
    problem = quadratic(program)
    if problem is None or problem.rows.shape[0] * program.n > DENSE_LIMIT:
        return None
    guess = _first_guess(problem, box, result)
    for _ in range(ROUNDS):
        point = _work_out(problem, box, guess)
        if point is None:
            return None
        following = _improve(problem, box, guess, point)
        if following.same(guess):
            return _checked(program, box, result, problem, guess, point)
        guess = following
    return None


def quadratic(program: NormalProgram) -> Quadratic | None:
    """Read a program as a quadratic one, leaving out constraints that are not linear."""
    cost = quadratic_cost(program.cost, program.n)
    if cost is None:
        return None
    pieces, rights, equal = [sp.csr_array((0, program.n))], [np.zeros(0)], [np.zeros(0, bool)]
    owners: list[tuple[int, int, int]] = []
    height = 0
    for index, constraint in enumerate(program.constraints):
        rows = linear_rows(constraint, program.n)
        if rows is None:
            continue
        matrix, constant = rows
        lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).reshape(-1))
        if np.any(lengths == 0):
            return None
        pieces.append(matrix)
        rights.append(-constant)
        equal.append(np.full(constant.size, constraint.equality))
        owners.append((index, height, height + constant.size))
        height += constant.size
    return Quadratic(
        cost[0],
        cost[1],
        sp.csr_array(sp.vstack(pieces)),
        np.concatenate(rights),
        np.concatenate(equal),
        tuple(owners),
    )


def quadratic_cost(cost: Terms, n: int) -> tuple[float, Vector] | None:
    """Return (c, b) when the cost is `c/2 ‖x‖² + b · x` up to a constant, c > 0; else None."""
    curvature, slope = 0.0, np.zeros(n)
    for coefficient, atom in cost:
        match atom:
            case SumSquares(scale, offset):
                curvature += 2.0 * coefficient * scale**2
                slope += 2.0 * coefficient * scale * (scale + offset)
            case Chi2():
                curvature += 2.0 * coefficient / n
            case Affine(row):
                slope += coefficient * row
            case _:
                return None
    return (curvature, slope) if curvature > 0 else None


def _first_guess(problem: Quadratic, box: Box, result: EngineResult) -> Guess:
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
    if chosen.size > np.count_nonzero(free):
        return None
    if chosen.size:
        rows = problem.rows[chosen].toarray()
        lengths = np.linalg.norm(rows, axis=1)
        rows /= lengths[:, None]
        right = problem.right[chosen] / lengths
        push = _least_norm(rows[:, free], right - rows @ x)
        if push is None:
            return None
        step, weights = push
        x[free] += step
        multipliers[chosen] = -problem.c * weights / lengths
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
    if float(np.max(np.abs(miss - rows @ step))) > 1e-12 * max(1.0, float(np.max(np.abs(miss)))):
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
    tiny = 1e-13 * (1.0 + np.abs(problem.right))
    active = np.where(guess.active, point.multipliers > 0, slack < -tiny) | problem.equal
    return Guess(active, lower, upper)


def _checked(
    program: NormalProgram,
    box: Box,
    result: EngineResult,
    problem: Quadratic,
    guess: Guess,
    point: Point,
) -> tuple[Vector, EngineResult] | None:
    """Return the point with its multipliers when the constraints left out hold as well."""
    w = 1.0 + point.x
    w[guess.lower], w[guess.upper] = box.lower[guess.lower], box.upper[guess.upper]
    linear = {index for index, _, _ in problem.owners}
    for index, constraint in enumerate(program.constraints):
        outside = index not in linear and not is_bound(constraint)
        if outside and float(np.max(left_side(constraint, w, 1.0))) > 0:
            return None
    lower = np.where(guess.lower, np.maximum(point.gradient, 0.0), 0.0)
    upper = np.where(guess.upper, np.maximum(-point.gradient, 0.0), 0.0)
    places = {index: slice(start, stop) for index, start, stop in problem.owners}
    multipliers = tuple(
        bound_multiplier(index, c.terms[0][0], c.equality, box, lower, upper)
        if is_bound(c)
        else point.multipliers[places[index]]
        if index in places
        else np.zeros_like(result.multipliers[index])
        for index, c in enumerate(program.constraints)
    )
    slope = problem.b + problem.rows.T @ point.multipliers - lower + upper
    sizes = np.abs(problem.b) + abs(problem.rows).T @ np.abs(point.multipliers) + lower + upper
    slack = problem.right - problem.rows @ (w - 1.0)
    exact = attrs.evolve(
        result,
        verdict=Verdict.OPTIMAL,
        x=w - 1.0,
        multipliers=multipliers,
        slope=np.asarray(slope),
        curvature=np.full(program.n, problem.c),
        magnitude=float(np.max(sizes, initial=0.0)),
        residual=0.0,
        # The Lagrangian at its minimiser is the dual value; on the bounds its terms are 0.
        dual_cost=float(total(program.cost, w, 1.0)[0] - point.multipliers @ slack),
        at_lower=guess.lower,
        at_upper=guess.upper,
    )
    return w, exact
