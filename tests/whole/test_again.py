"""What a second run does, and what it does not."""

import json
import subprocess
import sys
from pathlib import Path

from tests.whole.conftest import pat

Compiled = tuple[Path, subprocess.CompletedProcess[str]]


def test_nothing_changed_nothing_done(compiled: Compiled, project: Path) -> None:
    folder, _ = compiled
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    result = pat("compile", project / "steer.pat", "-o", project / "build")
    assert result.returncode == 0
    assert "sampling" not in result.stderr
    assert "taken from the cache" in result.stdout
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_an_edited_goal_solves_again_without_sampling(compiled: Compiled, project: Path) -> None:
    edited = project / "edited.pat"
    text = (project / "steer.pat").read_text()
    edited.write_text(text.replace("= 3 sd", "= 1.5 sd"))
    first = json.loads((compiled[0] / "plan.json").read_text())
    result = pat("compile", edited, "-o", project / "build")
    try:
        assert result.returncode == 0, result.stderr
        assert "sampling" not in result.stderr
        second = json.loads((compiled[0] / "plan.json").read_text())
        ratio = second["goals"][0]["requested"] / first["goals"][0]["requested"]
        assert abs(ratio - 0.5) < 1e-12
        assert second["digests"]["queries"] == first["digests"]["queries"]
    finally:
        pat("compile", project / "steer.pat", "-o", project / "build")


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


def test_one_changed_data_row_samples_again(compiled: Compiled, project: Path) -> None:
    data = project / "data.py"
    original = data.read_text()
    changed = (
        "\n_train = train\n\n\ndef train(seed: int = SEED) -> list[Row]:\n"
        "    rows = _train(seed)\n    rows[0] = {**rows[0], 'label': 3}\n    return rows\n"
    )
    data.write_text(original + changed)
    try:
        result = pat("compile", project / "steer.pat", "-o", project / "build-changed")
        assert result.returncode == 0, result.stderr
        first = json.loads((compiled[0] / "plan.json").read_text())
        second = json.loads((project / "build-changed" / "steer" / "plan.json").read_text())
        assert first["digests"]["data"] != second["digests"]["data"]
        again = pat("compile", project / "steer.pat", "-o", project / "build")
        assert "sampling" in again.stderr, "the rows differ from those of the cached estimate"
    finally:
        data.write_text(original)
        pat("compile", project / "steer.pat", "-o", project / "build")
