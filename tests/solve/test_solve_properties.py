"""Properties that hold for any program, and optimality checked from weights and duals alone."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from random_programs import Draw, Rng, box_of, inside_of, program_draw, response_of
from solve_samples import response
from written_programs import program_of

from pattern_lang.solve import (
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
    WeightProgram,
    WeightSolution,
)

Vector = NDArray[np.float64]
SEEDS = range(12)


def least_squares(rng: Rng) -> tuple[Draw, WeightProgram, WeightSolution]:
    """A random program with a sum of squares, rows, a mean and a box; and its solution."""
    while True:
        draw = program_draw(rng)
        if draw.cost.kind == "squares" and not (draw.shares or draw.budgets or draw.soft):
            break
    program = program_of(draw)
    solution = program.solve(tol=1e-10)
    assert solution.status == "optimal"
    return draw, program, solution


def rule(draw: Draw, program: WeightProgram, solution: WeightSolution) -> Vector:
    """The weights that the duals alone say: `clip(1 + ½ Σ_i y_i a_i, lower, upper)`."""
    assert solution.duals is not None
    assert solution.shift is not None
    slope = np.zeros(draw.n)
    for constraint, dual in zip(program.constraints, solution.duals, strict=True):
        match constraint:
            case Equal(row, _) | AtLeast(row, _):
                slope += dual * draw.numbers[row]
            case AtMost(row, _):
                slope -= dual * draw.numbers[row]
            case Between(row, low, high):
                at = solution.shift[row]
                slope += dual * draw.numbers[row] * (1.0 if at - low < high - at else -1.0)
            case Mean():
                slope += dual / draw.n
    return np.clip(1.0 + 0.5 * slope, draw.lower, draw.upper)


@pytest.mark.parametrize("seed", SEEDS)
def test_weights_follow_from_the_duals(seed: int) -> None:
    draw, program, solution = least_squares(np.random.default_rng(seed))
    assert solution.weights == pytest.approx(rule(draw, program, solution), abs=1e-7)
    # Complementary slackness: what does not bind has no price.
    assert solution.duals is not None
    assert solution.shift is not None
    for constraint, dual in zip(program.constraints, solution.duals, strict=True):
        if isinstance(constraint, AtLeast | AtMost):
            size = float(np.linalg.norm(draw.numbers[constraint.row])) or 1.0
            slack = abs(float(solution.shift[constraint.row]) - constraint.value) / size
            assert dual >= -1e-9
            assert slack * abs(dual) * size <= 1e-6 * max(1.0, float(solution.objective or 0.0))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bound_on_the_norm_has_the_multiplier_of_its_length(seed: int) -> None:
    # Maximise c·x within ‖x‖ <= R, mean 1, box: x = clip(R/d (c + λ)), d the price of the norm.
    rng = np.random.default_rng(seed)
    row = response(rng, 1, 60)
    program = WeightProgram(row, [Norm(2.0), Mean(1.0), Bounds(0.4, 2.5)], Maximize(0))
    solution = program.solve(tol=1e-10)
    assert solution.status == "optimal"
    assert solution.duals is not None
    price, mean, _ = solution.duals
    # What is minimised is -c·x, so the dual of the mean pulls against c.
    free = 1.0 + 2.0 / price * (row[0] + mean / 60)
    assert solution.weights == pytest.approx(np.clip(free, 0.4, 2.5), abs=1e-6)


def costs(solution: WeightSolution) -> float:
    assert solution.status == "optimal"
    assert solution.objective is not None
    return solution.objective


@pytest.mark.parametrize("seed", SEEDS)
def test_units_may_come_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    m, n = int(rng.integers(1, 9)), int(rng.integers(30, 200))
    chi = response_of(rng, m, n)
    w, held = inside_of(rng, n)
    lower, upper = box_of(rng, w, held)
    order = rng.permutation(n)
    targets = [Equal(i, float(chi[i] @ (w - 1.0))) for i in range(0, m, 2)]
    codes = rng.integers(3, size=n)
    limits = [*targets, Mean(1.0), EffectiveSampleSize(0.3)]
    one = [*limits, Bounds(lower, upper), Mass(codes, 0.6, 1.6)]
    other = [*limits, Bounds(lower[order], upper[order]), Mass(codes[order], 0.6, 1.6)]
    first = WeightProgram(chi, one).solve(tol=1e-10)
    second = WeightProgram(chi[:, order], other).solve(tol=1e-10)
    assert first.status == second.status
    if first.weights is None:
        return
    assert second.weights == pytest.approx(first.weights[order], abs=1e-6)
    assert costs(second) == pytest.approx(costs(first), rel=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_may_have_any_scale(seed: int) -> None:
    rng = np.random.default_rng(200 + seed)
    chi = response(rng, 5, 120)
    w = np.clip(1.0 + 0.6 * rng.normal(size=120), 0.1, 3.0)
    w /= w.mean()
    scales = 10.0 ** rng.uniform(-4, 4, size=5)
    at = chi @ (w - 1.0)

    def constraints(sizes: Vector) -> list[object]:
        return [
            Equal(0, float(sizes[0] * at[0])),
            Equal(1, float(sizes[1] * at[1])),
            AtLeast(2, float(sizes[2] * at[2])),
            Between(3, float(sizes[3] * (at[3] - 1)), float(sizes[3] * (at[3] + 1))),
            Bounds(0.0, 3.5),
            Mean(1.0),
        ]

    plain = WeightProgram(chi, constraints(np.ones(5))).solve(tol=1e-10)
    scaled = WeightProgram(scales[:, None] * chi, constraints(scales)).solve(tol=1e-10)
    assert costs(scaled) == pytest.approx(costs(plain), rel=1e-8)
    assert scaled.weights == pytest.approx(plain.weights, abs=1e-7)
    assert scaled.duals is not None
    assert plain.duals is not None
    turned = scaled.duals[:4] * scales[:4]
    assert turned == pytest.approx(plain.duals[:4], rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_unit_may_be_split_in_two(seed: int) -> None:
    # x becomes x/√2 twice, with 1/√2 of the response and of the room each: the same square, and
    # the same shift. By symmetry and strict convexity both halves get the same.
    rng = np.random.default_rng(300 + seed)
    chi = response(rng, 3, 40)
    w = np.clip(1.0 + 0.8 * rng.normal(size=40), 0.0, 2.5)
    targets = [Equal(i, float(t)) for i, t in enumerate(chi @ (w - 1.0))]
    low, high, root = np.full(40, 0.0), np.full(40, 2.5), 2.0**-0.5
    one = WeightProgram(chi, [*targets, Bounds(low, high)]).solve(tol=1e-10)
    parts = np.concatenate([chi[:, 1:], root * chi[:, :1], root * chi[:, :1]], axis=1)
    low, high = (
        1.0 + np.array([*[side - 1.0] * 39, *[root * (side - 1.0)] * 2]) for side in (0, 2.5)
    )
    two = WeightProgram(parts, [*targets, Bounds(low, high)]).solve(tol=1e-10)
    assert costs(two) == pytest.approx(costs(one), rel=1e-9)
    assert one.weights is not None
    assert two.weights is not None
    assert two.weights[:39] == pytest.approx(one.weights[1:], abs=1e-7)
    assert two.weights[39:] == pytest.approx(np.full(2, 1 + root * (one.weights[0] - 1)), abs=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_more_of_a_budget_is_never_worse(seed: int) -> None:
    rng = np.random.default_rng(400 + seed)
    rows = response(rng, 2, 80)
    along = Along([0, 1], [1.0, -0.5])
    doses = []
    for share in (0.95, 0.8, 0.6, 0.4, 0.2):
        limits = [along, Bounds(0.0, 5.0), EffectiveSampleSize(share)]
        solution = WeightProgram(rows, limits).solve()
        assert solution.status == "optimal"
        assert solution.dose is not None
        doses.append(solution.dose)
    assert all(b >= a * (1 - 1e-6) for a, b in pairwise(doses))
    assert doses[-1] > 1.5 * doses[0]


@pytest.mark.parametrize("seed", range(4))
def test_the_price_grows_with_the_dose_and_is_convex(seed: int) -> None:
    rng = np.random.default_rng(500 + seed)
    rows = response(rng, 3, 80)
    at = rows @ np.clip(rng.normal(size=80), -1.0, 2.0)
    found = []
    for dose in np.linspace(0.0, 0.9, 10):
        targets = [Equal(i, float(dose * at[i])) for i in range(3)]
        limits = [*targets, Bounds(0.0, 3.0), Mean(1.0)]
        found.append(costs(WeightProgram(rows, limits).solve(tol=1e-10)))
    steps = np.diff(found)
    assert found[0] == pytest.approx(0.0, abs=1e-12)
    assert np.all(steps > 0)
    assert np.all(np.diff(steps) >= -1e-7 * steps[-1])
