"""The study of the first example, at reduced size: weights, controls and another network."""

import json
import shutil
from pathlib import Path

import pytest

from tests.whole.conftest import EXAMPLE, pat


def reduced(folder: Path, study: str, arms: str, seeds: str) -> None:
    """Copy the example, with other arms and seeds in one study. Fewer draws would be unsound."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("build", "__pycache__"))
    spec = folder / "study.pat"
    before, rest = spec.read_text("utf-8").split(f"study {study} {{\n")
    _, after = rest.split("  using ", maxsplit=1)
    body = f"study {study} {{\n  arms {arms}\n  seeds {seeds}\n  using "
    spec.write_text(before + body + after, "utf-8")


@pytest.mark.slow
def test_weights_move_what_was_asked_and_controls_do_not(tmp_path: Path) -> None:
    project = tmp_path / "project"
    reduced(
        project,
        "debias",
        "base, steer, shuffled(steer), shuffled(steer, among: row.cue_agrees), "
        "sweep(steer, dose: [-0.5])",
        "200..204",
    )
    done = pat("study", "study.pat", "--study", "debias", "--jobs", 1, cwd=project)
    assert done.returncode == 0, done.stderr
    found = json.loads((project / "build/debias/verdicts.json").read_text())
    goal = {v["arm"]: v for v in found["verdicts"] if v["observable"] == "hard_loss"}
    steer, within = goal["steer"], goal["shuffled(steer, among: row.cue_agrees)"]
    assert steer["verdict"] == "moved as asked"
    assert steer["over_shuffled"]["high"] < 0
    assert goal["shuffled(steer)"]["verdict"] == "within noise"
    assert steer["realised"]["high"] < within["realised"]["low"]
    assert goal["steer x -0.5"]["verdict"] == "moved as asked"  # the opposite
    assert goal["steer x -0.5"]["realised"]["low"] > 0
    right = {m["arm"]: m for m in found["measures"] if m["measure"] == "right(base, test_hard)"}
    assert right["steer"]["over_base"]["low"] > 5  # points, on rows that nothing has seen


@pytest.mark.slow
def test_weights_are_for_other_networks_too(tmp_path: Path) -> None:
    project = tmp_path / "project"
    reduced(project, "wider", "base, steer, shuffled(steer)", "200..203")
    done = pat("study", "study.pat", "--study", "wider", "--jobs", 1, cwd=project)
    assert done.returncode == 0, done.stderr
    found = json.loads((project / "build/wider/verdicts.json").read_text())
    right = {m["arm"]: m for m in found["measures"] if m["measure"] == "right(wide, test_hard)"}
    steer, shuffled = right["steer"]["over_base"], right["shuffled(steer)"]["over_base"]
    assert steer["low"] > max(5, shuffled["high"])
    verdicts = {v["verdict"] for v in found["verdicts"]}
    assert verdicts == {"not measurable"}  # its goals are about the network of the pattern
