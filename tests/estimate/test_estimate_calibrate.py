"""Calibration: the terrain against exact answers, the plan of a run, statements, verdicts."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve

from pattern_lang.diagnostics import SourceFile
from pattern_lang.emit.calibration import emit_calibration
from pattern_lang.estimate.calibrate import statement
from pattern_lang.estimate.calibrate.plan import even_draws, per_draw, round_up, thinning
from pattern_lang.estimate.diagnostics import Limits
from pattern_lang.ir.calibration import Calibration, PosteriorTrial, Trial
from pattern_lang.ir.queries import Sampler
from pattern_lang.syntax.recover import parse

SAMPLER = Sampler("sgld", 8e-4, 900.0, 30.0, 256, 4, 1000, 500, thin=10)


@pytest.mark.parametrize(
    "sampler",
    [SAMPLER, Sampler("rmsprop_sgld", 1e-7, 3.5, 50_000.0, 16, 4, 100, 750, 30, 3, 0.95, 0.2)],
)
def test_a_statement_says_the_settings(sampler: Sampler) -> None:
    written = statement(sampler)
    file, problems = parse(SourceFile("s", f"pattern p {{\n{written}}}\n"))
    assert not problems
    for name in ("step", "nbeta", "localization", "draws", "burn_in", "thin", "seed"):
        value = written.split(f"{name}: ")[1].split(",")[0]
        assert float(value) == getattr(sampler, name)
    assert file.declarations


def test_effective_draws_of_an_autoregression() -> None:
    # With ρ = 0.9, τ = 19 steps make an effective draw, and 10 steps apart (1 + ρ¹⁰)/(1 - ρ¹⁰).
    assert per_draw(19.0, 1) == pytest.approx(19.0)
    assert per_draw(19.0, 10) == pytest.approx((1 + 0.9**10) / (1 - 0.9**10))


def test_thinning_follows_the_costs() -> None:
    assert thinning(50.0, step=1.0, draw=0.0) == 1
    assert thinning(50.0, step=1.0, draw=1.0) < thinning(50.0, step=1.0, draw=100.0) <= 200


def _trial(sampler: Sampler, *, sound: bool) -> Trial:
    loss = np.cumsum(np.ones((2, 40)), axis=1)
    reasons = () if sound else ("a chain diverged at step 3: the step is too large",)
    loss[1, 20:] = loss[1, 20:] if sound else np.nan
    steps = np.arange(1, 41)
    shown = PosteriorTrial("m", steps, loss, 8, 1.0, 2.0, 0.5, 0.1, 0.0, sound, reasons)
    return Trial(sampler, "", (shown,), 3.0, 2.0)


def test_the_picture_is_left_out_without_matplotlib(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = (_trial(SAMPLER, sound=True), _trial(evolve(SAMPLER, step=1.0), sound=False))
    result = Calibration(trials, SAMPLER, 1.0, 1.0)
    assert emit_calibration(result, "p", "estimate …", tmp_path / "p")
    assert (tmp_path / "p" / "calibration.png").exists()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert not emit_calibration(result, "p", "estimate …", tmp_path / "p")
    assert not (tmp_path / "p" / "calibration.png").exists()
    found = json.loads((tmp_path / "p" / "calibration.json").read_text("utf-8"))
    assert found["trials"][1]["posteriors"][0]["loss"][1][-1] is None
    assert found["chosen"]["nbeta"] == 900


def test_numbers_of_draws() -> None:
    assert [round_up(x) for x in (0.2, 7.3, 10.5, 101, 119.9, 1234)] == [1, 8, 11, 110, 120, 1300]
    assert even_draws(101) == 112


def test_short_chains_are_given_their_chance() -> None:
    """R-hat of independent normal draws stays below the limit for as many chains and draws."""
    from pattern_lang.estimate.mixing import effective_draws, r_hat

    random = np.random.default_rng(0)
    limits, bad = Limits(halves=4), 0
    for _ in range(300):
        trace = random.normal(size=(2, 24))
        bad += r_hat(trace) > limits.worst_r_hat(effective_draws(trace))
    assert bad < 15
    assert Limits().worst_r_hat(5.0) == 1.1
