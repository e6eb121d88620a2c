"""Derivatives along the chain, by `pat`: their control at nβ = 0, and settings found for them."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.whole.conftest import EXAMPLE, pat

STATEMENT = re.compile(r"(?ms)^  estimate sgld\(.*?^  \)\n")


def derived(folder: Path, statement: str) -> Path:
    """Copy the first example, with another `estimate` statement."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("build", "__pycache__"))
    spec = folder / "steer.pat"
    text, count = STATEMENT.subn(statement, spec.read_text("utf-8"))
    assert count == 1
    spec.write_text(text, "utf-8")
    return spec


@pytest.mark.slow
def test_derivatives_have_a_control(tmp_path: Path) -> None:
    """What the shape of the posterior adds to gradients at θ* is what the control leaves out."""
    statement = """  estimate sgld(
      step: 1.2e-3,
      nbeta: 900,
      localization: 30,
      batch: 256,
      draws: 100,
      burn_in: 100,
      thin: 5,
      estimator: "pathwise",
  )
"""
    spec, out = derived(tmp_path / "project", statement), tmp_path / "build"
    done = pat("compile", spec, "--control", "-o", out)
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.findall(r"control: χ of (\w+) correlates (-?\d\.\d+)", done.stdout + done.stderr)
    assert {name for name, _ in told} == {"hard_loss", "easy_loss", "normal_loss"}
    assert all(-1 <= float(value) <= 1 for _, value in told)
    assert any(float(value) < 0.95 for _, value in told)


@pytest.mark.slow
def test_settings_are_found_for_derivatives(tmp_path: Path) -> None:
    """From a step far too long, which does not compile soundly, to one that does."""
    own = "  estimate sgld(step: 0.05, nbeta: 900, localization: 30, batch: 256, %s)\n"
    spec = derived(tmp_path / "project", own % 'estimator: "pathwise"')
    out = tmp_path / "build"
    first = pat("calibrate", spec, "-o", out)
    assert first.returncode == 0, first.stdout + first.stderr
    assert 'estimator: "pathwise"' in first.stdout
    found = json.loads((out / "steer" / "calibration.json").read_text("utf-8"))["statement"]
    assert 'estimator: "pathwise"' in found
    assert "step: 0.05" not in found
    text = spec.read_text("utf-8")
    indented = "".join(f"  {line}\n" for line in found.strip().splitlines())
    spec.write_text(text.replace(own % 'estimator: "pathwise"', indented), "utf-8")
    second = pat("compile", spec, "-p", "dose=1 sd", "-o", out)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "PAT4052" not in second.stderr
    diagnostics = json.loads((out / "steer" / "diagnostics.json").read_text("utf-8"))
    assert all(posterior["sound"] for posterior in diagnostics["posteriors"])
