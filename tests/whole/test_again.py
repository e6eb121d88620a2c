"""What a second run does, and what it does not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.whole.conftest import pat, pat_here

Compiled = tuple[Path, subprocess.CompletedProcess[str]]


def test_nothing_changed_nothing_done(compiled: Compiled, project: Path) -> None:
    folder, _ = compiled
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    result = pat("compile", project / "steer.pat", "-o", project / "build")
    assert result.returncode == 0
    assert "sampling" not in result.stderr
    assert "taken from the cache" in result.stdout
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_an_edited_goal_solves_again_without_sampling(sampled: tuple[Path, Path]) -> None:
    project, build = sampled
    edited, plan = project / "edited.pat", build / "steer" / "plan.json"
    text = (project / "steer.pat").read_text()
    edited.write_text(text.replace("= 3 sd", "= 1.5 sd"))
    first = json.loads(plan.read_text())
    result = pat_here("compile", edited, "-o", build)
    assert result.returncode == 0, result.stderr
    assert "sampling" not in result.stderr
    second = json.loads(plan.read_text())
    ratio = second["goals"][0]["requested"] / first["goals"][0]["requested"]
    assert abs(ratio - 0.5) < 1e-12
    assert second["digests"]["queries"] == first["digests"]["queries"]


def test_a_cached_run_needs_no_torch(compiled: Compiled, project: Path) -> None:
    code = (
        "import sys\nfrom pattern_lang.cli.app import run\n"
        f"status = run(['compile', {str(project / 'steer.pat')!r}, '-o', "
        f"{str(project / 'build')!r}])\n"
        "assert status == 0, status\nassert 'torch' not in sys.modules\n"
        "assert 'sklearn' not in sys.modules\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_one_changed_data_row_samples_again(sampled: tuple[Path, Path]) -> None:
    project, build = sampled
    data, plan = project / "data.py", build / "steer" / "plan.json"
    assert "sampling" not in pat_here("compile", project / "steer.pat", "-o", build).stderr
    first = json.loads(plan.read_text())
    changed = (
        "\n_train = train\n\n\ndef train(seed: int = SEED) -> list[Row]:\n"
        "    rows = _train(seed)\n    rows[0] = {**rows[0], 'label': 3}\n    return rows\n"
    )
    data.write_text(data.read_text() + changed)
    result = pat_here("compile", project / "steer.pat", "-o", build, "--jobs", "1")
    assert result.returncode == 0, result.stderr
    assert "sampling" in result.stderr, "the rows differ from those of the cached estimate"
    second = json.loads(plan.read_text())
    assert first["digests"]["data"] != second["digests"]["data"]


def test_the_frontier_is_asked_for(sampled: tuple[Path, Path]) -> None:
    project, build = sampled
    before = json.loads((build / "steer" / "plan.json").read_text())
    result = pat_here("compile", project / "steer.pat", "-o", build, "--frontier")
    assert result.returncode == 0, result.stderr
    assert "● these weights" in result.stdout
    assert "of what the goals ask for is feasible" in result.stdout
    plan = json.loads((build / "steer" / "plan.json").read_text())
    assert before["frontier"] is None
    points, chosen = plan["frontier"]["points"], plan["frontier"]["chosen"]
    sizes = [point["effective_sample_size"] for point in points]
    assert sizes == sorted(sizes, reverse=True)
    assert points[chosen]["dose"] == 1.0
    assert sizes[chosen] == pytest.approx(plan["weights"]["ess_share"], abs=1e-4)
    assert plan["goals"] == before["goals"]
