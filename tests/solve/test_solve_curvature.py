"""Hessians over rows that have groups beside them, and what steps teach them."""

import numpy as np
import pytest

from pattern_lang.solve import Along, Bounds, Equal, Mean, WeightProgram
from pattern_lang.solve.resolve import codes_of
from pattern_lang.solve.structured.curvature import Curvature


def arrow(rng: np.random.Generator, dense: int, groups: int) -> tuple[Curvature, np.ndarray]:
    """A Hessian with groups, and the same as a matrix."""
    rows = rng.normal(size=(dense, 40 * groups))
    hot = np.repeat(np.eye(groups), 40, axis=1)
    whole = np.vstack([rows, hot])
    matrix = whole @ whole.T
    tail = np.diag(matrix)[dense:].copy()
    return Curvature(matrix[:dense, :dense], matrix[:dense, dense:], tail), matrix


@pytest.mark.parametrize("groups", [0, 7])
def test_corrections_meet_the_secant_condition_and_solve(groups: int) -> None:
    rng = np.random.default_rng(groups)
    curvature, matrix = arrow(rng, 4, max(groups, 1))
    if not groups:
        curvature, matrix = Curvature(matrix[:4, :4]), matrix[:4, :4]
    size = len(matrix)
    true = matrix + np.diag(rng.uniform(1.0, 5.0, size))
    for _ in range(3):
        moved = rng.normal(size=size)
        curvature = curvature.updated(moved, true @ moved)
        assert curvature.times(moved) == pytest.approx(true @ moved, rel=1e-9)
    full = np.column_stack([curvature.times(e) for e in np.eye(size)])
    assert np.linalg.eigvalsh(full).min() > 0
    chosen, right, bend = rng.random(size) < 0.7, rng.normal(size=size), rng.random(size)
    found = curvature.solve(chosen, right, bend)
    part = (full + np.diag(bend))[np.ix_(chosen, chosen)]
    assert found[chosen] == pytest.approx(np.linalg.solve(part, right[chosen]), rel=1e-8)
    assert not np.any(found[~chosen])


def test_a_step_without_curvature_corrects_nothing() -> None:
    curvature = Curvature(np.eye(2))
    assert curvature.updated(np.array([1.0, 0.0]), np.array([-1.0, 0.0])) is curvature


def test_singular_rows_take_several_right_sides() -> None:
    curvature, _ = arrow(np.random.default_rng(3), 2, 5)
    double = np.vstack([curvature.dense[:1], curvature.dense[:1]])
    twice = Curvature(np.hstack([double[:, :1], double[:, :1]]))
    right = twice.dense @ np.array([1.0, 2.0])
    found = twice.solve(np.ones(2, dtype=bool), right, np.zeros(2))
    assert twice.dense @ found == pytest.approx(right)


@pytest.mark.parametrize("kind", [np.int64, np.int8, np.uint16, bool])
def test_codes_number_values_by_first_appearance(kind: type) -> None:
    values = np.random.default_rng(5).integers(0 if kind in (np.uint16, bool) else -9, 9, 500)
    values = values.astype(kind)
    codes, names = codes_of(values)
    slow, order = codes_of(values.astype(object))
    assert np.array_equal(codes, slow)
    assert names == order


def test_a_dose_that_equalities_hold() -> None:
    chi = np.random.default_rng(6).normal(size=(3, 60))
    chi[2] = 2.0 * chi[0]
    asked = [Along([0], [1.0]), Equal(2, 6.0), Equal(1, 1.0), Mean(1.0), Bounds(0.0, 4.0)]
    solution = WeightProgram(chi, asked).solve(tol=1e-10)
    assert solution.status == "optimal"
    assert solution.dose == pytest.approx(3.0, abs=1e-9)
    held = WeightProgram(chi, [Equal(0, 3.0), *asked[2:]]).solve(tol=1e-10)
    assert solution.objective == pytest.approx(held.objective, rel=1e-6)
