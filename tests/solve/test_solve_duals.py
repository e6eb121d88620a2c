"""Shadow prices against finite differences of the optimal objective."""

from collections.abc import Callable

import numpy as np
import pytest
from solve_samples import box, ess, estimate, goal, pattern, require, response

from pattern_lang.ir import program as ir
from pattern_lang.semantics.units import Unit
from pattern_lang.solve import (
    KL,
    Along,
    AtLeast,
    AtMost,
    Between,
    Bounds,
    EffectiveSampleSize,
    Equal,
    Mass,
    Maximize,
    Mean,
    Norm,
    Soft,
    SumSquares,
    WeightProgram,
    solve_pattern,
)

RNG = np.random.default_rng
ROWS = response(RNG(11), 3, 40, scales=[1.0, 30.0, 0.02])
CODES = np.arange(40) % 3
Build = Callable[[float], list]  # type: ignore[type-arg]

CASES: dict[str, tuple[Build, object, int]] = {
    "equal": (lambda d: [Equal(0, 12.0 + d), Bounds(0, 2), Mean()], SumSquares(), 0),
    "equal down": (lambda d: [Equal(0, -12.0 + d), Bounds(0, 2), Mean()], SumSquares(), 0),
    "at least": (lambda d: [AtLeast(1, 400.0 + d), Bounds(0, 2), Mean()], SumSquares(), 0),
    "at most": (lambda d: [AtMost(2, -0.3 - d), Bounds(0, 2), Mean()], SumSquares(), 0),
    "between": (
        lambda d: [Equal(0, 12.0), Between(1, -5.0, -1.0 - d), Bounds(0, 2), Mean()],
        SumSquares(),
        1,
    ),
    "bounds": (lambda d: [Equal(0, 20.0), Bounds(None, 1.8 - d), Mean()], SumSquares(), 1),
    "lower bounds": (lambda d: [Equal(0, 20.0), Bounds(0.3 + d, None), Mean()], SumSquares(), 1),
    "mean": (lambda d: [Equal(0, 20.0), Bounds(0.3, 1.8), Mean(1.0 + d)], SumSquares(), 2),
    "mass": (lambda d: [Equal(0, 12.0), Mass(CODES, None, 1.02 - d), Mean()], SumSquares(), 1),
    "mass sizes": (
        lambda d: [Equal(0, 12.0), Mass(CODES, 0.98 + d, None, 1.0 + np.arange(40)), Mean()],
        SumSquares(),
        1,
    ),
    "ess": (lambda d: [EffectiveSampleSize(0.6 + d), Bounds(0, 3)], Maximize(0), 0),
    "kl": (lambda d: [KL(0.2 - d), Bounds(0, 3)], Maximize(0), 0),
    "norm": (lambda d: [Norm(2.0 - d), Bounds(0, 3), Mean()], Maximize(0), 0),
    "soft": (lambda d: [Soft(0, 9.0 + d, 0.3), Bounds(0.6, 1.5), Mean()], SumSquares(), 0),
    "bounds of a linear objective": (lambda d: [Bounds(d, 3 - d), Mean()], Maximize(2), 0),
}


@pytest.mark.parametrize("name", CASES)
def test_price_is_the_derivative(name: str) -> None:
    build, objective, index = CASES[name]
    step = 1e-4

    def cost(d: float) -> float:
        solution = WeightProgram(ROWS, build(d), objective).solve(tol=1e-11)  # type: ignore[arg-type]
        assert solution.status == "optimal"
        assert solution.objective is not None
        return -solution.objective if isinstance(objective, Maximize) else solution.objective

    solution = WeightProgram(ROWS, build(0.0), objective).solve(tol=1e-11)  # type: ignore[arg-type]
    assert solution.duals is not None
    slope = (cost(step) - cost(-step)) / (2 * step)
    assert solution.duals[index] == pytest.approx(slope, rel=2e-3)
    assert abs(slope) > 1e-3


def test_price_of_a_dose_is_that_of_its_rows() -> None:
    program = WeightProgram(ROWS, [Along([0, 1], [1.0, -10.0]), Bounds(0, 2), Mean()])
    solution = program.solve()
    assert solution.duals is not None
    assert solution.duals[0] > 0


def worsening(build: Callable[[float], ir.WeightPattern], step: float) -> float:
    chi = response(RNG(12), 2, 40)
    data = estimate(chi, sd=[0.7, 0.7])
    costs = []
    for d in (step, -step):
        solution = solve_pattern(build(d), data)
        assert solution.status == "optimal"
        costs.append(solution.certificate["primal_cost"])
    return float(costs[0] - costs[1]) / (2 * step)


PATTERNS: dict[str, tuple[Callable[[float], ir.WeightPattern], int]] = {
    # What is asked for grows by d in its own direction; a limit tightens by d.
    "shift up": (lambda d: pattern([goal("shift", "a", 12.0 + d)], box(0, 2)), 0),
    "shift down": (lambda d: pattern([goal("shift", "a", -12.0 - d)], box(0, 2)), 0),
    "raise": (lambda d: pattern([goal("raise", "a", 12.0 + d)], box(0, 2)), 0),
    "lower": (lambda d: pattern([goal("lower", "a", 12.0 + d)], box(0, 2)), 0),
    "hold": (
        lambda d: pattern([goal("shift", "a", 12.0), goal("hold", "b", 0.5 - d)], box(0, 2)),
        1,
    ),
    "sd": (lambda d: pattern([goal("raise", "a", (12.0 + d) / 0.7, Unit.SD)], box(0, 2)), 0),
    "upper": (lambda d: pattern([goal("shift", "a", 25.0)], box(0, 2 - d)), 2),
    "predicted": (
        lambda d: pattern(
            [goal("shift", "a", 12.0)],
            [require((1.0, ir.Predicted("b", Unit.NATS)), constant=2.0 + d), *box(0, 2)],
        ),
        1,
    ),
    "ess": (
        lambda d: pattern(
            [],
            [ess(0.7 + d), *box()],
            ir.Expression(((1.0, ir.Predicted("a", Unit.NATS)),)),
            "maximize",
        ),
        0,
    ),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_price_in_a_pattern(name: str) -> None:
    build, place = PATTERNS[name]
    solution = solve_pattern(build(0.0), estimate(response(RNG(12), 2, 40), sd=[0.7, 0.7]))
    outcome = (solution.goals + solution.constraints)[place]
    assert outcome.binding
    assert outcome.dual == pytest.approx(worsening(build, 1e-3), rel=2e-3)
    assert outcome.dual is not None
    assert outcome.dual > 0


def test_what_does_not_bind_is_free() -> None:
    chi = response(RNG(12), 2, 40)
    goals = [goal("shift", "a", 0.5), goal("hold", "b", 50.0)]
    solution = solve_pattern(pattern(goals, (*box(), ess(0.2))), estimate(chi))
    held = (solution.goals[1], *solution.constraints[:3])
    assert [outcome.binding for outcome in held] == [False] * 4
    assert [outcome.dual for outcome in held] == pytest.approx([0.0] * 4, abs=1e-9)
