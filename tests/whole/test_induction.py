"""The third example: its data, its network, independent draws, and (slow) what χ finds in it."""

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.whole.conftest import pat, pat_here

EXAMPLE = Path(__file__).parents[2] / "examples" / "03-induction"
pytest.importorskip("tokenizers")

LOOK = """
import json, sys
import numpy as np
import torch
from curve import checkpoint, rows_of_text
from data import CONTEXT, SHORTEST, predictable, with_copy
from independent import Head, covariance, plain_covariance
torch.set_num_threads(1)
row, rng = np.arange(CONTEXT), np.random.default_rng(0)
copies = np.stack([with_copy(row, rng) for _ in range(50)])
model, tokens = checkpoint(), torch.from_numpy(rows_of_text())
head = Head(model, tokens, 1, 2)
plain = [plain_covariance(head, 30.0, 80, seed).mean() for seed in range(6)]
better = [covariance(head, 30.0, 8, seed).mean() for seed in range(6)]
json.dump({
    "copied": predictable(copies).sum(1).tolist(),
    "unplanted": int(predictable(row[None]).sum()),
    "plain": plain,
    "better": better,
    "restored": bool((head.losses(0.0) == head.losses(torch.zeros(head.size))).all()),
}, sys.stdout)
"""


def python(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-B", *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1500)
    assert result.returncode == 0, result.stderr
    return result.stdout


def copied(folder: Path) -> Path:
    ignored = shutil.ignore_patterns("build", "__pycache__", "*.safetensors", "*.json*")
    return Path(shutil.copytree(EXAMPLE, folder / "induction", ignore=ignored))


def test_a_tiny_version(tmp_path: Path) -> None:
    """Data, training, χ of heads over tokens, and covariances by the identity."""
    folder = copied(tmp_path)
    trained = python(folder, "train.py", "--files", "12", "--steps", "40", "--rows", "6")
    assert "prefix matching" in trained
    found = json.loads(python(folder, "-c", LOOK))
    # A copy of m tokens completes m - 1 pairs that stood before.
    assert 7 <= min(found["copied"]) <= max(found["copied"]) <= 31
    assert found["unplanted"] == 0
    assert found["restored"]
    plain, better = np.array(found["plain"]), np.array(found["better"])
    error = np.hypot(plain.std(ddof=1), better.std(ddof=1)) / np.sqrt(6)
    assert abs(plain.mean() - better.mean()) < 3 * error
    spec = folder / "induction.pat"
    text = spec.read_text(encoding="utf-8").replace("draws: 64", "draws: 8")
    spec.write_text(text, encoding="utf-8")
    assert "draws: 8" in text
    result = pat_here(
        "compile", spec, "--pattern", "amplify", "-o", folder / "build", "--jobs", "1"
    )
    assert result.returncode in (0, 4), result.stderr
    plan = json.loads((folder / "build" / "amplify" / "plan.json").read_text())
    assert plan["goals"][0]["observable"].startswith("pc(head, 2")


FIGURES = """
import json, sys
import torch
from curve import checkpoint, rows_of_text
from data import predictable
from figures import look
from safetensors.numpy import load_file
rows = rows_of_text()
losses = checkpoint().unit_loss({"input_ids": torch.from_numpy(rows)})[:, :-1].flatten().double()
chi = [load_file(f"{folder}/amplify/susceptibility.safetensors")["chi"] for folder in sys.argv[1:]]
heads = [part[-8:].astype("float64") for part in chi]
json.dump(look(heads, predictable(rows)[:, 1:].ravel(), losses.numpy(), len(rows)), sys.stdout)
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_what_chi_finds(tmp_path: Path) -> None:
    """An induction head forms; χ of heads agrees between halves, and one direction finds it.

    Each half is a compilation of its own, with two of the spec's four chains: half a minute of CPU.
    """
    folder = copied(tmp_path)
    python(folder, "train.py")
    spec, outs = folder / "induction.pat", []
    text = spec.read_text(encoding="utf-8")
    assert "chains: 4" in text
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for seed in (1, 2):
        spec.write_text(text.replace("chains: 4", f"chains: 2, seed: {seed}"), encoding="utf-8")
        outs.append(str(folder / f"half-{seed}"))
        result = pat("compile", spec, "--pattern", "amplify", "-o", outs[-1])
        assert result.returncode == 0, result.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = json.loads(python(folder, "-c", FIGURES, *outs))
    assert found["split"] >= 0.7
    assert found["area"] >= 0.8
    assert found["area_at_equal_loss"] >= 0.75
    assert found["best"] == 2
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 300
