"""What the files say, recomputed from the files alone: no solver, no driver."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors import safe_open

from tests.whole.conftest import pat_here

Compiled = tuple[Path, subprocess.CompletedProcess[str]]


def read(folder: Path) -> tuple[dict[str, Any], np.ndarray, dict[str, np.ndarray], dict[str, str]]:
    plan = json.loads((folder / "plan.json").read_text())
    weights = pq.read_table(folder / "weights.parquet").column("weight").to_numpy()
    with safe_open(folder / "susceptibility.safetensors", framework="np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return plan, weights, arrays, file.metadata()


def shifts(folder: Path) -> dict[str, float]:
    """Predicted shifts: β χ (w - 1) with β = nβ / n."""
    _, weights, arrays, metadata = read(folder)
    beta = float(metadata["nbeta"]) / weights.size
    values = beta * arrays["chi"].astype(np.float64) @ (weights.astype(np.float64) - 1)
    return dict(zip(json.loads(metadata["observables"]), values, strict=True))


def test_exits_cleanly_and_says_what_it_costs_and_where_the_report_is(compiled: Compiled) -> None:
    folder, result = compiled
    assert result.returncode == 0, result.stderr
    assert "sampling 1 posterior" in result.stderr
    assert str(folder / "report.html") in result.stdout
    assert "steer: optimal" in result.stdout


def test_files_of_the_contract(compiled: Compiled) -> None:
    folder, _ = compiled
    names = {path.name for path in folder.iterdir()}
    assert names == {
        *("weights.parquet", "susceptibility.safetensors", "plan.json"),
        *("queries.json", "diagnostics.json", "report.html"),
    }
    plan, weights, arrays, _ = read(folder)
    for name, digest in plan["files"].items():
        content = (folder / name).read_bytes()
        assert digest == "sha256:" + hashlib.sha256(content).hexdigest(), name
    assert weights.dtype == np.float32
    assert arrays["chi"].dtype == np.float32
    assert arrays["chi"].shape == arrays["chi_stderr"].shape == (3, weights.size)
    assert arrays["mean"].shape == arrays["sd"].shape == (3,)
    assert plan["status"] == "optimal"
    np.testing.assert_array_equal(arrays["unit_id"], np.arange(weights.size))


def test_rows_of_chi_sum_to_zero(compiled: Compiled) -> None:
    _, _, arrays, _ = read(compiled[0])
    chi = arrays["chi"].astype(np.float64)
    # float32 rounding of n entries of this size.
    assert np.all(np.abs(chi.sum(1)) < 1e-6 * np.abs(chi).sum(1))


def test_weights_respect_the_constraints(compiled: Compiled) -> None:
    _, weights, _, _ = read(compiled[0])
    w = weights.astype(np.float64)
    assert abs(w.mean() - 1) < 1e-6
    assert weights.min() >= 0
    assert weights.max() <= 5
    assert w.sum() ** 2 / (w**2).sum() / w.size >= 0.5


def test_predicted_shifts_follow_from_the_files(compiled: Compiled) -> None:
    plan, _, arrays, metadata = read(compiled[0])
    found = shifts(compiled[0])
    sd = dict(zip(json.loads(metadata["observables"]), arrays["sd"], strict=True))
    for goal in plan["goals"]:
        assert found[goal["observable"]] == pytest.approx(goal["predicted"], rel=1e-6)
    assert found["hard_loss"] == pytest.approx(-3 * sd["hard_loss"], rel=1e-6)
    assert abs(found["easy_loss"]) <= sd["easy_loss"] * (1 + 1e-6)
    assert abs(found["normal_loss"]) <= sd["normal_loss"] * (1 + 1e-6)


def test_a_shift_is_met_exactly(sampled: tuple[Path, Path]) -> None:
    project, build = sampled
    spec = project / "exact.pat"
    text = (project / "steer.pat").read_text()
    text = text.replace("lower    hard_loss by dose", "shift    hard_loss by -2 sd")
    spec.write_text(text)
    result = pat_here("compile", spec, "-o", build)
    assert result.returncode == 0, result.stderr
    folder = build / "steer"
    _, _, arrays, metadata = read(folder)
    row = json.loads(metadata["observables"]).index("hard_loss")
    assert shifts(folder)["hard_loss"] == pytest.approx(-2 * arrays["sd"][row], rel=1e-6)
