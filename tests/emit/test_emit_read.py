"""Reading back: what is missing, damaged or of another schema is a diagnostic."""

import json
from pathlib import Path

import emit_samples as samples
import pytest

from pattern_lang.diagnostics import PatternError
from pattern_lang.emit import emit, read
from pattern_lang.ir.solution import Solution
from pattern_lang.ir.susceptibility import Estimate


@pytest.fixture
def folder(estimate: Estimate, solution: Solution, tmp_path: Path) -> Path:
    place = tmp_path / "steer"
    emit(samples.pattern(), estimate, solution, place, samples.SPEC, "steer.pat")
    return place


def code(work: object, *args: object) -> str:
    with pytest.raises(PatternError) as caught:
        work(*args)  # type: ignore[operator]
    return caught.value.diagnostics[0].code


def test_a_plan_may_be_named_by_itself_or_its_folder(folder: Path) -> None:
    assert read.read_plan(folder) == read.read_plan(folder / "plan.json")


def test_missing(tmp_path: Path) -> None:
    assert code(read.read_plan, tmp_path) == "PAT6007"
    assert code(read.read_plan, tmp_path / "nowhere") == "PAT6007"
    assert code(read.read_weights, tmp_path) == "PAT6007"
    assert code(read.read_susceptibility, tmp_path) == "PAT6007"


def test_unknown_schema(folder: Path) -> None:
    plan = json.loads((folder / "plan.json").read_bytes())
    for schema, expected in (
        ("pattern-lang/plan/2", "PAT6008"),
        ("other/plan/1", "PAT6008"),
        (None, "PAT6008"),
        ("pattern-lang/plan/1.4", ""),
    ):
        (folder / "plan.json").write_text(json.dumps({**plan, "schema": schema}))
        if expected:
            assert code(read.read_plan, folder) == expected
        else:
            assert read.read_plan(folder)["schema"] == schema


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_damaged(folder: Path, content: bytes) -> None:
    for name in ("plan.json", "weights.parquet", "susceptibility.safetensors"):
        (folder / name).write_bytes(content)
    assert code(read.read_plan, folder) == "PAT6009"
    assert code(read.read_weights, folder) == "PAT6009"
    assert code(read.read_susceptibility, folder) == "PAT6009"


def test_files_are_compared_with_the_plan(folder: Path) -> None:
    read.check_files(folder)
    (folder / "queries.json").unlink()
    (folder / "weights.parquet").write_bytes(b"x")
    with pytest.raises(PatternError) as caught:
        read.check_files(folder)
    assert [item.code for item in caught.value.diagnostics] == ["PAT6007", "PAT6009"]
