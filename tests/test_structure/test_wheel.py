"""The wheel carries the grammar, the library and the templates, and works without the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pattern_lang import resources
from pattern_lang.diagnostics.catalogue import all_problems
from tests.test_structure.rooms import PACKAGE, ROOT

Run = Callable[..., subprocess.CompletedProcess[str]]
NOT_SHIPPED = {".pyc"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built here without a network."""
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    done = subprocess.run([*command, str(ROOT)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel, and the libraries of this one by their path alone.

    A path in a .pth file does not have its own .pth files read, so an editable installation of
    the checkout stays behind.
    """
    folder = tmp_path_factory.mktemp("elsewhere") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    libraries = [p for p in sys.path if p.endswith(("site-packages", "dist-packages"))]
    (site / "libraries.pth").write_text("\n".join(libraries) + "\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install"]
    options = ["--no-deps", "--no-index", "--quiet", "--force-reinstall", "--ignore-installed"]
    done = subprocess.run([*pip, *options, str(wheel)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def run(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a program of the new environment, in a copy of the first example."""
    here = tmp_path_factory.mktemp("project") / "shortcut"
    leave = shutil.ignore_patterns("build", "__pycache__")
    shutil.copytree(ROOT / "examples" / "01-shortcut", here, ignore=leave)
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def program(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(environment / "bin" / name), *arguments]
        return subprocess.run(
            command, cwd=here, env=variables, capture_output=True, text=True, timeout=60
        )

    return program


def shipped(folder: Path, below: str) -> set[str]:
    """Return where the files of a folder of the checkout are in the wheel."""
    files = (path for path in folder.rglob("*") if path.is_file())
    kept = (path for path in files if path.suffix not in NOT_SHIPPED)
    return {f"{below}/{path.relative_to(folder).as_posix()}" for path in kept}


def test_everything_is_inside(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = shipped(PACKAGE, "pattern_lang")
    wanted |= shipped(ROOT / "grammar", "pattern_lang/_grammar")
    wanted |= shipped(ROOT / "stdlib", "pattern_lang/_stdlib")
    assert {f"pattern_lang/_stdlib/{name}.pat" for name in resources.library_modules()} <= wanted
    assert wanted - inside == set()


def test_nothing_else_is_inside(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"pattern_lang"}


def test_the_wheel_is_what_runs(run: Run, environment: Path) -> None:
    code = "import pattern_lang, sys; print(pattern_lang.__file__); print(*sys.path, sep='\\n')"
    file, *path = run("python", "-c", code).stdout.splitlines()
    assert Path(file).resolve().is_relative_to(environment.resolve())
    assert str(ROOT) not in path


def test_check_works(run: Run) -> None:
    done = run("pat", "check", "steer.pat")
    assert (done.returncode, done.stdout, done.stderr) == (0, "steer.pat: no errors\n", "")


def test_the_tables_are_used(run: Run) -> None:
    code = (
        "from pattern_lang.syntax import parser\n"
        "parser.build_parser = None\n"
        "assert parser.parser() is not None"
    )
    done = run("python", "-c", code)
    assert done.returncode == 0, done.stderr


def test_explain_works_for_every_code(run: Run) -> None:
    done = run("pat", "explain", "PAT1001")
    assert done.returncode == 0, done.stderr
    assert "PAT1001" in done.stdout
    code = (
        "from pattern_lang.resources import explain_file\n"
        "from pattern_lang.diagnostics.catalogue import all_problems\n"
        "print(sum(explain_file(code).is_file() for code in all_problems()))"
    )
    pages = sum(resources.explain_file(code).is_file() for code in all_problems())
    assert int(run("python", "-c", code).stdout) == pages


def test_a_new_project_can_be_made(run: Run) -> None:
    done = run("pat", "init", "fresh")
    assert done.returncode == 0, done.stderr
    assert run("pat", "check", "fresh/steer.pat").returncode == 0


def test_the_library_is_found(run: Run) -> None:
    code = (
        "import pattern_lang as pl\n"
        "text = 'edition 2026 use std.transformer use std.tokens { repeats }'\n"
        "print([d.code for d in pl.loads(text).diagnostics if d.is_error])"
    )
    done = run("python", "-c", code)
    assert done.stdout == "[]\n", done.stderr
