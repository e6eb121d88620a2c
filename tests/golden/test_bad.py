"""Every broken spec of `bad/` beside what `pat check` says of it.

`PAT_UPDATE_GOLDEN=1 pytest tests/golden` writes the texts anew; read them before keeping them.
"""

import os
from pathlib import Path

import pytest

from pattern_lang.api import load
from pattern_lang.diagnostics import Diagnostic
from pattern_lang.diagnostics.catalogue import all_problems
from pattern_lang.diagnostics.render import render_all

BAD = Path(__file__).parent / "bad"
SPECS = sorted(BAD.glob("*.pat"))
UPDATE = "PAT_UPDATE_GOLDEN"
OPTION = "# with -p "

# Codes of the front end that only other verbs give, or that need a file which cannot be kept here.
ELSEWHERE = {
    "PAT0012": "a file that is not UTF-8: test_files.py",
    "PAT1014": "`pat compile --pattern`: test_files.py",
    "PAT1015": "a spec that is not there: test_files.py",
    "PAT1017": "`pat fmt` of a file that cannot be written: tests/cli",
    "PAT3012": "`pat compile` of a spec without patterns: test_files.py",
}


def diagnose(spec: Path) -> tuple[Diagnostic, ...]:
    """Check a spec, with the `-p` that its first line may ask for."""
    first = spec.read_text(encoding="utf-8").split("\n", 1)[0]
    params = {}
    if first.startswith(OPTION):
        name, _, value = first.removeprefix(OPTION).partition("=")
        params[name] = value
    return load(spec.name, params).diagnostics


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_what_check_says(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD)
    said = render_all(diagnose(spec))
    golden = spec.with_suffix(".txt")
    if os.environ.get(UPDATE):
        golden.write_text(said, encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == said


def test_every_text_has_its_spec() -> None:
    assert {path.stem for path in BAD.glob("*.txt")} == {path.stem for path in SPECS}


def test_every_code_that_check_gives_has_a_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD)
    given = {diagnostic.code for spec in SPECS for diagnostic in diagnose(spec)}
    ranges = ("PAT0", "PAT1", "PAT2", "PAT3", "PATL")
    front_end = {code for code in all_problems() if code.startswith(ranges)}
    assert front_end - given == set(ELSEWHERE)
