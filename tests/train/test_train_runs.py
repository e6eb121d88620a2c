"""Runs: by hand the same, killed and resumed the same bits, one at a time, none overwritten."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from pattern_lang.emit.read import read_weights
from pattern_lang.estimate.running import held

Pat = Callable[..., tuple[int, str]]
PLAN = Path("build/steer")
FILES = ("run.json", "model.safetensors", "events.jsonl")


def left(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def events(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def test_full_batch_descent_is_what_it_is_by_hand(project: Path, pat: Pat) -> None:
    steps, rate = 7, 0.1
    text = (project / "model.py").read_text()
    (project / "model.py").write_text(text.replace("Dropout(0.1)", "Dropout(0)"))
    using = f"sgd(lr: {rate}, steps: {steps}, batch: 40)"
    status, said = pat("train", PLAN, "--using", using, "--seed", 5)
    assert status == 0, said
    sys.path.insert(0, str(project))
    try:
        import data
    finally:
        sys.path.remove(str(project))
        del sys.modules["data"]
    rows = data.rows()
    x, y = np.array([row["x"] for row in rows]), np.array([row["y"] for row in rows])
    weights = read_weights(PLAN).weight.astype(np.float64)
    torch.manual_seed(5)
    slope = (0.1 * torch.randn(3, dtype=torch.float64)).numpy()
    for _ in range(steps):
        slope = slope - rate * (x.T @ (weights * (x @ slope - y))) / weights.sum()
    found = load_file(PLAN / "train/seed-5/model.safetensors")["slope"]
    np.testing.assert_allclose(found, slope, rtol=1e-6)


def test_a_study_says_how(project: Path, pat: Pat) -> None:
    status, said = pat("train", PLAN, "--compare")
    assert status == 0, said
    assert "realised" in said
    told = events(PLAN / "train/seed-0")
    measured = [event for event in told if "measures" in event]
    assert [event["step"] for event in measured] == [0, 20, 40, 60]
    assert set(measured[0]["measures"]) == {"error", 'python("metrics.py:largest")'}  # type: ignore[call-overload]
    manifest = json.loads((PLAN / "train/seed-0/run.json").read_text())
    assert manifest["measures"] == measured[-1]["measures"]
    assert not (PLAN / "train/seed-0/state.safetensors").exists()
    before = left(PLAN / "train/seed-0")
    assert pat("train", PLAN, "--compare")[0] == 0  # nothing is done again
    assert left(PLAN / "train/seed-0") == before
    assert pat("train", PLAN, "--fresh")[0] == 0
    assert left(PLAN / "train/seed-0") == before


def test_another_run_is_not_overwritten(project: Path, pat: Pat) -> None:
    assert pat("train", PLAN)[0] == 0
    before = left(PLAN / "train/seed-0")
    status, said = pat("train", PLAN, "--using", "sgd(lr: 0.1, steps: 5, batch: 8)")
    assert (status, "PAT7006" in said) == (1, True)
    assert left(PLAN / "train/seed-0") == before


def test_one_process_at_a_time(project: Path, pat: Pat) -> None:
    folder = PLAN / "train/seed-0"
    folder.mkdir(parents=True)
    with held(folder / ".lock"):
        status, said = pat("train", PLAN)
    assert (status, "PAT7007" in said) == (1, True)


def _options(steps: int, out: str) -> list[str]:
    using = f'adamw(lr: 1e-3, steps: {steps}, batch: 8, warmup: 5, decay: "cosine", clip: 1)'
    return ["train", str(PLAN), "--using", using, "-o", out]


def _torn(folder: Path, steps: int, kills: int, seed: int) -> int:
    """Kill a run again and again, at random moments after it kept something anew; count."""
    chance, state = random.Random(seed), folder / "torn/seed-0/state.safetensors"
    environment = {**os.environ, "PAT_CHECKPOINT_SECONDS": "0.05", "OMP_NUM_THREADS": "1"}
    for done in range(kills):
        mark = state.stat().st_mtime_ns if state.exists() else 0
        command = [sys.executable, "-m", "pattern_lang", *_options(steps, "torn")]
        process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE)
        while process.poll() is None:
            if state.exists() and state.stat().st_mtime_ns != mark:
                break
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.3))
        if process.poll() is not None:
            return done
        process.send_signal(signal.SIGKILL)
        process.communicate()
    return kills


@pytest.mark.parametrize(
    ("steps", "kills"), [(4000, 1), pytest.param(60_000, 20, marks=pytest.mark.slow)]
)
def test_a_run_that_is_killed_ends_in_the_same_bits(
    project: Path, pat: Pat, steps: int, kills: int
) -> None:
    assert pat(*_options(steps, "whole"))[0] == 0
    assert _torn(project, steps, kills, seed=kills) == kills
    done = json.loads((project / "torn/seed-0/events.jsonl").read_text().splitlines()[-1])["step"]
    assert done < steps
    status, said = pat(*_options(steps, "torn"))
    assert status == 0, said
    assert left(project / "torn/seed-0") == left(project / "whole/seed-0")


def test_a_damaged_checkpoint_is_told_and_left_out(project: Path, pat: Pat) -> None:
    assert pat("train", PLAN)[0] == 0
    expected = left(PLAN / "train/seed-0")
    for name in FILES:
        (PLAN / "train/seed-0" / name).unlink()
    (PLAN / "train/seed-0/state.safetensors").write_bytes(b"not a checkpoint")
    status, said = pat("train", PLAN)
    assert status == 0
    assert "left out" in said
    assert left(PLAN / "train/seed-0") == expected
