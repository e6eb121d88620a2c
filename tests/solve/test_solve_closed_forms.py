"""Programs whose solutions are known in closed form."""

import numpy as np
import pytest
from numpy.typing import NDArray
from solve_samples import box, ess, estimate, goal, pattern, require, response

from pattern_lang.ir import program as ir
from pattern_lang.ir.sources import Comparison, RowField, RowLiteral
from pattern_lang.semantics.units import Unit
from pattern_lang.solve import (
    KL,
    AtLeast,
    Bounds,
    EffectiveSampleSize,
    Equal,
    Mass,
    Maximize,
    Mean,
    Norm,
    Soft,
    WeightProgram,
    solve_pattern,
)

RNG = np.random.default_rng


@pytest.mark.parametrize("seed", range(5))
def test_nothing_binds_gives_the_pseudo_inverse(seed: int) -> None:
    rng = RNG(seed)
    rows = response(rng, 4, 60, scales=10.0 ** rng.uniform(-3, 3, size=4))
    target = rows @ (0.05 * rng.normal(size=60))
    program = WeightProgram(rows, [Equal(i, float(v)) for i, v in enumerate(target)])
    solution = program.subject_to(Bounds(0.0, 4.0), Mean(1.0)).solve()
    assert solution.status == "optimal"
    exact = 1.0 + np.linalg.pinv(rows / np.linalg.norm(rows, axis=1)[:, None]) @ (
        target / np.linalg.norm(rows, axis=1)
    )
    assert solution.weights == pytest.approx(exact, abs=1e-9)


