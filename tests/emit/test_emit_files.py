"""What the files hold, that they are the same bytes each time, and that no work is done twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

import emit_samples as samples
import numpy as np
import pyarrow.parquet as pq
import pytest
from attrs import evolve
from safetensors import safe_open

from pattern_lang.emit import emit, read
from pattern_lang.emit.canonical import canonical_json, digest, portable_name
from pattern_lang.ir.program import EmitTarget
from pattern_lang.ir.solution import Solution
from pattern_lang.ir.susceptibility import Estimate, UnitTable

NAMES = {
    "weights.parquet",
    "susceptibility.safetensors",
    "diagnostics.json",
    "plan.json",
    "queries.json",
    "report.html",
}


@pytest.fixture(scope="module")
def written(
    estimate: Estimate, solution: Solution, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("build") / "steer"
    emit(samples.pattern(), estimate, solution, folder, samples.SPEC, "/home/x/steer.pat")
    return folder


def everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_writes_exactly_the_files_and_leaves_nothing_beside_them(written: Path) -> None:
    assert {path.name for path in written.iterdir()} == NAMES
    assert [path.name for path in written.parent.iterdir()] == ["steer"]


def test_weights_round_trip(written: Path, solution: Solution) -> None:
    stored = read.read_weights(written)
    assert solution.weights is not None
    np.testing.assert_array_equal(stored.weight, solution.weights)
    np.testing.assert_array_equal(stored.unit_id, np.arange(900))
    assert stored.group is None
    assert stored.row is None


def test_weights_say_what_they_are(written: Path, solution: Solution) -> None:
    assert solution.weights is not None
    w = solution.weights.astype(np.float64)
    metadata = read.read_weights(written).metadata
    assert metadata["schema"] == "pattern-lang/weights/1"
    assert metadata["spec_digest"] == digest(samples.SPEC.encode())
    assert metadata["data_digest"] == "sha256:" + "d" * 64
    assert (metadata["unit"], metadata["role"]) == ("sample", "loss")
    assert metadata["normalisation"] == "mean 1"
    share = w.sum() ** 2 / (900 * (w @ w))
    assert float(metadata["effective_sample_size"]) == pytest.approx(share)
    kl = np.mean(w * np.log(np.where(w > 0, w, 1)))
    assert float(metadata["kl"]) == pytest.approx(kl)


def test_weights_are_encoded_small(written: Path) -> None:
    group = pq.ParquetFile(written / "weights.parquet").metadata.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert "DELTA_BINARY_PACKED" in columns["unit_id"].encodings
    assert "BYTE_STREAM_SPLIT" in columns["weight"].encodings
    assert all(not column.has_dictionary_page for column in columns.values())
    assert all(column.compression == "ZSTD" for column in columns.values())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array(["a", "b", "c"]), ("a", "b", "c")),
        (np.array([3, 1, 2]), (3, 1, 2)),
        (np.array([0.5, 1.5, 2.5]), (0.5, 1.5, 2.5)),
        (np.array([True, False, True]), (True, False, True)),
        (np.array(["a", None, 3], dtype=object), ("a", None, "3")),
        (np.array(["\ud800x", "b", "c"], dtype=object), ("\ufffdx", "b", "c")),
    ],
)
def test_groups_keep_their_own_type(
    tmp_path: Path, values: np.ndarray, expected: tuple[object, ...]
) -> None:
    table = UnitTable("group", np.arange(3), np.array([5.0, 2.0, 9.0]), {"kind": values})
    given = samples.estimate(3, table=table)
    answer = evolve(samples.solution(given), weights=np.array([0.5, 1.0, 1.5], np.float32))
    pattern = samples.pattern(unit="group", group_field="kind")
    emit(pattern, given, answer, tmp_path / "p", samples.SPEC, "steer.pat")
    assert read.read_weights(tmp_path / "p").group == expected


def test_filtered_units_carry_their_row(tmp_path: Path) -> None:
    table = evolve(samples.units(5), row=np.array([1, 4, 5, 8, 9]), filtered=True)
    given = samples.estimate(5, table=table)
    emit(samples.pattern(), given, samples.solution(given), tmp_path / "p", "", "steer.pat")
    row = read.read_weights(tmp_path / "p").row
    assert row is not None
    assert row.tolist() == [1, 4, 5, 8, 9]


def test_susceptibility_round_trip(written: Path, estimate: Estimate) -> None:
    stored = read.read_susceptibility(written)
    given = estimate.susceptibility
    assert stored.observables == given.observables
    assert stored.nbeta == 900.0
    for mine, theirs in ((stored.chi, given.chi), (stored.stderr, given.stderr)):
        np.testing.assert_array_equal(mine, theirs)
        assert mine.dtype == np.float32
    np.testing.assert_array_equal(stored.mean, given.mean)
    np.testing.assert_array_equal(stored.sd, given.sd)
    with safe_open(written / "susceptibility.safetensors", framework="numpy") as source:
        assert set(source.keys()) == {"chi", "chi_stderr", "mean", "sd", "unit_id"}
        assert "-Cov" in source.metadata()["sign"]


def test_plan_states_goals_for_a_stranger(written: Path) -> None:
    plan = read.read_plan(written)
    assert (plan["status"], plan["dose"]) == ("optimal", 1.0)
    lower, hold, _ = plan["goals"]
    assert (lower["kind"], lower["requested"], lower["unit"]) == ("lower", -0.0627, "nats")
    assert (lower["lower"], lower["upper"]) == (None, -0.0627)
    assert (hold["requested"], hold["lower"]) == (0.000525, -0.000525)
    assert lower["location"] == "steer.pat:17:3"
    asked = [item["requested"] for item in plan["constraints"]]
    assert asked == [0.0, 5.0, 0.5, 1.0]
    assert plan["constraints"][3]["location"] is None
    assert plan["digests"]["models"] == {"base": "sha256:" + "e" * 64}
    assert plan["conflict"] is None


def test_plan_digests_are_right_and_nothing_points_at_this_machine(written: Path) -> None:
    read.check_files(written)
    plan = read.read_plan(written)
    assert set(plan["files"]) == NAMES - {"plan.json"}
    for content in everything(written).values():
        assert b"/home" not in content


def test_queries_say_why(written: Path) -> None:
    queries = read.read_queries(written)
    reason = queries["posteriors"][0]["reasons"][0]
    assert reason == {"source": "lower    hard_loss by dose", "location": "steer.pat:17:3"}
    assert queries["sampler"]["kind"] == "sgld"
    assert "decay" not in queries["sampler"]


def test_diagnostics_describe_each_chain(written: Path) -> None:
    document = read.read_diagnostics(written)
    assert document["posteriors"][0]["posterior"] == "base"
    assert len(document["chains"]) == 7
    assert document["chains"][0]["draws"] == 1000


def test_json_is_canonical(written: Path) -> None:
    for name in ("plan.json", "queries.json", "diagnostics.json"):
        content = (written / name).read_bytes()
        assert content == canonical_json(json.loads(content))
        assert content.endswith(b"}\n")


def test_canonical_json_has_no_nan_and_no_negative_zero() -> None:
    value = {"b": float("nan"), "a": [np.float32(0.5), np.int64(3), float("inf"), -0.0, "\ud800"]}
    assert json.loads(canonical_json(value)) == {"a": [0.5, 3, None, 0.0, "\ufffd"], "b": None}
    assert canonical_json(value).startswith(b'{\n "a"')


def test_absolute_names_lose_their_folders() -> None:
    assert portable_name("/a/b/steer.pat") == "steer.pat"
    assert portable_name("C:\\a\\steer.pat") == "steer.pat"
    assert portable_name("specs/steer.pat") == "specs/steer.pat"


def test_another_process_writes_the_same_bytes(written: Path, tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import emit_samples as s\n"
        "from pathlib import Path\n"
        "from pattern_lang.emit import emit\n"
        "e = s.estimate()\n"
        "emit(s.pattern(), e, s.solution(e), Path(sys.argv[2]), s.SPEC, '/other/steer.pat')\n"
    )
    folder = tmp_path / "elsewhere" / "steer"
    here = Path(__file__).parent
    subprocess.run(
        [sys.executable, "-c", script, str(here), str(folder)],
        check=True,
        cwd=here.parent.parent,
        env={**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": str(here.parent.parent)},
    )
    assert everything(folder) == everything(written)


def test_nothing_changed_nothing_touched(
    estimate: Estimate, solution: Solution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "steer"

    def run() -> None:
        # Whether the estimate came from a cache, and how long it took, must not matter.
        again = evolve(estimate, sampled=False, seconds=0.0)
        emit(samples.pattern(), again, solution, folder, samples.SPEC, "steer.pat")

    emit(samples.pattern(), estimate, solution, folder, samples.SPEC, "steer.pat")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    parent = tmp_path.stat().st_mtime_ns
    monkeypatch.setattr(
        "pattern_lang.emit.emission.render_report", lambda _: pytest.fail("rendered again")
    )
    run()
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert tmp_path.stat().st_mtime_ns == parent


def test_a_changed_goal_leaves_the_susceptibility_alone(
    estimate: Estimate, solution: Solution, tmp_path: Path
) -> None:
    folder = tmp_path / "steer"
    emit(samples.pattern(), estimate, solution, folder, samples.SPEC, "steer.pat")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert solution.weights is not None
    other = evolve(solution, weights=solution.weights[::-1].copy())
    text = samples.SPEC.replace("0.25 sd", "0.5 sd")
    emit(samples.pattern(), estimate, other, folder, text, "steer.pat")
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    changed = {name for name in NAMES if before[name] != after[name]}
    assert changed == {"weights.parquet", "report.html", "plan.json"}
    read.check_files(folder)


def test_a_damaged_file_is_written_again(
    estimate: Estimate, solution: Solution, tmp_path: Path
) -> None:
    folder = tmp_path / "steer"
    emit(samples.pattern(), estimate, solution, folder, samples.SPEC, "steer.pat")
    good = everything(folder)
    for name in NAMES:
        (folder / name).write_bytes(b"damaged")
        emit(samples.pattern(), estimate, solution, folder, samples.SPEC, "steer.pat")
        assert everything(folder) == good


def test_infeasible_removes_stale_weights(
    estimate: Estimate, solution: Solution, tmp_path: Path
) -> None:
    folder = tmp_path / "steer"
    pattern = samples.pattern((EmitTarget("weights", "more/w.parquet"),))
    emit(pattern, estimate, solution, folder, samples.SPEC, "steer.pat")
    assert (folder / "more/w.parquet").read_bytes() == (folder / "weights.parquet").read_bytes()
    emit(pattern, estimate, samples.infeasible(), folder, samples.SPEC, "steer.pat")
    names = set(everything(folder))
    assert names == NAMES - {"weights.parquet"}
    plan = read.read_plan(folder)
    assert plan["status"] == "infeasible"
    assert plan["weights"] is None
    assert plan["conflict"]["goals"] == [0]
    assert plan["conflict"]["constraints"] == [0]
    assert plan["goals"][0]["predicted"] is None


def test_weights_no_longer_asked_for_are_removed_but_not_the_users_own(
    estimate: Estimate, solution: Solution, tmp_path: Path
) -> None:
    folder = tmp_path / "steer"
    targets = (EmitTarget("weights", "a.parquet"), EmitTarget("weights", "b.parquet"))
    emit(samples.pattern(targets), estimate, solution, folder, samples.SPEC, "steer.pat")
    (folder / "b.parquet").write_bytes(b"edited by hand")
    (folder / "notes.txt").write_text("mine")
    emit(samples.pattern(), estimate, solution, folder, samples.SPEC, "steer.pat")
    assert set(everything(folder)) == NAMES | {"b.parquet", "notes.txt"}
