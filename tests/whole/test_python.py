"""The Python interface on the first example."""

from pathlib import Path

import numpy as np
import pytest

import pattern_lang as pl


def test_load_and_compile(sampled: tuple[Path, Path]) -> None:
    project, build = sampled
    spec = pl.load(project / "steer.pat", params={"dose": "2 sd"})
    assert spec.diagnostics == ()
    assert spec.patterns == ("steer",)
    run = spec.compile("steer", out=build, frontier=True)
    assert run.folder == build / "steer"
    assert run.status == "optimal"
    assert run.dose == 1
    assert run.weights.shape == (900,)
    assert abs(float(run.weights.astype(np.float64).mean()) - 1) < 1e-6
    hard = run.goals[0]
    assert hard.observable == "hard_loss"
    assert hard.in_sd == pytest.approx(-2, rel=1e-6)
    assert hard.crossed is not None
    assert hard.reliability is not None
    assert run.softening is None
    assert len(run.directions) == 3
    assert run.frontier is not None
    assert run.frontier.chosen is not None
    at = run.frontier.points[run.frontier.chosen]
    assert at.predicted == pytest.approx((hard.predicted,), rel=1e-5)
    assert run.rule(run.susceptibility.chi) == pytest.approx(run.weights, abs=1e-4)


def test_loads_collects_mistakes() -> None:
    spec = pl.loads("edition 2026 data d = jsonl(3) pattern p { shift x by 1 sd }")
    codes = [d.code for d in spec.diagnostics if d.is_error]
    assert codes == ["PAT2001", "PAT3001", "PAT1001"]
    with pytest.raises(pl.PatternError) as caught:
        spec.compile("p")
    assert [d.code for d in caught.value.diagnostics if d.is_error] == codes


def test_infeasible_has_a_dose_and_no_weights(sampled: tuple[Path, Path]) -> None:
    project, build = sampled
    run = pl.load(project / "steer.pat", params={"dose": "40 sd"}).compile(out=build)
    assert run.status == "infeasible"
    assert run.dose is not None
    assert 0 < run.dose < 1
    with pytest.raises(pl.PatternError):
        _ = run.weights
    assert any(d.exit_status == 3 for d in run.diagnostics)


def test_public_names() -> None:
    for name in pl.__all__:
        assert getattr(pl, name).__name__ == name
