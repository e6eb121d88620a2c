"""The fourth example: its networks, what it counts, and (slow) its study at a reduced size."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.whole.conftest import pat

EXAMPLE = Path(__file__).parents[2] / "examples" / "04-superposition"
LOOK = """
import json, sys
import torch
from data import rows
from metrics import corners
from model import Replicas, build
from safetensors.torch import load_file
from train import inputs
torch.set_num_threads(1)

def gradients(module):
    module.zero_grad()
    module.losses(inputs()).mean(dim=1).sum().backward()
    return [p.grad.clone() for p in (module.columns, module.bias)]

found = {"corners": {}}
for name, replicas in (("five", 1), ("six", 1), ("fives", 6), ("sixes", 6)):
    network = build(replicas)
    network.load_state_dict(load_file(f"{name}.safetensors"))
    found["corners"][name] = corners(network).tolist()
    if name == "fives":
        found["left_out"] = network.columns.norm(dim=1).argmin(dim=1).tolist()
polygons = build(3)
turns = torch.arange(6) * torch.pi / 3
with torch.no_grad():
    polygons.columns.copy_(torch.stack([turns.cos(), turns.sin()]).expand(3, -1, -1))
    polygons.columns[0, :, 2:4] *= 0.1
    polygons.columns[1, :, 5] = 0
found["known"] = corners(polygons).tolist()
torch.manual_seed(0)
many = build(8)
every = gradients(many)
with torch.no_grad():
    many.columns[0] += 1
found["apart"] = all(torch.equal(a[1:], b[1:]) for a, b in zip(every, gradients(many)))
single = build(1)
single.load_state_dict({name: t[3:4] for name, t in many.state_dict().items()})
found["same"] = all(
    torch.allclose(a[3:4], b, rtol=1e-5, atol=1e-7) for a, b in zip(every, gradients(single))
)
loss = many.unit_loss({"x": inputs()})
found["mean"] = torch.equal(loss, many.losses(inputs()).mean(dim=0))
found["rows"] = [[row["feature"], row["strength"], float(row["x"].sum())] for row in rows()]
json.dump(found, sys.stdout)
"""


def test_networks_and_what_is_counted() -> None:
    result = subprocess.run(
        [sys.executable, "-B", "-c", LOOK], cwd=EXAMPLE, capture_output=True, text=True, check=True
    )
    found = json.loads(result.stdout)
    assert found["corners"] == {"five": [5], "six": [6], "fives": [5] * 6, "sixes": [6] * 6}
    assert sorted(found["left_out"]) == list(range(6)), "each feature is left out once"
    assert found["known"] == [4, 5, 6]
    assert found["apart"], "a replica's gradient has nothing of another in it"
    assert found["same"], "nor is it another than that of the replica alone"
    assert found["mean"]
    assert len(found["rows"]) == 120
    for feature, strength, total in found["rows"]:
        assert 0 <= feature < 6
        assert total == pytest.approx(strength)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_both_signs_of_a_small_study(tmp_path: Path) -> None:
    folder = shutil.copytree(
        EXAMPLE, tmp_path / "toy", ignore=shutil.ignore_patterns("__pycache__", "build")
    )
    spec = folder / "steer.pat"
    text = spec.read_text(encoding="utf-8")
    arms = "arms base, sweep(F, dose: [-1, 1]), sweep(random_direction(F), dose: [-1, 1])\n  seeds"
    text, swapped = re.subn(r"arms  .*?seeds", arms, text, flags=re.S)
    text, fewer = re.subn(r"0\.\.20", "0..4", text)
    assert (swapped, fewer) == (1, 1)
    spec.write_text(text, encoding="utf-8")
    result = pat("study", spec, "-o", tmp_path / "build")
    assert result.returncode == 0, result.stderr
    table = pq.read_table(tmp_path / "build/polygon/results.parquet").to_pylist()
    last = max(row["step"] for row in table)
    share = {
        (row["arm"], row["seed"]): row["value"]
        for row in table
        if row["step"] == last and "hexagons" in row["measure"]
    }
    apart = np.array([share["F x 1", seed] - share["F x -1", seed] for seed in range(4)])
    chance = [
        share["random_direction(F) x 1", seed] - share["random_direction(F) x -1", seed]
        for seed in range(4)
    ]
    # Each of the eight shares is of 128 networks: a standard error of .05 for one difference.
    assert apart.mean() > 0.1
    assert apart.min() > max(chance)
    printed = subprocess.run(
        [sys.executable, folder / "antisymmetric.py", tmp_path / "build/polygon"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"{apart.mean():+.3f}" in printed
