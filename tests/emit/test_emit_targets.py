"""Targets that do not exist, and paths that leave the folder or take another file's place."""

from pathlib import Path

import emit_samples as samples
import pytest

from pattern_lang.api import loads
from pattern_lang.diagnostics import PatternError
from pattern_lang.emit import check_targets, emit
from pattern_lang.ir.program import EmitTarget
from pattern_lang.ir.solution import Solution
from pattern_lang.ir.susceptibility import Estimate

SPAN = samples.span('emit     weights("weights.parquet")')


def codes(*targets: EmitTarget) -> list[str]:
    with pytest.raises(PatternError) as caught:
        check_targets(samples.pattern(targets))
    assert all(item.span == SPAN for item in caught.value.diagnostics)
    return [item.code for item in caught.value.diagnostics]


def weights(path: str) -> EmitTarget:
    return EmitTarget("weights", path, origin=SPAN)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/w.parquet",
        "../w.parquet",
        "a/../../w.parquet",
        "C:/w.parquet",
        "C:w.parquet",
        "\\\\server\\w.parquet",
        "a\\..\\..\\w.parquet",
        "..",
        ".",
        "a/",
        "w\0.parquet",
        "w\n.parquet",
    ],
)
def test_paths_that_leave_the_folder(path: str) -> None:
    assert codes(weights(path)) == ["PAT6002"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../w.parquet", "climbs out of the folder"),
        ("/w.parquet", "an absolute path"),
        ("C:/w.parquet", "an absolute path"),
        ("a/", "names a folder, not a file"),
        ("a/../w.parquet", ""),
    ],
)
def test_the_check_says_the_same_before_anything_runs(path: str, reason: str) -> None:
    source = f"""edition 2026
model m = torch("model.py:build")
data d = python("data.py:rows")
pattern p {{
  reweight d per sample as w
  lower loss(m, on: d) by 1 sd
  emit weights("{path}")
}}
"""
    found = loads(source).diagnostics
    assert [d.code for d in found] == ["PAT2014"] * bool(reason)
    assert [d.labels[0].text for d in found] == [reason] * bool(reason)
    if reason:
        with pytest.raises(PatternError) as caught:
            check_targets(samples.pattern((weights(path),)))
        assert caught.value.diagnostics[0].labels[0].text == reason


@pytest.mark.parametrize(
    "path",
    ["plan.json", "./plan.json", "Plan.JSON", "a/../report.html", "plan.json/w.parquet"],
)
def test_reserved_names(path: str) -> None:
    assert codes(weights(path)) == ["PAT6003"]


def test_one_path_inside_another() -> None:
    assert codes(weights("a"), weights("a/w.parquet")) == ["PAT6003"]
    assert codes(weights("weights.parquet/w.parquet")) == ["PAT6003"]


def test_other_formats() -> None:
    assert codes(weights("w.npy")) == ["PAT6004"]


def test_every_problem_is_told_at_once() -> None:
    found = codes(
        EmitTarget("megatron", "b.txt", origin=SPAN), weights("../x"), weights("plan.json")
    )
    assert found == ["PAT6001", "PAT6002", "PAT6003"]


def test_good_paths() -> None:
    pattern = samples.pattern(
        (weights("weights.parquet"), weights("./b/../c.parquet"), weights("c.parquet"), weights(""))
    )
    assert check_targets(pattern) == ("weights.parquet", "c.parquet")


def test_nothing_is_written_when_a_target_is_refused(
    estimate: Estimate, solution: Solution, tmp_path: Path
) -> None:
    pattern = samples.pattern((EmitTarget("index", "order.npy", origin=SPAN),))
    with pytest.raises(PatternError) as caught:
        emit(pattern, estimate, solution, tmp_path / "steer", samples.SPEC, "steer.pat")
    assert caught.value.diagnostics[0].code == "PAT6001"
    assert "`weights`" in (caught.value.diagnostics[0].help or "")
    assert list(tmp_path.iterdir()) == []


def test_a_link_that_leads_out_is_not_followed(
    estimate: Estimate, solution: Solution, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    folder = tmp_path / "build" / "steer"
    folder.mkdir(parents=True)
    (folder / "out").symlink_to(outside)
    with pytest.raises(PatternError) as caught:
        emit(
            samples.pattern((weights("out/w.parquet"),)),
            estimate,
            solution,
            folder,
            samples.SPEC,
            "steer.pat",
        )
    assert caught.value.diagnostics[0].code == "PAT6002"
    assert list(outside.iterdir()) == []


def test_the_folder_itself_may_be_a_link(
    estimate: Estimate, solution: Solution, tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    emit(samples.pattern(), estimate, solution, tmp_path / "link", samples.SPEC, "steer.pat")
    assert (tmp_path / "real" / "plan.json").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]
