"""Programs without a solution: which statements clash, and how much would be possible."""

import attrs
import numpy as np
import pytest
import scipy.optimize
from solve_samples import box, ess, estimate, goal, move, pattern, require, response

from pattern_lang.ir import program as ir
from pattern_lang.semantics.units import Unit
from pattern_lang.solve import (
    Along,
    AtLeast,
    AtMost,
    Bounds,
    EffectiveSampleSize,
    Equal,
    Mean,
    WeightProgram,
    solve_pattern,
)

RNG = np.random.default_rng


def largest(rows: np.ndarray, direction: np.ndarray, lower: float, upper: float) -> float:
    """The largest t with rows x = t direction in the box, sum x = 0, by HiGHS."""
    m, n = rows.shape
    equal = np.vstack([np.hstack([rows, -direction[:, None]]), np.r_[np.ones(n), 0.0]])
    found = scipy.optimize.linprog(
        np.r_[np.zeros(n), -1.0],
        A_eq=equal,
        b_eq=np.zeros(m + 1),
        bounds=[(lower - 1, upper - 1)] * n + [(0, None)],
    )
    return float(-found.fun)


@pytest.mark.parametrize("seed", range(8))
def test_dose_of_an_infeasible_program(seed: int) -> None:
    rng = RNG(seed)
    rows = response(rng, 3, 40, scales=10.0 ** rng.uniform(-2, 2, size=3))
    direction = rng.normal(size=3) * np.linalg.norm(rows, axis=1)
    limit = largest(rows, direction, 0.0, 3.0)
    factor = float(rng.uniform(1.001, 20))
    targets = [Equal(i, float(factor * limit * c)) for i, c in enumerate(direction)]
    solution = WeightProgram(rows, [*targets, Bounds(0, 3), Mean()]).solve()
    assert solution.status == "infeasible"
    assert solution.weights is None
    assert solution.dose == pytest.approx(1 / factor, rel=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_the_boundary_is_told_apart(seed: int) -> None:
    rng = RNG(seed)
    rows = response(rng, 2, 30)
    direction = rng.normal(size=2)
    limit = largest(rows, direction, 0.0, 3.0)
    for factor, status in ((0.999999, "optimal"), (1.00001, "infeasible")):
        targets = [Equal(i, float(factor * limit * c)) for i, c in enumerate(direction)]
        assert WeightProgram(rows, [*targets, Bounds(0, 3), Mean()]).solve().status == status


@pytest.mark.parametrize("seed", range(10))
def test_conflicts_are_minimal(seed: int) -> None:
    rng = RNG(seed)
    rows = response(rng, 4, 30)
    rows[3] = rows[0] - 0.5 * rows[1]  # so `r[3] >= 5` asks for `r[1] <= -8`, always too much
    constraints = [
        Equal(0, 1.0),
        AtMost(1, float(rng.uniform(-2, 2))),
        AtLeast(3, 5.0),
        AtLeast(1, -3.0),
        Equal(2, float(rng.uniform(-1, 1))),
        Bounds(0.2, 2.0),
        Mean(1.0),
        EffectiveSampleSize(0.5),
    ]
    solution = WeightProgram(rows, constraints).solve()
    assert solution.status == "infeasible"
    clash = [constraints[i] for i in solution.conflict]
    assert WeightProgram(rows, clash).solve().status == "infeasible"
    for left_out in range(len(clash)):
        rest = clash[:left_out] + clash[left_out + 1 :]
        assert WeightProgram(rows, rest).solve().status == "optimal"


def test_contradictory_duplicates_are_named() -> None:
    rows = response(RNG(0), 2, 30)
    doubled = np.vstack([rows, 2 * rows[0]])
    agreeing = [Equal(0, 0.5), Equal(1, 0.1), Equal(2, 1.0), Mean()]
    solution = WeightProgram(doubled, agreeing).solve()
    assert solution.status == "optimal"
    assert solution.shift == pytest.approx([0.5, 0.1, 1.0], rel=1e-9)
    solution = WeightProgram(doubled, [*agreeing[:2], Equal(2, 1.1), Mean()]).solve()
    assert solution.status == "infeasible"
    assert solution.conflict == (0, 2)


def test_crossing_bounds_and_alone_impossible_constraints() -> None:
    chi = response(RNG(0), 1, 30)
    data = estimate(chi)
    crossing = pattern([goal("shift", "a", 0.1)], [*box(2.0, 3.0), *box(0.0, 1.5)])
    solution = solve_pattern(crossing, data)
    assert (solution.status, solution.conflict) == ("infeasible", (1, 4))
    assert solution.dose is None
    alone = pattern([goal("shift", "a", 0.1)], [ess(1.5)])
    solution = solve_pattern(alone, data)
    assert (solution.status, solution.conflict) == ("infeasible", (1,))


def test_mean_against_conserved_mass() -> None:
    chi = response(RNG(0), 1, 30)
    two = require((1.0, ir.Mean()), constant=-2.0, equality=True)
    solution = solve_pattern(pattern([], [two]), estimate(chi))
    assert (solution.status, solution.conflict) == ("infeasible", (0, 1))


def test_a_row_without_response_cannot_move() -> None:
    chi = np.vstack([np.zeros(20), response(RNG(0), 1, 20)[0]])
    solution = solve_pattern(pattern([goal("shift", "a", 0.1)]), estimate(chi))
    assert (solution.status, solution.conflict, solution.dose) == ("infeasible", (0,), 0.0)
    assert solve_pattern(pattern([goal("shift", "a", 0.0)]), estimate(chi)).status == "optimal"


def test_one_unit_cannot_move() -> None:
    solution = solve_pattern(pattern([goal("raise", "a", 0.1)]), estimate(np.zeros((1, 1))))
    assert solution.status == "infeasible"
    solution = solve_pattern(pattern([goal("hold", "a", 0.1)]), estimate(np.zeros((1, 1))))
    assert solution.status == "optimal"
    assert solution.weights == pytest.approx([1.0])


def test_unbounded_objective_and_dose() -> None:
    chi = response(RNG(0), 2, 30)
    objective = ir.Expression(((1.0, ir.Predicted("a", Unit.NATS)),))
    assert (
        solve_pattern(pattern([], [], objective, "maximize"), estimate(chi)).status == "unbounded"
    )
    assert solve_pattern(pattern([move("ab", [1, 2])]), estimate(chi)).status == "unbounded"
    # Unbounded in direction, but empty: that it is empty is what to say.
    far = pattern([goal("raise", "b", 1e4)], [*box()], objective, "maximize")
    assert solve_pattern(far, estimate(chi)).status == "infeasible"


def test_hold_is_not_scaled_by_the_dose() -> None:
    rng = RNG(2)
    chi = response(rng, 2, 40)
    chi[1] = 0.8 * chi[0] + 0.2 * chi[1]
    data = estimate(chi)
    goals = [goal("shift", "a", 50.0), goal("hold", "b", 0.5)]
    found = solve_pattern(pattern(goals, box()), data)
    assert found.status == "infeasible"
    assert found.dose is not None
    for factor, status in ((0.9999, "optimal"), (1.0001, "infeasible")):
        scaled = attrs.evolve(goals[0], amount=ir.Amount(50.0 * found.dose * factor, Unit.NATS))
        assert solve_pattern(pattern([scaled, goals[1]], box()), data).status == status


def test_conflict_with_along() -> None:
    rows = response(RNG(0), 2, 30)
    constraints = [Along([0], [1.0]), AtMost(0, -1.0), Bounds(0, 4), Mean()]
    solution = WeightProgram(rows, constraints).solve()
    assert solution.status == "infeasible"
    assert solution.conflict == (0, 1)
