"""`pat calibrate`, from no settings at all to an estimate that passes its diagnostics."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.whole.conftest import pat_here

EXAMPLES = Path(__file__).parents[2] / "examples"
Done = subprocess.CompletedProcess[str]


def without_settings(project: Path, folder: Path) -> Path:
    """Copy a project, and take every `estimate` statement out of its spec."""
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns("build", "__py*"))
    spec = folder / "steer.pat"
    text = re.sub(r"(?ms)^ *#[^\n]*\n  estimate sgld\(.*?^  \)\n", "", spec.read_text("utf-8"))
    text = re.sub(r"(?ms)^## The same chains.*?^\)\n", "", text).replace(
        "  estimate chains()\n", ""
    )
    assert "estimate" not in text
    spec.write_text(text, "utf-8")
    return spec


def paste(spec: Path, statement: str) -> None:
    """Put a statement into every pattern that re-weights something."""
    text = spec.read_text("utf-8")
    spec.write_text(re.sub(r"(?m)^(  reweight .*)$", rf"\1\n{statement}", text), "utf-8")


def calibrated_and_compiled(project: Path, pattern: str, folder: Path) -> tuple[Done, Done, dict]:  # type: ignore[type-arg]
    spec = without_settings(project, folder / "project")
    out = folder / "build"
    first = pat_here("calibrate", spec, "--pattern", pattern, "-o", out)
    assert first.returncode == 0, first.stdout + first.stderr
    found = json.loads((out / pattern / "calibration.json").read_text("utf-8"))
    paste(spec, found["statement"])
    formatted = pat_here("fmt", "--check", spec)
    assert pat_here("check", spec).returncode == 0, formatted.stderr
    return first, pat_here("compile", spec, "--pattern", pattern, "-o", out), found


LINE = """import torch
from torch import nn


class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))

    def unit_loss(self, batch):
        return 0.5 * (batch["x"] @ self.weight - batch["y"]) ** 2


def build():
    return Line()
"""
ROWS = """import random


def rows():
    random.seed(0)
    found = []
    for i in range(60):
        x = [random.gauss(0, 1) for _ in range(4)]
        found.append({"x": x, "y": sum(x) + random.gauss(0, 0.5), "kind": "ab"[i % 2]})
    return found
"""
SPEC = """edition 2026

model line = torch("model.py:build")
data rows = python("data.py:rows")

pattern steer {
  reweight rows per sample as w
  lower    loss(line, on: rows where row.kind == "a") by 0.5 sd
  require  0 <= w <= 4
}
"""


def test_a_line_from_none(tmp_path: Path) -> None:
    """What takes the first example a minute: a line is stiff in every direction alike."""
    example = tmp_path / "line"
    example.mkdir()
    for name, text in (("model.py", LINE), ("data.py", ROWS), ("steer.pat", SPEC)):
        (example / name).write_text(text, "utf-8")
    from_none(example, tmp_path)


@pytest.mark.slow
def test_the_first_example_from_none(tmp_path: Path) -> None:
    from_none(EXAMPLES / "01-shortcut", tmp_path)


def from_none(project: Path, folder: Path) -> None:
    first, second, found = calibrated_and_compiled(project, "steer", folder)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "PAT4052" not in second.stderr
    assert "estimate sgld(" in first.stdout
    assert "chosen" in first.stdout
    folder = folder / "build" / "steer"
    verdicts = json.loads((folder / "diagnostics.json").read_text("utf-8"))["posteriors"]
    assert all(posterior["sound"] for posterior in verdicts)
    assert any(trial["sound"] for trial in found["trials"])
    assert (folder / "calibration.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_second_example_from_none(tmp_path: Path) -> None:
    _, second, found = calibrated_and_compiled(EXAMPLES / "02-brackets", "nested_a", tmp_path)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "PAT4052" not in second.stderr
    names = [posterior["posterior"] for posterior in found["trials"][0]["posteriors"]]
    assert sorted(names) == ["counting", "nesting"]


def test_samplers_without_steps_have_nothing_to_sweep(project: Path, tmp_path: Path) -> None:
    spec = project / "closed.pat"
    text = (project / "steer.pat").read_text("utf-8")
    closed = "estimate laplace(nbeta: 900, localization: 30)\n"
    spec.write_text(re.sub(r"(?ms)estimate sgld\(.*?^  \)\n", closed, text), "utf-8")
    result = pat_here("calibrate", spec, "-o", tmp_path)
    assert result.returncode == 1
    assert "PAT4095" in result.stderr
    assert "takes no steps" in result.stderr


CLIFF = """import torch
from torch import nn


class Cliff(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))

    def unit_loss(self, batch):
        away = ((self.weight - 1) ** 2).sum()
        return batch["x"] * torch.sqrt(1e-6 - away)  # undefined a step from the checkpoint


def build():
    return Cliff()
"""


def test_nothing_is_sound(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(CLIFF, "utf-8")
    rows = 'def rows():\n    return [{"x": 1.0 + i} for i in range(8)]\n'
    (tmp_path / "data.py").write_text(rows, "utf-8")
    spec = tmp_path / "cliff.pat"
    spec.write_text(
        'edition 2026\n\nmodel m = torch("model.py:build")\ndata d = python("data.py:rows")\n\n'
        "pattern p {\n  reweight d per sample as w\n  lower loss(m, on: d) by 0.1 sd\n}\n",
        "utf-8",
    )
    result = pat_here("calibrate", spec, "-o", tmp_path / "build")
    assert result.returncode == 4, result.stdout + result.stderr
    assert "PAT4056" in result.stderr
