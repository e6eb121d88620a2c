"""What `pat compile` says where there are no weights, or none to trust, read as its users do.

`PAT_UPDATE_GOLDEN=1 pytest tests/golden` writes the texts anew; read them before keeping them.
"""

import os
import re
from pathlib import Path

import pytest

from pattern_lang.cli.app import run
from tests.golden.test_bad import UPDATE
from tests.golden.test_run import DATA, MODEL, NUMBER

TEXTS = Path(__file__).parent / "verdicts"
SPEC = """edition 2026

model net = torch("model.py:build")
data rows = python("data.py:rows")
data some = rows where row.kind == "a"
data rest = rows where row.kind == "b"

observable error = loss(net, on: some)
observable other = loss(net, on: rest)

pattern steer {
  reweight rows per sample as w
GOALS
  require  0 <= w <= 4
  estimate SAMPLER
}
"""
CLOSED = "laplace(nbeta: 30, localization: 300)"
SAMPLED = "sgld(step: 1e-2, nbeta: 30, localization: 300, batch: 16, chains: 2, draws: 6)"

# The code, the goals, the sampler. Closed forms give the same numbers everywhere.
CASES = {
    "clash": (
        "PAT5001",
        (
            "  lower    error by 0.4 sd",
            "  hold     other within 0.05 sd",
            "  require  ess(w) >= 80 %",
        ),
        CLOSED,
    ),
    "clash_of_limits": (
        "PAT5001",
        ("  lower    error by 0.1 sd", "  require  ess(w) >= 99.9 %"),
        CLOSED,
    ),
    "noisy": (
        "PAT5004",
        ("  lower    error by 0.1 sd",),
        SAMPLED,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_verdict_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, goals, sampler = CASES[name]
    spec = SPEC.replace("GOALS", "\n".join(goals)).replace("SAMPLER", sampler)
    for file, text in (("model.py", MODEL), ("data.py", DATA), ("spec.pat", spec)):
        (tmp_path / file).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    status = run(["compile", "spec.pat", "-o", "build", "--jobs", "1"])
    said = _only(code, capsys.readouterr().err)
    said = said if sampler == CLOSED else NUMBER.sub("N", said)
    assert status == (3 if code == "PAT5001" else 4)
    golden = TEXTS / f"{name}.txt"
    if os.environ.get(UPDATE):
        golden.write_text(said, encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == said


def _only(code: str, said: str) -> str:
    """Return the first finding of a code."""
    found = re.search(rf"^(error|warning)\[{code}\].*?(?=\n\n)", said, re.DOTALL | re.MULTILINE)
    assert found is not None, said
    return found.group() + "\n"


def test_every_text_has_its_case() -> None:
    assert {path.stem for path in TEXTS.glob("*.txt")} == set(CASES)