def simplex_projection(point: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest point with sum n and no negative entry (Held, Wolfe & Crowder 1974)."""
    ordered = np.sort(point)[::-1]
    excess = (np.cumsum(ordered) - point.size) / np.arange(1, point.size + 1)
    level = excess[np.flatnonzero(ordered > excess)[-1]]
    return np.asarray(np.maximum(point - level, 0.0))


@pytest.mark.parametrize("seed", range(5))
def test_simplex_projection(seed: int) -> None:
    # ‖w - 1‖² + p (g·(w-1) - s)² as p goes to 0 along a soft row leans on g: use the dual form
    # instead, maximise g·x within a ball, whose solution is a projected step along g.
    rng = RNG(seed)
    row = response(rng, 1, 40)
    radius = 0.9 * np.sqrt(40.0)
    solution = WeightProgram(row, [Bounds(0.0, None), Mean(1.0), Norm(radius)], Maximize(0)).solve(
        1e-11
    )
    assert solution.status == "optimal"
    low, high = 1e-3, 1e3
    for _ in range(200):
        step = np.sqrt(low * high)
        w = simplex_projection(1.0 + step * row[0])
        low, high = (step, high) if np.linalg.norm(w - 1.0) < radius else (low, step)
    assert solution.weights == pytest.approx(w, abs=1e-6)
    assert solution.objective == pytest.approx(float(row[0] @ (w - 1.0)), rel=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_a_shifted_sum_of_squares_is_a_simplex_projection(seed: int) -> None:
    # ‖w - 1‖² - 2 g·(w - 1) is ‖w - (1 + g)‖² less a constant.
    chi = response(RNG(seed), 1, 60, scales=[2.0]).astype(np.float32)
    moved = ir.Expression(((1.0, ir.SumSquares(1.0, -1.0)), (-2.0, ir.Predicted("a", Unit.NATS))))
    positive = require((-1.0, ir.Entries()))
    solution = solve_pattern(pattern((), [positive], moved), estimate(chi))
    assert solution.status == "optimal"
    expected = simplex_projection(1.0 + chi[0].astype(np.float64))
    assert np.sum(expected == 0) > 10
    assert solution.weights == pytest.approx(expected, abs=5e-7)


def raked(
    codes: list[NDArray[np.int64]], targets: list[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Iterative proportional fitting of weights to group totals (Deming & Stephan 1940)."""
    w = np.ones(codes[0].size)
    for _ in range(500):
        for code, target in zip(codes, targets, strict=True):
            w *= (target / np.bincount(code, w))[code]
    return w


@pytest.mark.parametrize("seed", range(5))
def test_kl_with_group_totals_is_raking(seed: int) -> None:
    rng = RNG(seed)
    codes = [rng.integers(groups, size=120) for groups in (3, 4)]
    likely = np.exp(0.5 * rng.normal(size=120))
    likely /= likely.mean()
    targets = [np.bincount(code, likely) for code in codes]
    limits = [
        require(
            (1.0, ir.ShareMass(Comparison("==", RowField(name), RowLiteral(k)))),
            constant=-float(target[k] / np.sum(code == k)),
            equality=True,
        )
        for name, code, target in zip("xy", codes, targets, strict=True)
        for k in range(target.size)
    ]
    objective = ir.Expression(((1.0, ir.KL()),))
    data = estimate(np.zeros((1, 120)), fields=dict(zip("xy", codes, strict=True)))
    solution = solve_pattern(pattern((), limits, objective), data)
    assert solution.status == "optimal"
    assert solution.weights == pytest.approx(raked(codes, targets), abs=1e-6)


def test_raking_for_mass() -> None:
    # Group shares fixed at twice and at half: every unit of a group gets the same weight.
    codes = np.array([0] * 10 + [1] * 30)
    program = WeightProgram(
        np.zeros((1, 40)), [Mean(1.0), Mass(np.where(codes == 0, 0, 1), 1.0, 1.0)]
    )
    assert program.solve().weights == pytest.approx(np.ones(40))
    row = (codes == 0) - (codes == 0).mean()
    lifted = WeightProgram(row[None, :], [Mean(1.0), Mass(codes, 0.5, 2.0), AtLeast(0, 10.0)])
    weights = lifted.solve().weights
    assert weights == pytest.approx(np.where(codes == 0, 2.0, 2.0 / 3.0), abs=1e-8)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_effective_sample_size_budget(share: float) -> None:
    row = response(RNG(3), 1, 50)
    radius = np.sqrt(50 * (1 / share - 1))
    solution = WeightProgram(row, [EffectiveSampleSize(share)], Maximize(0)).solve()
    assert solution.objective == pytest.approx(radius * np.linalg.norm(row), rel=1e-8)
    assert solution.weights is not None
    assert solution.certificate["ess"] == pytest.approx(share, rel=1e-7)
    # The price of the budget: d/df of radius(f) ‖R‖.
    slope = 50 / (2 * share**2 * radius) * np.linalg.norm(row)
    assert solution.duals is not None
    assert solution.duals[0] == pytest.approx(slope, rel=1e-5)


def test_kl_budget_is_an_exponential_tilt() -> None:
    row = response(RNG(4), 1, 30)
    solution = WeightProgram(row, [KL(0.1)], Maximize(0)).solve(tol=1e-10)
    low, high = 1e-3, 1e2
    for _ in range(100):
        slope = np.sqrt(low * high)
        w = np.exp(slope * row[0])
        w *= 30 / w.sum()
        low, high = (slope, high) if np.mean(w * np.log(w)) < 0.1 else (low, slope)
    assert solution.weights == pytest.approx(w, abs=1e-5)


def test_soft_target_is_ridge_regression() -> None:
    row = response(RNG(5), 1, 30)
    square = float(row[0] @ row[0])
    solution = WeightProgram(row, [Soft(0, 2.0, 0.7), Mean(1.0)]).solve()
    assert solution.shift == pytest.approx([0.7 * square * 2.0 / (1 + 0.7 * square)], rel=1e-8)


def test_beta_multiplies_the_response() -> None:
    row = response(RNG(6), 1, 20)
    program = WeightProgram.build(row, beta=0.25, names=["a"]).subject_to(Equal("a", 0.1), Mean())
    solution = program.solve()
    assert solution.weights == pytest.approx(1 + 0.4 * row[0] / (row[0] @ row[0]), abs=1e-9)


def test_memory_map_in_single_precision(tmp_path: object) -> None:
    from pathlib import Path

    rows = response(RNG(7), 3, 100).astype(np.float32)
    path = Path(str(tmp_path)) / "chi.npy"
    np.save(path, rows)
    mapped = np.load(path, mmap_mode="r")
    constraints = [Equal(1, 0.3), Mean(1.0), Bounds(0, 2)]
    there = WeightProgram(mapped, constraints).solve()
    here = WeightProgram(rows.astype(np.float64), constraints).solve()
    assert there.weights == pytest.approx(here.weights, abs=1e-12)


def test_a_pattern_is_the_same_program() -> None:
    chi = response(RNG(8), 2, 80)
    found = solve_pattern(pattern([goal("shift", "a", 1.5)], (*box(), ess(0.5))), estimate(chi))
    assert found.status == "optimal"
    row = chi[0].astype(np.float32).astype(np.float64)
    row -= row.mean()
    assert found.weights == pytest.approx(1 + 1.5 * row / (row @ row), abs=1e-6)
