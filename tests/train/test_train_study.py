"""A tiny study from end to end, its controls, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pattern_lang.diagnostics import SourceFile
from pattern_lang.driver import read_spec
from pattern_lang.syntax.bundle import MemoryBundle
from pattern_lang.train.arms import as_far, distance, permuted_among
from pattern_lang.train.statistics import holm, interval, slope

Pat = Callable[..., tuple[int, str]]
ARMS = (
    'arms base, steer, shuffled(steer, among: row.kind == "odd"), shuffled(steer),'
    " random_direction(steer),"
    ' heuristic(row.kind == "odd", like: steer), sweep(steer, dose: [-0.5, 0.5])'
)


def changed(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_tiny_study(project: Path, pat: Pat) -> None:
    changed(project / "spec.pat", "arms     base, steer", ARMS)
    changed(project / "spec.pat", "0..2", "0..4")
    # Without dropout and minibatches, so that what is left is what χ predicts.
    changed(project / "model.py", "Dropout(0.1)", "Dropout(0)")
    changed(project / "spec.pat", "momentum: 0.9, steps: 60, batch: 8", "steps: 200, batch: 40")
    changed(project / "spec.pat", "lr: 0.05", "lr: 0.3")
    status, said = pat("study", "spec.pat", "--jobs", 1)
    assert status == 0, said
    folder = project / "build/one"
    found = json.loads((folder / "verdicts.json").read_text())
    by_arm = {verdict["arm"]: verdict for verdict in found["verdicts"]}
    steer = by_arm["steer"]
    assert steer["verdict"] == "moved as asked"
    line = found["predicted_against_realised"][0]
    assert line["slope"]["low"] > 0
    assert steer["predicted"] == pytest.approx(-0.0005, rel=1e-3)
    assert steer["over_shuffled"] is not None
    assert steer["requested"] == pytest.approx(-0.0005)
    assert by_arm["steer x -0.5"]["predicted"] == pytest.approx(0.00025, rel=1e-3)
    assert by_arm["steer x -0.5"]["lower"] == pytest.approx(0.00025)
    plan = json.loads((project / "build/steer/plan.json").read_text())
    assert steer["stderr"] == plan["goals"][0]["stderr"]
    table = pq.read_table(folder / "results.parquet")
    assert table.column_names == ["arm", "seed", "step", "measure", "value"]
    assert table.num_rows == 8 * 4 * 11 * 2  # arms, seeds, looks, measures
    assert b"Study report" in (folder / "report.html").read_bytes()
    names = ("verdicts.json", "results.parquet", "report.html", "study.json")
    before = {name: (folder / name).read_bytes() for name in names}
    (folder / "verdicts.json").unlink()
    (folder / "runs/01-steer/seed-2/run.json").unlink()
    assert pat("study", "spec.pat", "--jobs", 1)[0] == 0  # one run is trained again
    assert {name: (folder / name).read_bytes() for name in names} == before


def test_a_study_that_has_changed(project: Path, pat: Pat) -> None:
    assert pat("study", "spec.pat", "--jobs", 1)[0] == 0
    changed(project / "spec.pat", "0..2", "0..3")
    status, said = pat("study", "spec.pat", "--jobs", 1)
    assert (status, "error[PAT7014]" in said, "`seeds`" in said) == (1, True, True)
    assert pat("study", "spec.pat", "--jobs", 1, "--fresh")[0] == 0


def test_which_study(project: Path, pat: Pat) -> None:
    status, said = pat("study", "spec.pat", "--study", "oen")
    assert (status, "error[PAT7013]" in said, "`one`" in said) == (1, True, True)


def test_patterns_on_different_units(project: Path, pat: Pat) -> None:
    text = (project / "spec.pat").read_text()
    pattern = text[text.index("pattern steer") : text.index("study one")]
    other = pattern.replace("steer", "other").replace("per sample", "per group row.kind")
    (project / "spec.pat").write_text(text.replace("base, steer", "base, steer, other") + other)
    status, said = pat("study", "spec.pat")
    assert (status, "error[PAT7015]" in said) == (1, True)


def test_a_study_of_nothing(project: Path, pat: Pat) -> None:
    changed(project / "spec.pat", "base, steer", "base")
    status, said = pat("study", "spec.pat")
    assert (status, "error[PAT7016]" in said) == (1, True)


def test_a_heuristic_that_says_nothing(project: Path, pat: Pat) -> None:
    changed(project / "spec.pat", "base, steer", "base, steer, heuristic(row.y * 0, like: steer)")
    status, said = pat("study", "spec.pat")
    assert (status, "error[PAT7012]" in said) == (1, True)


@pytest.mark.parametrize(
    "arm", ["shuffled(base)", "heuristic(row.y, like: base)", "sweep(base, dose: [0.5, 1])"]
)
def test_a_control_of_nothing(project: Path, pat: Pat, arm: str) -> None:
    changed(project / "spec.pat", "base, steer", f"base, steer, {arm}")
    status, said = pat("check", "spec.pat")
    assert (status, "error[PAT2010]" in said) == (1, True), said


def test_a_heuristic_of_a_field_that_is_not_there(project: Path, pat: Pat) -> None:
    arm = "heuristic(row.z + 1, like: steer)"
    changed(project / "spec.pat", "base, steer", f"base, steer, {arm}")
    status, said = pat("study", "spec.pat")
    assert (status, f"error[PAT7012]: no weights can follow the row value of `{arm}`" in said) == (
        1,
        True,
    ), said
    assert "no field `z`" in said


@pytest.mark.parametrize("wanted", [0.01, 0.3, 1.0])
def test_controls_are_as_far_from_one(wanted: float) -> None:
    direction = np.random.default_rng(0).normal(size=500) + 3
    found = as_far(direction, wanted)
    assert distance(found) == pytest.approx(wanted, rel=1e-6)
    assert found.mean() == pytest.approx(1)
    assert found.min() >= 0
    assert np.corrcoef(found, direction)[0, 1] > 0.8


def test_a_shuffle_within_groups() -> None:
    weights, groups = np.arange(60.0), np.arange(60) % 3 + 0.0
    found = permuted_among(weights, groups, np.random.default_rng(0))
    assert np.array_equal(np.sort(found), weights)
    assert np.array_equal(found % 3, groups)  # nothing leaves its group
    assert not np.array_equal(found, weights)


def test_intervals_cover_what_they_should() -> None:
    random = np.random.default_rng(0)
    hits = [
        abs(found.mean) <= found.high - found.mean
        for found in (interval(random.normal(size=6)) for _ in range(2000))
        if found.high is not None
    ]
    assert 0.935 < np.mean(hits) < 0.965  # three standard errors around 0.95


def test_holm_by_hand() -> None:
    assert holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06])


def test_a_slope_through_zero() -> None:
    predicted = [1.0, -2.0, 0.5]
    found = slope(predicted, np.outer(predicted, [0.8, 1.0, 1.2]))
    assert found is not None
    assert found.mean == pytest.approx(1.0)
    assert slope([0.0], np.ones((1, 3))) is None


def test_doses_of_one_direction_are_opposites(project: Path, pat: Pat) -> None:
    controls = "random_direction(steer), sweep(random_direction(steer), dose: [-1, 1])"
    controls += ", shuffled(steer), sweep(shuffled(steer), dose: [-1])"
    changed(project / "spec.pat", "base, steer", f"base, steer, {controls}")
    changed(project / "spec.pat", "0..2", "0..1")
    changed(project / "spec.pat", "steps: 60", "steps: 2")
    status, said = pat("study", "spec.pat", "--jobs", 1)
    assert status == 0, said
    table = pq.read_table(project / "build/one/results.parquet").to_pylist()
    last = [row for row in table if row["step"] == 2]
    by_arm = {row["arm"]: row["value"] for row in last if row["measure"] == last[0]["measure"]}
    base = by_arm["base"]
    moved = {arm: value - base for arm, value in by_arm.items() if arm != "base"}
    assert moved["random_direction(steer) x 1"] == moved["random_direction(steer)"] != 0
    for control in ("random_direction(steer)", "shuffled(steer)"):
        assert moved[f"{control} x -1"] == pytest.approx(-moved[control], rel=0.1)


def test_an_instance_is_an_arm_under_its_own_name(project: Path, pat: Pat) -> None:
    file = project / "spec.pat"
    changed(file, "pattern steer {", "pattern make(most: Real) {")
    text = file.read_text()
    file.write_text(text.replace("study one", "pattern steer = make(most: 4)\n\nstudy one"))
    changed(file, "0..2", "0..1")
    status, said = pat("study", "spec.pat", "--jobs", 1)
    assert status == 0, said
    fixed = json.loads((project / "build/one/study.json").read_text())
    assert list(fixed["patterns"]) == ["steer"]
    assert (project / "build/steer/plan.json").is_file()


def test_calls_that_differ_in_a_sign_are_two_patterns() -> None:
    text = """edition 2026
model m = torch("m.py:f")
data d = python("d.py:f")
observable o = loss(m, on: d)
pattern p(a: Real, b: Real) { reweight d per sample as w  shift o by a * 1 nats + b * 1 nats }
pattern q(a: Real) { reweight d per sample as w  shift o by a * 1 nats }
study s { arms q(a: 1), q(a: -1), q(a: +1.5), p(a: 1, b: 2), p(a: 1, b: -2), q(a: 2 - 1),
  sweep(q(a: 3), dose: [0.5]), sweep(q(a: -3), dose: [0.5]) }
"""
    spec = read_spec(SourceFile("s.pat", text), MemoryBundle({"s.pat": text}), {})
    assert not spec.has_errors
    arms = spec.lowered.studies["s"].arms
    names = [arm.pattern.name for arm in arms if arm.pattern is not None]
    assert len(set(names)) == len(arms) == 8
    assert len({name.lower() for name in names}) == 8
    assert not any(set(name) & set('/\\:*?"<>| ') for name in names)
