"""`pat init` makes a project that works."""

from pathlib import Path

import pytest

import pattern_lang as pl
from pattern_lang.cli.app import run


def test_the_project_compiles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "project"
    assert run(["init", str(folder)]) == 0
    assert run(["fmt", "--check", str(folder / "steer.pat")]) == 0
    compiled = pl.load(folder / "steer.pat").compile(out=tmp_path / "build", workers=1)
    assert compiled.status == "optimal"
    assert compiled.goals[0].in_sd == pytest.approx(-1, rel=1e-5)
    capsys.readouterr()
    assert run(["init", str(folder)]) == 1
    assert "already there" in capsys.readouterr().err


def test_debug_prints_each_stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["init", str(tmp_path)])
    capsys.readouterr()
    for stage, word in (
        ("tree", "Pattern"),
        ("program", "minority: Observable[nats]"),
        ("queries", "PosteriorQuery"),
        ("goals", "kind: 'lower'"),
    ):
        assert run(["debug", stage, str(tmp_path / "steer.pat")]) == 0
        assert word in capsys.readouterr().out
