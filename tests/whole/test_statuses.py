"""Exit statuses, and that nothing is half-written."""

import json
from pathlib import Path

import pytest

from tests.whole.conftest import pat, pat_here


def edited(project: Path, name: str, *changes: tuple[str, str]) -> Path:
    text = (project / "steer.pat").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = project / name
    path.write_text(text)
    return path


def test_infeasible(sampled: tuple[Path, Path]) -> None:
    project, out = sampled
    folder = out / "steer"
    assert (folder / "weights.parquet").exists()
    spec = edited(project, "far.pat", ("= 3 sd", "= 40 sd"))
    result = pat_here("compile", spec, "-o", out)
    assert result.returncode == 3
    assert "PAT5001" in result.stderr
    assert "feasible" in result.stderr
    assert not (folder / "weights.parquet").exists(), "weights of an earlier run are stale"
    plan = json.loads((folder / "plan.json").read_text())
    assert plan["status"] == "infeasible"
    dose = plan["dose"]
    assert 0 < dose < 1
    inside = f"= {40 * dose * 0.999!r} sd"
    again = pat_here("compile", edited(project, "near.pat", ("= 3 sd", inside)), "-o", out)
    assert again.returncode == 0, again.stderr
    beyond = f"= {40 * dose * 1.001!r} sd"
    beyond_result = pat_here("compile", edited(project, "over.pat", ("= 3 sd", beyond)), "-o", out)
    assert beyond_result.returncode == 3


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ((("model.py:build", "modle.py:build"),), "PAT4001", "modle.py"),
        ((("model.py:build", "model.py:built"),), "PAT4003", "build"),
        ((("base.safetensors", "bass.safetensors"),), "PAT4001", "bass.safetensors"),
        ((('row.kind == "hard"', 'row.kid == "hard"'),), "PAT4027", "kind"),
        ((('row.kind == "hard"', 'row.kind == "herd"'),), "PAT4029", "herd"),
    ],
)
def test_missing_things(
    project: Path, tmp_path: Path, changes: tuple[tuple[str, str], ...], code: str, words: str
) -> None:
    result = pat_here("compile", edited(project, "missing.pat", *changes), "-o", tmp_path / "build")
    assert result.returncode == 1, result.stderr
    assert code in result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "build" / "steer").exists()


def test_a_checkpoint_of_another_shape(project: Path, tmp_path: Path) -> None:
    spec = edited(project, "wide.pat", ('"model.py:build",', '"model.py:build", width: 16,'))
    result = pat_here("compile", spec, "-o", tmp_path / "build")
    assert result.returncode == 1
    assert "PAT4013" in result.stderr
    assert "weight" in result.stderr


def test_a_diverging_chain(project: Path, tmp_path: Path) -> None:
    spec = edited(project, "hot.pat", ("step: 1.2e-3", "step: 0.1"))
    result = pat_here("compile", spec, "-o", tmp_path / "build", "--jobs", "1")
    assert result.returncode == 4, result.stderr
    assert "PAT4051" in result.stderr
    assert "step" in result.stderr
    assert not (tmp_path / "build" / "steer").exists()


def test_usage(tmp_path: Path) -> None:
    assert pat("compile").returncode == 2
    assert pat_here("explain", "PAT0000").returncode == 2
    assert pat_here("nonsense").returncode == 2
    assert pat("check", tmp_path / "none.pat").returncode == 1


def test_unknown_pattern(project: Path) -> None:
    result = pat_here("compile", project / "steer.pat", "--pattern", "stear")
    assert result.returncode == 1
    assert "did you mean `steer`?" in result.stderr
