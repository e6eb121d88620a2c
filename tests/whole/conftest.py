"""The first example, compiled once by the command line for all tests here."""

import io
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from pattern_lang.cli.app import run

EXAMPLE = Path(__file__).parents[2] / "examples" / "01-shortcut"
Pat = Callable[..., subprocess.CompletedProcess[str]]


def pat(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-m", "pattern_lang", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=280)


def pat_here(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line in this process, which has loaded torch already."""
    words, out, err = [*map(str, arguments)], io.StringIO(), io.StringIO()
    with chdir(cwd or Path.cwd()), redirect_stdout(out), redirect_stderr(err):
        status = run(words)
    return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example with a smaller sampling budget: covariances, and fewer draws."""
    folder = tmp_path_factory.mktemp("whole") / "shortcut"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("build", "__pycache__"))
    spec = folder / "steer.pat"
    text = spec.read_text(encoding="utf-8")
    text, count = re.subn(r"\b(draws|burn_in): \d+", r"\1: 200", text)
    text, named = re.subn(
        r"thin: 5,(.*?) *estimator: \"pathwise\",\n", r"thin: 10,\1", text, flags=re.S
    )
    assert (count, named) == (2, 1)
    spec.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def compiled(project: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The output folder after one `pat compile`, and what the process said."""
    result = pat("compile", project / "steer.pat", "-o", project / "build")
    return project / "build" / "steer", result


@pytest.fixture
def sampled(
    compiled: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> tuple[Path, Path]:
    """A copy of the compiled project, and its output folder with the cache: nothing to sample."""
    ignore = shutil.ignore_patterns("build-*", "__pycache__")
    copy = shutil.copytree(compiled[0].parents[1], tmp_path / "shortcut", ignore=ignore)
    return copy, copy / "build"
