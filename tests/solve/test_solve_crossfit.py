"""Cross-fitted predictions: two halves of the replicates, each judging the other's weights."""

import attrs
import numpy as np
import pytest
from solve_samples import box, estimate, goal, move, pattern, response

from pattern_lang.ir.susceptibility import Estimate
from pattern_lang.solve import solve_pattern, with_cross_fit
from pattern_lang.solve.crossfit import cross_fit, halves

RNG = np.random.default_rng
GOALS = (goal("shift", "a", 1.0), goal("raise", "b", 0.5), goal("hold", "c", 0.1))


def noisy(draws: int = 12, noise: float = 0.1) -> Estimate:
    return estimate(response(RNG(0), 3, 60), draws=draws, noise=noise)


def test_halves_are_means_of_the_replicates() -> None:
    data = noisy()
    whole = data.susceptibility
    one, other = (half.susceptibility for half in halves(data))
    assert 0.5 * (one.chi + other.chi) == pytest.approx(whole.chi, abs=1e-5)
    for row in range(3):
        replicates = whole.replicates(row)
        assert one.chi[row] == pytest.approx(replicates[:6].mean(axis=0), abs=1e-5)
        assert other.replicates(row) == pytest.approx(replicates[6:], abs=1e-5)


def test_halves_do_not_deviate_by_more_than_the_chains_did() -> None:
    data = noisy()
    chi = data.susceptibility
    wide = attrs.evolve(chi, noise=chi.noise.widened(np.full(3, 1.5)), widening=np.full(3, 1.5))
    for half, plain in zip(
        halves(attrs.evolve(data, susceptibility=wide)), halves(data), strict=True
    ):
        assert half.susceptibility.chi == pytest.approx(plain.susceptibility.chi, abs=1e-5)


def test_predictions_by_hand() -> None:
    data, program = noisy(), pattern(GOALS, box())
    found = cross_fit(program, data)
    assert found is not None
    assert [item.observable for item in found] == ["a", "b", "c"]
    pair = halves(data)
    weights = [solve_pattern(program, half).weights for half in pair]
    for row, item in enumerate(found):
        chi = [half.susceptibility.chi[row].astype(np.float64) for half in pair]
        shifts = [chi[1] @ (weights[0] - 1.0), chi[0] @ (weights[1] - 1.0)]
        assert item.predicted == pytest.approx(np.mean(shifts), abs=1e-5)
        errors = [
            half.susceptibility.noise.stderr(np.eye(3)[row], w - 1.0)
            for half, w in zip(pair, reversed(weights), strict=True)
        ]
        assert item.stderr == pytest.approx(0.5 * np.linalg.norm(errors), rel=1e-4)
    assert found[0].in_sample == pytest.approx(1.0, rel=1e-6)
    assert found[0].kept is not None
    assert found[0].kept < 1.0


def test_without_noise_both_predictions_are_the_same() -> None:
    found = cross_fit(pattern(GOALS, box()), noisy(noise=0.0))
    assert found is not None
    for item in found:
        assert item.predicted == pytest.approx(item.in_sample, rel=1e-5, abs=1e-7)


def test_goals_learn_of_it() -> None:
    program, data = pattern((goal("shift", "a", 1.0), move("bc", [1.0, -1.0])), box()), noisy()
    solution = solve_pattern(program, data)
    assert all(item.crossed is None for item in solution.goals)
    known = with_cross_fit(program, data, solution)
    assert [item.crossed for item in known.goals] != [None] * 3
    assert known.weights is solution.weights
    assert known.constraints == solution.constraints


@pytest.mark.parametrize(
    ("program", "data"),
    [
        (pattern(GOALS, box()), noisy(draws=3)),
        (pattern((), box()), noisy()),
        (pattern([goal("shift", "a", 1e6)], box()), noisy()),
    ],
    ids=["too few replicates", "no goals", "infeasible"],
)
def test_nothing_is_said_where_nothing_is_known(program: object, data: Estimate) -> None:
    solution = solve_pattern(program, data)  # type: ignore[arg-type]
    assert with_cross_fit(program, data, solution).goals == solution.goals  # type: ignore[arg-type]
