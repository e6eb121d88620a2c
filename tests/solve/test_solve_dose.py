"""`move` without an amount: the largest dose, then the cheapest weights that reach it."""

import numpy as np
import pytest
from solve_samples import box, ess, estimate, goal, move, pattern, response
from test_solve_infeasible import largest

from pattern_lang.ir import program as ir
from pattern_lang.semantics.units import Unit
from pattern_lang.solve import Along, Bounds, Equal, Maximize, Mean, WeightProgram, solve_pattern

RNG = np.random.default_rng


@pytest.mark.parametrize("seed", range(8))
def test_dose_is_the_largest(seed: int) -> None:
    rng = RNG(seed)
    rows = response(rng, 3, 50, scales=10.0 ** rng.uniform(-4, 4, size=3))
    direction = rng.normal(size=3) * np.linalg.norm(rows, axis=1)
    limit = largest(rows, direction, 0.0, 4.0)
    along = Along([0, 1, 2], direction.tolist())
    solution = WeightProgram(rows, [along, Bounds(0, 4), Mean()]).solve()
    assert solution.status == "optimal"
    assert solution.dose == pytest.approx(limit, rel=1e-5)
    assert solution.dose is not None
    assert solution.dose <= limit
    assert solution.shift == pytest.approx(solution.dose * direction, rel=1e-9)


def test_second_stage_is_the_cheapest_at_that_dose() -> None:
    chi = response(RNG(1), 2, 60)
    data = estimate(chi)
    free = solve_pattern(pattern([move("ab", [1, -2])], (*box(), ess(0.4))), data)
    assert free.dose is not None
    fixed = pattern(
        [goal("shift", "a", free.dose), goal("shift", "b", -2 * free.dose)], (*box(), ess(0.4))
    )
    again = solve_pattern(fixed, data)
    assert again.status == free.status == "optimal"
    assert free.certificate["primal_cost"] == pytest.approx(
        again.certificate["primal_cost"], rel=1e-6
    )


def test_directions_in_standard_deviations() -> None:
    chi = response(RNG(2), 2, 60)
    data = estimate(chi, sd=[0.1, 3.0])
    solution = solve_pattern(pattern([move("ab", [1, 1], unit=Unit.SD)], box()), data)
    a, b = solution.goals
    assert a.in_sd == pytest.approx(solution.dose, rel=1e-6)
    assert b.in_sd == pytest.approx(solution.dose, rel=1e-6)
    assert a.requested[0] == pytest.approx(0.1 * solution.dose)  # type: ignore[operator]


def test_amount_in_standard_deviations_scales_plain_directions() -> None:
    chi = response(RNG(3), 2, 60)
    data = estimate(chi, sd=[0.1, 3.0])
    by = ir.Amount(0.5, Unit.SD)
    solution = solve_pattern(pattern([move("ab", [1, -1], by, Unit.ONE)], box()), data)
    assert [g.predicted for g in solution.goals] == pytest.approx([0.05, -1.5], rel=1e-6)
    assert solution.dose == 1.0


def test_dose_in_tiny_units() -> None:
    chi = 1e-7 * response(RNG(4), 1, 40)
    limit = 1e-7 * largest(1e7 * chi, np.array([1.0]), 0.0, 4.0)
    solution = solve_pattern(pattern([move("a", [1.0])], box()), estimate(chi))
    assert solution.status == "optimal"
    assert solution.dose == pytest.approx(limit, rel=1e-5)


def test_no_movement_is_a_dose_of_zero() -> None:
    chi = np.zeros((1, 20))
    solution = solve_pattern(pattern([move("a", [1.0])], box()), estimate(chi))
    assert (solution.status, solution.dose) == ("optimal", 0.0)


def test_maximize_among_the_maximisers() -> None:
    rows = response(RNG(5), 2, 40)
    program = WeightProgram(rows, [Along([0], [1.0]), Bounds(0, 3), Mean()], Maximize(1))
    solution = program.solve()
    assert solution.status == "optimal"
    assert solution.dose is not None
    held = WeightProgram(
        rows, [Equal(0, solution.dose), Bounds(0, 3), Mean()], Maximize({1: 1.0})
    ).solve()
    assert solution.objective == pytest.approx(held.objective, rel=1e-6)
