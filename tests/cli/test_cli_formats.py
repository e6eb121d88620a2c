"""Diagnostics for machines, exit statuses, and verbs that only look."""

import json
from pathlib import Path

import pytest

from pattern_lang.cli.app import run

WRONG = "edition 2026\nparam x: Real = 1 sd\ndata d = jsonl(3)\n"


@pytest.fixture
def wrong(tmp_path: Path) -> str:
    path = tmp_path / "wrong.pat"
    path.write_text(WRONG)
    return str(path)


def test_json(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--format", "json", wrong]) == 1
    document = json.loads(capsys.readouterr().err)
    first, second = document["diagnostics"]
    assert (first["code"], first["span"]["line"], first["span"]["column"]) == ("PAT2001", 2, 17)
    assert second["span"]["line"] == 3
    assert WRONG[first["span"]["start"] : first["span"]["end"]] == "1 sd"


def test_json_without_findings_is_still_a_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fine.pat"
    path.write_text("edition 2026\n")
    assert run(["check", "--format=json", str(path)]) == 0
    assert json.loads(capsys.readouterr().err)["diagnostics"] == []


def test_github(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--format", "github", wrong]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("::error file=")
    assert "line=2,endLine=2,col=17" in lines[0]


def test_sarif(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--format", "sarif", wrong]) == 1
    document = json.loads(capsys.readouterr().err)
    (result, _) = document["runs"][0]["results"]
    assert result["ruleId"] == "PAT2001"
    region = result["locations"][0]["physicalLocation"]["region"]
    assert (region["startLine"], region["startColumn"]) == (2, 17)


def test_a_missing_file_is_an_error_in_the_asked_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compile", str(tmp_path / "no.pat"), "--format", "json"]) == 1
    (found,) = json.loads(capsys.readouterr().err)["diagnostics"]
    assert found["code"] == "PAT1015"


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    example = Path(__file__).parents[2] / "examples" / "01-shortcut" / "steer.pat"
    assert run(["info", str(example), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (pattern,) = document["patterns"]
    assert pattern["compiles"] is True
    assert pattern["unit"] == "sample"
    assert [goal["kind"] for goal in pattern["goals"]] == ["lower", "hold", "hold"]
    assert {need["file"] for need in document["needs"]} == {
        *("model.py", "data.py", "base.safetensors"),
    }


def test_dry_run_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "a.pat"
    spec.write_text(
        'edition 2026\nmodel m = torch("none.py:f", weights: "none.safetensors")\n'
        'data d = python("none.py:rows")\n'
        "pattern p { reweight d per sample as w  lower loss(m, on: d) by 1 sd\n"
        "  estimate sgld(step: 1e-3, nbeta: 30, localization: 300, batch: 64, chains: 2,\n"
        "                draws: 100, burn_in: 50) }\n"
    )
    assert run(["compile", "--dry-run", str(spec), "-o", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "300 gradient steps of 64 rows" in out
    assert "`lower loss(m, on: d) by 1 sd`" in out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [["-p", "x"], ["--format", "xml"], []])
def test_usage_errors(wrong: str, arguments: list[str]) -> None:
    files = [] if not arguments else [wrong]
    assert run(["check", *files, *arguments]) == 2


def test_overrides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "a.pat"
    spec.write_text("edition 2026\nparam dose: Quantity[sd] = 1 sd\n")
    assert run(["check", str(spec), "-p", "dose=2 sd"]) == 0
    assert run(["check", str(spec), "-p", "dose=2 nats"]) == 1
    assert "<-p dose>" in capsys.readouterr().err
    assert run(["check", str(spec), "-p", "doze=2 sd"]) == 1
    assert "did you mean `dose`?" in capsys.readouterr().err
    spec.write_text(
        spec.read_text() + 'param file: String = "rows.jsonl"\ndata rows = jsonl(file)\n'
    )
    for value in ("dose", "rows", "rows-1.jsonl"):  # the last wants quotes of its own
        assert run(["check", str(spec), "-p", f"file={value}"]) == 1
        assert "<-p file>" in capsys.readouterr().err
