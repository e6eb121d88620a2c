"""What every verb shares: formats, help, the search path; and completion in the shell."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from pattern_lang.cli.app import VERBS, pat, run
from pattern_lang.diagnostics.formats import FORMATS

SPEC = """edition 2026
use "policy.pat" { cap }
param dose: Quantity[sd] = 1 sd
model net = torch("model.py:build")
data rows = python("data.py:rows")
pattern steer {
  reweight rows per sample as w
  lower    loss(net, on: rows) by dose
  apply    cap(w)
}
"""
POLICY = "edition 2026\nrules cap(w: Weights) { require w <= 4 }\n"


def command(verb: str) -> click.Command:
    found = pat.get_command(click.Context(pat), verb)
    assert found is not None
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_every_format_and_a_help(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {option: p for p in command(verb).params for option in p.opts}
    assert isinstance(options["--format"].type, click.Choice)
    assert tuple(options["--format"].type.choices) == tuple(FORMATS)
    assert run([verb, "--help"]) == 0
    assert "--format" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["check", "compile", "debug", "fmt", "info"])
@pytest.mark.parametrize("format_", ["json", "sarif", "github"])
def test_verbs_report_a_missing_file_in_the_format(
    verb: str, format_: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = ["tree"] if verb == "debug" else []
    assert run([verb, *stage, str(tmp_path / "none.pat"), "--format", format_]) == 1
    said = capsys.readouterr().err
    assert "PAT1015" in said
    if format_ != "github":
        json.loads(said)


def test_the_search_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "policy.pat").write_text(POLICY)
    spec = tmp_path / "spec.pat"
    spec.write_text(SPEC)
    assert run(["check", str(spec)]) == 1
    assert "PAT1003" in capsys.readouterr().err
    for verb in (["check"], ["info"], ["debug", "goals"], ["compile", "--dry-run"]):
        assert run([*verb, str(spec), "-I", str(tmp_path / "lib")]) == 0


def test_parameters_with_units_reach_every_stage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "policy.pat").write_text(POLICY)
    spec = tmp_path / "spec.pat"
    spec.write_text(SPEC)
    assert run(["debug", "goals", str(spec), "-p", "dose=2.5 sd"]) == 0
    assert "2.5" in capsys.readouterr().out
    assert run(["debug", "goals", str(spec), "-p", "dose=1 nats"]) == 1
    assert "PAT2001" in capsys.readouterr().err
    assert run(["debug", "nothing", str(spec)]) == 2


# ---- completion --------------------------------------------------------------------------------


def complete(*words: str, cwd: Path | None = None) -> list[str]:
    """Return what the shell is offered for the last word."""
    variables = {
        **os.environ,
        "_PAT_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["pat", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run(
        [sys.executable, "-m", "pattern_lang"],
        env=variables,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.split()


def test_the_shell_completes_verbs_options_codes_and_files(tmp_path: Path) -> None:
    assert complete("che") == ["plain,check"]
    assert complete("check", "--for") == ["plain,--format"]
    assert complete("check", "--format", "s") == ["plain,sarif"]
    assert complete("debug", "q") == ["plain,queries"]
    assert complete("explain", "PAT900") == ["plain,PAT9001"]
    assert complete("check", "sp", cwd=tmp_path) == ["file,sp"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_can_ask_for_its_script(shell: str) -> None:
    variables = {**os.environ, "_PAT_COMPLETE": f"{shell}_source"}
    done = subprocess.run(
        [sys.executable, "-c", "from pattern_lang.cli import main; main()"],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "_PAT_COMPLETE" in done.stdout or "bash" in done.stderr  # bash may be too old, or absent
    assert "Traceback" not in done.stderr


def test_the_help_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    said = capsys.readouterr().out
    assert "_PAT_COMPLETE=bash_source" in said
    assert all(verb in said for verb in VERBS)
