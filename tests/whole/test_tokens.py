"""Weights per token from the text of a spec to the files: a language model over words."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors import safe_open

import pattern_lang as pl
from pattern_lang.emit.read import read_susceptibility, read_weights

tokenizers = pytest.importorskip("tokenizers")

WORDS = ["the", "cat", "sat", "on", "mat", "a", "dog"]
TEXTS = ["the cat sat on the mat", "a dog sat on the cat", "the cat sat the cat sat", "a mat"]

MODEL = """
import torch
from torch import nn
from pattern_lang.losses import next_token_losses

class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.out = nn.Embedding(7, 5), nn.Linear(5, 7)

    def unit_loss(self, batch):
        seen = torch.tanh(self.embed(batch["input_ids"]).cumsum(1))
        return next_token_losses(seen, self.out.weight, batch["labels"], self.out.bias)

def build():
    return Bag()
"""

SPEC = """edition 2026

use std.tokens { repeats, matches }

model lm = torch("model.py:build")
data text = jsonl("text.jsonl", tokenizer: "tokenizer.json", context: 6)
data copies = text where repeats(2) and row.kind == "story"

observable icl = loss(lm, on: copies) - loss(lm, on: text)

pattern steer {
  reweight text per token as w
  raise    icl by 0.01 sd
  require  0 <= w <= 3
  require  mean(w) == 1
  require  mass(w, of: matches("^cat$")) == 1
  require  0.9 <= mass(w, across: row.kind) <= 1.1
  minimize sum_squares(w - 1)
  estimate sgld(step: 1e-3, nbeta: 20, localization: 20, batch: 2, chains: 2, draws: 120, thin: 5 steps)
}

pattern documents {
  reweight text per group row.document as w
  raise    icl by 0.01 sd
  require  0 <= w <= 3
  require  mean(w) == 1
  estimate sgld(step: 1e-3, nbeta: 20, localization: 20, batch: 2, chains: 2, draws: 120, thin: 5 steps)
}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token=WORDS[0])
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    rows = [{"text": t, "kind": "list" if i == 3 else "story"} for i, t in enumerate(TEXTS)]
    (tmp_path / "text.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "steer.pat").write_text(SPEC)
    return tmp_path


def test_weights_of_tokens(project: Path) -> None:
    spec = pl.load(project / "steer.pat")
    assert spec.diagnostics == ()
    run = spec.compile("steer", out=project / "build")
    folder = project / "build" / "steer"
    weights, chi = read_weights(folder), read_susceptibility(folder)
    sample, position = [], []
    for row, text in enumerate(TEXTS):
        sample += [row] * (len(text.split()) - 1)
        position += range(len(text.split()) - 1)
    assert weights.sample_id is not None
    assert weights.position is not None
    assert weights.sample_id.tolist() == sample
    assert weights.position.tolist() == position
    with safe_open(folder / "susceptibility.safetensors", framework="numpy") as file:
        assert file.get_tensor("position").tolist() == position
        assert file.get_tensor("sample_id").tolist() == sample
    assert chi.chi.shape == (1, len(sample))
    assert weights.metadata["unit"] == "token"
    assert "t + 1" in weights.metadata["alignment"]
    assert weights.weight.mean() == pytest.approx(1, abs=1e-6)
    # The mass of the tokens that are `cat`, at the positions where it is predicted.
    words = [TEXTS[r].split()[t + 1] for r, t in zip(sample, position, strict=True)]
    cats = np.array([word == "cat" for word in words])
    assert weights.weight[cats].mean() == pytest.approx(1, abs=1e-5)
    report = (folder / "report.html").read_text(encoding="utf-8")
    top = int(np.argmax(run.weights))
    assert words[top] in report
    assert "the cat" in report  # what stands before it
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    pl.load(project / "steer.pat").compile("steer", out=project / "build")
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_weights_of_documents(project: Path) -> None:
    pl.load(project / "steer.pat").compile("documents", out=project / "build")
    table = pq.read_table(project / "build" / "documents" / "weights.parquet")
    assert table["group"].to_pylist() == [0, 1, 2, 3]


def test_masses_of_tokens_need_tokens(project: Path) -> None:
    text = SPEC.replace("text per token", "text per sample").replace(
        'mass(w, of: matches("^cat$")) == 1', "mass(w, of: repeats(2)) <= 2"
    )
    (project / "steer.pat").write_text(text)
    with pytest.raises(pl.PatternError) as caught:
        pl.load(project / "steer.pat").compile("steer", out=project / "build")
    (error,) = caught.value.diagnostics
    assert error.code == "PAT5009"
    assert "a unit is a sample" in error.message


def test_another_tokenizer_is_another_estimate(project: Path) -> None:
    spec = project / "steer.pat"
    pl.load(spec).compile("steer", out=project / "build")
    first = json.loads((project / "build" / "steer" / "plan.json").read_text())
    shutil.copy(project / "tokenizer.json", project / "old.json")
    path = project / "tokenizer.json"
    path.write_text(path.read_text().replace('"dog"', '"hog"'))
    pl.load(spec).compile("steer", out=project / "build")
    second = json.loads((project / "build" / "steer" / "plan.json").read_text())
    assert first["digests"]["data"] != second["digests"]["data"]
