"""The second example: its data, its two networks, and (slow) its six patterns."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.whole.conftest import pat

EXAMPLE = Path(__file__).parents[2] / "examples" / "02-brackets"
LOOK = """
import json, sys
import torch
from safetensors.torch import load_file
from data import held_out, in_distribution, train
from model import build
from train import accuracy
torch.set_num_threads(1)
found = {}
for name, layers in (("equal_count", 1), ("nested", 2)):
    network = build(layers=layers)
    network.load_state_dict(load_file(f"{name}.safetensors"))
    found[name] = [accuracy(network.eval(), in_distribution()), accuracy(network, held_out())]
rows = train(rows=400)
found["rows"] = [[row["text"], int(row["label"]), int(row["excess"])] for row in rows]
found["held_out"] = [row["text"] for row in held_out()]
json.dump(found, sys.stdout)
"""


def is_balanced(text: str) -> bool:
    depth = 0
    for bracket in text:
        depth += 1 if bracket == "(" else -1
        if depth < 0:
            return False
    return depth == 0


def test_data_and_networks_are_what_the_page_says() -> None:
    result = subprocess.run(
        [sys.executable, "-B", "-c", LOOK], cwd=EXAMPLE, capture_output=True, text=True, check=True
    )
    found = json.loads(result.stdout)
    assert found["equal_count"] == [100.0, 0.0]
    assert found["nested"][0] == 100.0
    assert found["nested"][1] == pytest.approx(98.6, abs=0.05)
    for text, label, excess in found["rows"]:
        assert is_balanced(text) == bool(label)
        assert abs(text.count("(") - text.count(")")) == excess
        assert label == 1 or excess > 0, "what training rejects does not even have equal counts"
    for text in found["held_out"]:
        assert text.count("(") == text.count(")")
        assert not is_balanced(text)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_six_patterns_from_one_set_of_chains(tmp_path: Path) -> None:
    result = pat("compile", EXAMPLE / "steer.pat", "-o", tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("sampling") == 1
    weights = {}
    for kind in "abc":
        for side, sign in (("nested", -1), ("counting", 1)):
            folder = tmp_path / f"{side}_{kind}"
            plan = json.loads((folder / "plan.json").read_text())
            assert plan["status"] == "optimal"
            assert plan["goals"][0]["predicted_sd"] == pytest.approx(0.3 * sign, rel=1e-5)
            weights[side, kind] = pq.read_table(folder / "weights.parquet")["weight"].to_numpy()
    a, c = weights["nested", "a"], weights["nested", "c"]
    assert np.corrcoef(a, c)[0, 1] < -0.5, "kinds A and C pull in opposite directions"
