"""R-hat, effective draws, and the verdict."""

import numpy as np
import pytest
from estimate_samples import World, classifier, run

from pattern_lang.estimate.diagnostics import _spikes
from pattern_lang.estimate.mixing import effective_draws, r_hat
from pattern_lang.estimate.segments import segment_lengths


def autoregression(rho: float, chains: int, draws: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    trace = np.empty((chains, draws))
    trace[:, 0] = random.standard_normal(chains)
    for t in range(1, draws):
        noise = random.standard_normal(chains)
        trace[:, t] = rho * trace[:, t - 1] + np.sqrt(1 - rho**2) * noise
    return trace


def test_r_hat_of_chains_that_agree() -> None:
    trace = autoregression(0.0, 4, 1000)
    assert r_hat(trace) == pytest.approx(1.0, abs=0.01)
    assert r_hat(np.exp(5 * trace)) == pytest.approx(1.0, abs=0.01)  # ranks: heavy tails are fine


def test_r_hat_of_chains_that_do_not() -> None:
    trace = autoregression(0.0, 4, 500)
    assert r_hat(trace + np.array([[0.0], [0.0], [0.0], [2.0]])) > 1.2
    assert r_hat(trace * np.array([[1.0], [1.0], [1.0], [5.0]])) > 1.1  # only the spread differs
    assert r_hat(trace + np.linspace(0, 3, 500)) > 1.2  # a drift: the halves differ


def test_r_hat_of_nothing() -> None:
    assert r_hat(np.zeros((2, 10))) == 1.0


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_effective_draws_of_an_autoregression(rho: float) -> None:
    found = [effective_draws(autoregression(rho, 4, 4000, seed)) for seed in range(5)]
    assert np.mean(found) == pytest.approx(16000 * (1 - rho) / (1 + rho), rel=0.12)


def test_effective_draws_see_chains_that_disagree() -> None:
    trace = autoregression(0.0, 4, 500) + np.array([[0.0], [0.0], [0.0], [5.0]])
    assert effective_draws(trace) < 12


@pytest.mark.parametrize("chains", [1, 2, 4, 7, 12, 16, 17, 30, 64])
@pytest.mark.parametrize("draws", [4, 10, 97, 200, 1500])
def test_segments(chains: int, draws: int) -> None:
    lengths = segment_lengths(chains, draws)
    assert sum(lengths) == draws
    assert max(lengths) - min(lengths) <= 1
    assert min(lengths) >= 2
    assert chains * len(lengths) >= min(32, chains * (draws // 2))
    if draws in (200, 1500) and chains > 1:
        assert len(set(lengths)) == 1


def test_segments_of_the_usual_sizes() -> None:
    assert segment_lengths(4, 200) == (25,) * 8
    assert segment_lengths(12, 1500) == (375,) * 4


def test_a_short_run_is_unsound_in_words(world: World) -> None:
    estimate = run(world, classifier(world, draws=4, burn_in=0))
    (diagnosis,) = estimate.diagnostics
    assert not diagnosis.sound
    assert diagnosis.verdict == "unsound"
    assert any("effective draws" in reason for reason in diagnosis.reasons)


def test_a_checkpoint_that_is_no_minimum_is_a_reservation(world: World) -> None:
    """An untrained network: draws lie far below it in loss."""
    queries = classifier(world, nbeta=300.0, localization=1.0, draws=400, burn_in=2000, thin=10)
    (diagnosis,) = run(world, queries).diagnostics
    assert diagnosis.mean_excess < 0
    assert any("not near a minimum" in reason for reason in diagnosis.reasons)


def test_a_good_run_is_sound(world: World) -> None:
    queries = classifier(world, step=5e-3, localization=100.0, nbeta=5.0, draws=500)
    (diagnosis,) = run(world, queries).diagnostics
    assert diagnosis.sound, diagnosis.reasons
    assert diagnosis.r_hat < 1.05
    assert diagnosis.effective_draws > 100
    assert diagnosis.autocorrelation_time == pytest.approx(2000 / diagnosis.effective_draws)
    assert {name for name, _ in diagnosis.split_half} == {"even", "gap"}
    assert all(-1 <= value <= 1 for _, value in diagnosis.split_half)


def test_a_large_step_is_a_reservation(world: World) -> None:
    queries = classifier(world, step=0.03, localization=40.0, nbeta=50.0, draws=300)
    (diagnosis,) = run(world, queries).diagnostics
    assert any("widens the sharpest direction" in reason for reason in diagnosis.reasons)


def test_rare_spikes_are_unsound() -> None:
    """R-hat goes by ranks and sees nothing."""
    trace = autoregression(0.0, 4, 1000)
    assert not list(_spikes("the mean loss", trace))
    trace[2, 700:702] = 300.0
    assert r_hat(trace) < 1.01
    (finding,) = _spikes("the mean loss", trace)
    assert finding.grave
    assert "1 % of the draws carry 98% of the variance" in finding.text
    gamma = np.random.default_rng(0).gamma(0.25, size=(4, 2000))  # nβL of one quartic direction
    assert not [f for f in _spikes("the mean loss", gamma) if f.grave]
