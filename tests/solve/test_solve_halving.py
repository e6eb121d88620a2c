"""Cross-fitted predictions of a program on a matrix of one's own."""

import numpy as np
import pytest
from solve_samples import response

from pattern_lang.diagnostics import PatternError
from pattern_lang.ir.noise import noise_of
from pattern_lang.solve import Bounds, Equal, Maximize, Norm, WeightProgram

RNG = np.random.default_rng
ASKED = (Equal(0, 2.0), Equal(1, -1.0), Bounds(-5.0, 5.0))


def measured(noise: float = 0.5, draws: int = 20, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = RNG(0)
    truth = response(rng, 3, n)
    return truth, truth + noise * draws**0.5 * rng.normal(size=(draws, 3, n))


def by_hand(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    pair = [WeightProgram(half, ASKED).solve(tol=1e-10).weights for half in (one, other)]
    return 0.5 * (other @ (pair[0] - 1.0) + one @ (pair[1] - 1.0))


def test_replicates_and_halves_and_noise_agree() -> None:
    _, draws = measured()
    chi, one, other = draws.mean(axis=0), draws[:10].mean(axis=0), draws[10:].mean(axis=0)
    expected = by_hand(one, other)
    for program in (
        WeightProgram(chi, ASKED, stderr=draws),
        WeightProgram(chi, ASKED, halves=(one, other)),
        WeightProgram(chi, ASKED, stderr=noise_of(draws)),
    ):
        found = program.solve(tol=1e-10)
        assert found.crossed == pytest.approx(expected, abs=2e-5)
        assert found.shift is not None
        assert abs(found.crossed[0]) < abs(found.shift[0])
        assert (found.crossed_stderr is None) == (program.stderr is None)
    errors = [WeightProgram(chi, ASKED, stderr=e).solve() for e in (draws, noise_of(draws))]
    assert errors[0].stderr == pytest.approx(errors[1].stderr, rel=1e-4)
    assert errors[0].crossed_stderr == pytest.approx(errors[1].crossed_stderr, rel=1e-4)


def test_beta_scales_them() -> None:
    _, draws = measured()
    chi = draws.mean(axis=0)
    plain = WeightProgram(chi, [Equal(0, 2.0)], stderr=draws).solve()
    scaled = WeightProgram(chi, [Equal(0, 1.0)], stderr=draws, beta=0.5).solve()
    assert scaled.crossed == pytest.approx(0.5 * plain.crossed, rel=1e-6)
    assert scaled.crossed_stderr == pytest.approx(0.5 * plain.crossed_stderr, rel=1e-6)


def test_they_are_nearer_to_the_truth() -> None:
    truth, draws = measured(noise=1.0)
    found = WeightProgram(draws.mean(axis=0), ASKED, stderr=draws).solve()
    true = truth[:2] @ (found.weights - 1.0)
    assert np.all(np.abs(found.crossed[:2] - true) < np.abs(found.shift[:2] - true))


def test_nothing_is_said_where_nothing_is_known() -> None:
    truth, draws = measured()
    for stderr in (None, np.ones_like(truth), draws[:3]):
        assert WeightProgram(truth, ASKED, stderr=stderr).solve().crossed is None
    free = WeightProgram(truth, [Norm(1.0)], Maximize(0), stderr=draws).solve()
    assert free.crossed is not None
    assert free.crossed[0] < free.shift[0]
    stuck = WeightProgram(truth, [Equal(0, 1e9), Bounds(0, 4)], stderr=draws).solve()
    assert stuck.crossed is None


def test_halves_of_another_shape() -> None:
    truth, _ = measured()
    with pytest.raises(PatternError, match="PAT5008"):
        WeightProgram.build(truth, halves=(truth, truth[:, :5]))
