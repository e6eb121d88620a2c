"""What is promised of the float32 weights that are written to disk."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solve_samples import box, ess, estimate, goal, pattern, require, response

from pattern_lang.ir import program as ir
from pattern_lang.semantics.units import Unit
from pattern_lang.solve import solve_pattern


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.sampled_from([20, 100, 1000]),
    spread=st.floats(0, 4),
    size=st.floats(-6, -0.5),
    lower=st.sampled_from([0.0, 0.1, 0.3]),
    upper=st.sampled_from([1.7, 3.3, 4.0]),
)
def test_final_weights_keep_their_promises(
    seed: int, n: int, spread: float, size: float, lower: float, upper: float
) -> None:
    rng = np.random.default_rng(seed)
    chi = response(rng, 4, n, scales=10.0 ** rng.uniform(-spread, spread, size=4))
    chi = chi.astype(np.float32)
    x = np.clip(rng.normal(size=n), lower - 1, upper - 1)
    x -= x.mean()
    targets = 10.0**size * (chi.astype(np.float64) @ x)
    goals = [goal("shift", "abcd"[i], float(targets[i])) for i in range(3)]
    goals.append(
        goal("raise", "d", float(targets[3])) if targets[3] > 0 else goal("hold", "d", 1e9)
    )
    solution = solve_pattern(pattern(goals, (*box(lower, upper), ess(0.2))), estimate(chi))
    if solution.status == "infeasible":
        return
    assert solution.status == "optimal"
    assert solution.weights is not None
    assert solution.weights.dtype == np.float32
    w = solution.weights.astype(np.float64)
    assert abs(w.mean() - 1) < 1e-6
    assert w.min() >= lower
    assert w.max() <= upper
    shifts = chi.astype(np.float64) @ (w - 1)
    # Below 1e-6 of the target only float32 itself stands in the way: one step of one weight.
    allowed = np.maximum(1e-6 * np.abs(targets), 1.2e-7 * np.abs(chi).max(axis=1))
    assert np.all(np.abs(shifts - targets)[:3] <= allowed[:3])
    if targets[3] > 0:
        assert shifts[3] >= targets[3] - allowed[3]
    for found, shift in zip(solution.goals, shifts, strict=True):
        assert found.predicted == pytest.approx(shift, rel=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_ordinary_targets_are_met_to_a_millionth(seed: int) -> None:
    rng = np.random.default_rng(seed)
    chi = response(rng, 4, 500, scales=10.0 ** rng.uniform(-3, 3, size=4)).astype(np.float32)
    lengths = np.linalg.norm(chi.astype(np.float64), axis=1)
    targets = lengths * rng.choice([-1, 1], size=4) * 10.0 ** rng.uniform(-1.5, 0.3, size=4)
    goals = [goal("shift", "abcd"[i], float(t)) for i, t in enumerate(targets)]
    solution = solve_pattern(pattern(goals, (*box(), ess(0.3))), estimate(chi))
    assert solution.status == "optimal"
    assert solution.weights is not None
    shifts = chi.astype(np.float64) @ (solution.weights.astype(np.float64) - 1)
    assert shifts == pytest.approx(targets, rel=1e-6)


def test_weights_sit_on_their_bounds() -> None:
    chi = response(np.random.default_rng(0), 1, 500)
    solution = solve_pattern(pattern([goal("shift", "a", 350.0)], box(0.1, 3.3)), estimate(chi))
    assert solution.status == "optimal"
    assert solution.weights is not None
    at_lower = solution.weights == np.nextafter(np.float32(0.1), np.float32(1))
    assert at_lower.sum() + (solution.weights == np.float32(0.1)).sum() > 10
    w = solution.weights.astype(np.float64)
    assert w.min() >= 0.1
    assert w.max() <= 3.3


def test_dual_and_gap_of_a_large_program() -> None:
    rng = np.random.default_rng(1)
    chi = response(rng, 8, 5000, scales=10.0 ** rng.uniform(-3, 3, size=8)).astype(np.float32)
    goals = [goal("shift", "a", 1.0, Unit.SD), goal("hold", "b", 1e-4), goal("raise", "c", 2.0)]
    mass = require((1.0, ir.GroupMass("group")), constant=-1.05)
    solution = solve_pattern(pattern(goals, (*box(), ess(0.5), mass)), estimate(chi))
    assert solution.status == "optimal"
    assert solution.certificate["gap"] < 1e-7
    assert solution.certificate["dual_residual"] < 1e-6
    assert solution.certificate["box_violation"] == 0.0


def test_fixed_weights_stay() -> None:
    chi = response(np.random.default_rng(2), 1, 30)
    frozen = require((1.0, ir.Entries()), constant=-1.0, equality=True)
    solution = solve_pattern(pattern([goal("hold", "a", 0.1)], [frozen]), estimate(chi))
    assert solution.status == "optimal"
    assert solution.weights == pytest.approx(np.ones(30), abs=0)
