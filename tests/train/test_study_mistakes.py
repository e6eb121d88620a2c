"""What a study says of what goes wrong, and what it goes on through."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import pattern_lang as pl

Pat = Callable[..., tuple[int, str]]
FOLDER = Path("build/one")
NAMES = ("verdicts.json", "results.parquet", "report.html", "study.json")


def changed(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def study(pat: Pat, *more: str) -> tuple[int, str]:
    return pat("study", "spec.pat", "--jobs", 1, *more)


def verdicts() -> dict[str, dict[str, object]]:
    found = json.loads((FOLDER / "verdicts.json").read_text())
    return {verdict["arm"]: verdict for verdict in found["verdicts"]}


RATE = "lr: 0.9, steps: 150, batch: 40"


def test_an_arm_that_diverges(project: Path, pat: Pat) -> None:
    # A large dose leaves few rows, along which the loss is steeper than the rate bears.
    changed(project / "spec.pat", "base, steer", "steer, sweep(steer, dose: [0.5, 2000])")
    changed(project / "spec.pat", "lr: 0.05, momentum: 0.9, steps: 60, batch: 8", RATE)
    changed(project / "model.py", "Dropout(0.1)", "Dropout(0)")
    changed(project / "model.py", "residual**2 / 2", "residual**2 / 2 + 1e-40 * residual**16")
    status, said = study(pat)
    assert (status, "error[PAT7020]" in said) == (4, True), said
    assert "`steer x 2000` diverged on seeds 0, 1" in said
    found = verdicts()
    assert found["steer x 2000"]["verdict"] == "diverged"
    assert found["steer x 2000"]["remarks"] == ["diverged on seeds 0, 1"]
    assert found["steer"]["verdict"] != "diverged"
    assert found["steer"]["realised"] is not None
    document = json.loads((FOLDER / "verdicts.json").read_text())
    assert [(run["arm"], run["seed"]) for run in document["diverged"]] == [
        ("steer x 2000", 0),
        ("steer x 2000", 1),
    ]
    arms = [arm for arm, *_ in _points(document)]
    assert arms == ["steer", "steer x 0.5"]
    assert b"diverged" in (FOLDER / "report.html").read_bytes()
    before = {name: (FOLDER / name).read_bytes() for name in NAMES}
    assert study(pat)[0] == 4  # nothing is trained again
    assert {name: (FOLDER / name).read_bytes() for name in NAMES} == before


def _points(document: dict[str, list[dict[str, list[dict[str, str]]]]]) -> list[tuple[str]]:
    return [(point["arm"],) for point in document["predicted_against_realised"][0]["points"]]


@pytest.mark.parametrize("name", ["run.json", "events.jsonl", "model.safetensors"])
def test_a_damaged_run_is_trained_again(project: Path, pat: Pat, name: str) -> None:
    assert study(pat)[0] == 0
    before = {item: (FOLDER / item).read_bytes() for item in NAMES}
    damaged = FOLDER / "runs/01-steer/seed-1" / name
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[: len(whole) // 2])
    status, said = study(pat)
    assert status == 0
    assert ("is damaged" in said) == (name != "run.json")
    assert damaged.read_bytes() == whole
    assert {item: (FOLDER / item).read_bytes() for item in NAMES} == before


def test_runs_of_other_code_are_not_taken_for_done(project: Path, pat: Pat) -> None:
    assert study(pat)[0] == 0
    changed(project / "metrics.py", "abs().max()", "abs().min()")
    status, said = study(pat)
    assert (status, "error[PAT7006]" in said) == (1, True)


def test_a_damaged_registration(project: Path, pat: Pat) -> None:
    assert study(pat)[0] == 0
    (FOLDER / "study.json").write_bytes(b"{")
    status, said = study(pat)
    assert (status, "error[PAT7014]" in said, "damaged" in said) == (1, True, True)


def test_a_pattern_without_weights(project: Path, pat: Pat) -> None:
    changed(project / "spec.pat", "0.0005 nats", "90 nats")
    status, said = study(pat)
    assert (status, "error[PAT5001]" in said) == (3, True), said
    assert not FOLDER.exists()


def test_an_unsound_estimate_is_told_and_gone_on_with(project: Path, pat: Pat) -> None:
    changed(
        project / "spec.pat",
        "laplace(nbeta: 4000, localization: 10)",
        "sgld(step: 1e-5, nbeta: 4000, localization: 10, batch: 40, chains: 2, draws: 6)",
    )
    status, said = study(pat)
    assert (status, "unsound; the study goes on" in said) == (4, True), said
    assert verdicts()["steer"]["remarks"] == ["unsound estimate"]
    assert b"unsound estimate" in (FOLDER / "report.html").read_bytes()


@pytest.mark.parametrize(
    ("seeds", "what"),
    [("0..0", "empty"), ("[0, 1, 0]", "0 is there twice"), ("-2..1", "there is -2")],
)
def test_seeds_that_are_none(project: Path, pat: Pat, seeds: str, what: str) -> None:
    changed(project / "spec.pat", "0..2", seeds)
    status, said = pat("check", "spec.pat")
    assert (status, "error[PAT201" in said, what in said) == (1, True, True), said


def test_an_arm_given_twice(project: Path) -> None:
    changed(project / "spec.pat", "base, steer", "base, steer, steer")
    assert [d.code for d in pl.load("spec.pat").diagnostics] == ["PAT2010"]


def test_a_measure_that_raises(project: Path, pat: Pat) -> None:
    changed(project / "metrics.py", "return module.slope.abs().max()", "raise ValueError('no')")
    status, said = study(pat)
    assert (status, "ValueError" in said, "Traceback" in said) == (1, True, False), said
    changed(project / "metrics.py", "raise ValueError('no')", "return module.slope.abs().max()")
    assert study(pat)[0] == 0


def test_where_nothing_can_be_written(project: Path, pat: Pat) -> None:
    FOLDER.mkdir(parents=True)
    (FOLDER / "runs").write_text("a file where a folder should be")
    status, said = study(pat)
    assert (status, "error[PAT6005]" in said, "Traceback" in said) == (1, True, False), said


def test_what_user_code_prints_is_not_in_the_way(project: Path, pat: Pat) -> None:
    changed(
        project / "metrics.py",
        "    return module.slope.abs().max()",
        "    print('hello')\n    return module.slope.abs().max()",
    )
    assert study(pat)[0] == 0
