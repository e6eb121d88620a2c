"""Random programs over all atoms, against the same programs written for Clarabel directly."""

import numpy as np
import pytest
from clarabel_reference import INFEASIBLE, SOLVED, price, reference, violation
from random_programs import Draw, pattern_draw, program_draw
from written_programs import pattern_of, program_of

from pattern_lang.solve import solve_pattern

FEW, MANY = 30, 300
# A dose stops a millionth short of the largest; near there the price changes fast with the dose.
DOSE, STEP = 2e-6, 1e-7


def chosen(first: int) -> list[object]:
    """Seeds, of which those beyond the first `FEW` are run as slow tests."""
    marks = (() if i < FEW else pytest.mark.slow for i in range(MANY))
    return [pytest.param(first + i, marks=mark) for i, mark in enumerate(marks)]


def agree(draw: Draw, w: np.ndarray, dose: float, tolerance: float) -> None:
    """Compare the price of weights with what Clarabel finds, and check every constraint."""
    assert violation(draw, draw.inside) <= 1e-9
    assert violation(draw, w, dose) <= tolerance
    low = high = dose
    if draw.cost.kind == "along":
        status, _, largest = reference(draw)
        assert status in SOLVED
        assert largest * (1 - DOSE) - 1e-9 <= dose <= largest * (1 + STEP) + 1e-9
        low, high = dose * (1 - STEP), min(dose * (1 + STEP), 0.5 * (dose + largest))
        if reference(draw, low)[0] == INFEASIBLE:
            # Equalities leave one dose alone.
            assert abs(dose - largest) <= 1e-9
            low = high = dose
    ours, least, most = (price(draw, x) for x in (w, best(draw, low), best(draw, high)))
    assert ours <= most + 1e-6 * max(abs(most), 1e-2)
    assert ours >= least - 1e-6 * max(abs(least), 1e-2)


def best(draw: Draw, dose: float) -> np.ndarray:
    """Return the weights that Clarabel finds."""
    status, point, _ = reference(draw, dose)
    assert status in SOLVED, status
    assert violation(draw, point, dose) <= 1e-8
    return point


@pytest.mark.parametrize("seed", chosen(0))
def test_python_interface(seed: int) -> None:
    draw = program_draw(np.random.default_rng(seed))
    solution = program_of(draw).solve(tol=1e-10)
    assert solution.status == "optimal"
    assert solution.weights is not None
    assert solution.dose is not None
    agree(draw, solution.weights, solution.dose, 1e-7)


@pytest.mark.parametrize("seed", chosen(10_000))
def test_patterns(seed: int) -> None:
    draw = pattern_draw(np.random.default_rng(seed))
    solution = solve_pattern(*pattern_of(draw))
    assert solution.status == "optimal"
    assert solution.weights is not None
    # Weights of a pattern are float32, whose numbers lie 1.2e-7 apart just above 1.
    agree(draw, solution.weights.astype(np.float64), 1.0, 1e-7 + 1.2e-7)
