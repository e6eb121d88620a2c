"""The set-up script says in one line what is wrong, and installs only when something changed.

A stand-in for Python takes the calls, so that nothing is installed here.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.test_structure.rooms import ROOT

SCRIPTS = sorted([*ROOT.glob("scripts/*.sh"), ROOT / ".ci" / "run"])
SETUP = "scripts/setup.sh"
STAND_IN = """#!/bin/sh
case "$*" in
  *"version_info[:2]"*) echo "${STAND_IN_VERSION:-3.12}" ;;
  *"version_info <"*) exit "${STAND_IN_OLD:-0}" ;;
  *"import venv, ensurepip"*) exit "${STAND_IN_NO_VENV:-0}" ;;
  "-m venv --clear "*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
  "-m pip install "*)
    echo "$*" >>"$STAND_IN_CALLS"
    [ -z "${STAND_IN_PIP:-}" ] || { echo "$STAND_IN_PIP"; exit 1; }
    ;;
  -V) echo "Python 3.12.0" ;;
esac
"""
Setup = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a blank in its name, and the stand-in beside it."""
    folder = tmp_path / "a checkout"
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    shutil.copy(ROOT / "pyproject.toml", folder)
    stand_in = tmp_path / "python"
    stand_in.write_text(STAND_IN, encoding="utf-8")
    stand_in.chmod(0o755)
    return folder


@pytest.fixture
def setup(checkout: Path) -> Setup:
    def call(
        purpose: str = "test", cwd: Path = checkout, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        beside = checkout.parent
        variables = {
            "PATH": os.environ["PATH"],
            "PYTHON": str(beside / "python"),
            "STAND_IN_CALLS": str(beside / "calls"),
            **settings,
        }
        command = ["sh", str(checkout / SETUP), purpose]
        return subprocess.run(
            command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=30
        )

    return call


def calls(checkout: Path) -> list[str]:
    path = checkout.parent / "calls"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_parse_and_stop_at_errors(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    shell = "bash" if "bash" in text.splitlines()[0] else "sh"
    subprocess.run([shell, "-n", str(script)], check=True)
    assert "\nset -eu" in text
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"PYTHON": "/nowhere/python"}, "no python3 found"),
        ({"STAND_IN_VERSION": "3.9", "STAND_IN_OLD": "1"}, "Python 3.11 or newer is needed"),
        ({"STAND_IN_NO_VENV": "1"}, "has no venv module"),
        ({"STAND_IN_PIP": "NewConnectionError: refused"}, "is there a network?"),
        ({"STAND_IN_PIP": "ERROR: no such build"}, "could not install torch=="),
        ({"purpose": "play"}, "no such purpose"),
    ],
)
def test_the_last_line_says_what_failed(
    setup: Setup, settings: dict[str, str], wanted: str
) -> None:
    done = setup(**settings)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert last.startswith("setup: failed: ")
    assert wanted in last


def test_torch_comes_first_and_by_version(setup: Setup, checkout: Path, tmp_path: Path) -> None:
    assert setup(cwd=tmp_path).returncode == 0
    first, second = calls(checkout)
    assert first.startswith("-m pip install torch==")
    assert second == f"-m pip install -e {checkout.resolve()}[report,examples,hf,dev]"


def test_a_second_call_installs_nothing(setup: Setup, checkout: Path) -> None:
    assert setup().returncode == 0
    before = calls(checkout)
    for purpose in ("test", "run"):
        done = setup(purpose)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert calls(checkout) == before


def test_tests_need_more_than_running(setup: Setup, checkout: Path) -> None:
    assert setup("run").returncode == 0
    assert setup("test").returncode == 0
    assert len(calls(checkout)) == 4


def test_a_change_of_dependencies_installs_again(setup: Setup, checkout: Path) -> None:
    assert setup().returncode == 0
    with (checkout / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert setup().returncode == 0
    assert len(calls(checkout)) == 4


def test_a_failed_call_is_taken_up_again(setup: Setup, checkout: Path) -> None:
    assert setup(STAND_IN_PIP="ERROR: no such build").returncode == 1
    assert setup().returncode == 0
    assert len(calls(checkout)) == 3
