"""What starting costs: `pat check` loads no numerical library, and stays near the price of lark."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from tests.test_structure.rooms import ROOT

SPEC = str(ROOT / "examples" / "01-shortcut" / "steer.pat")
HEAVY = {"clarabel", "jinja2", "matplotlib", "numpy", "pyarrow", "rich", "safetensors", "scipy"}
HEAVY |= {"sklearn", "torch", "transformers"}


def python(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def loaded_by(code: str) -> set[str]:
    """Run some code in a fresh interpreter and return the top-level modules that it loaded."""
    last = python(f"{code}\nimport json, sys\nprint()\nprint(json.dumps(list(sys.modules)))")
    return {name.split(".")[0] for name in json.loads(last.splitlines()[-1])}


def test_import_pattern_lang_is_light() -> None:
    assert loaded_by("import pattern_lang") & (HEAVY | {"lark", "click", "attr"}) == set()


def test_check_is_light() -> None:
    run = f"from pattern_lang.cli.app import run\nassert run(['check', {SPEC!r}]) == 0"
    loaded = loaded_by(run)
    assert "lark" in loaded
    assert loaded & HEAVY == set()


def test_explain_is_light() -> None:
    run = "from pattern_lang.cli.app import run\nassert run(['explain', 'PAT1001']) == 0"
    assert loaded_by(run) & HEAVY == set()


def test_the_python_interface_loads_specs_lightly() -> None:
    run = f"import pattern_lang as pl\nassert not pl.load({SPEC!r}).diagnostics"
    assert loaded_by(run) & HEAVY == set()


def fastest(command: Iterable[str], variables: dict[str, str], times: int = 5) -> float:
    """Return the seconds of the fastest of several runs: the one least disturbed by others."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run([*command], check=True, capture_output=True, timeout=60, env=variables)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def test_check_starts_at_once(tmp_path: Path) -> None:
    # Both keep their compiled modules in one new place, as an installed program does.
    variables = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    parser = fastest([sys.executable, "-c", "import lark"], variables)
    check = fastest([sys.executable, "-m", "pattern_lang", "check", SPEC], variables)
    print(f"pat check takes {check / parser:.2f} times as long as importing lark")
    assert check < 6 * parser
