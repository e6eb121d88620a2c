"""The statements of the language's first example, per sample, on a small attention-only network."""

import json
import re
import subprocess
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from safetensors import safe_open

from tests.whole.conftest import pat, pat_here

MODEL = '''
    """A two-layer attention-only network that predicts the last token of a short row."""

    import torch
    from torch import nn

    WIDTH, HEADS, WORDS = 8, 2, 6


    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.attn = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)

        def forward(self, x):
            return x + self.attn(x, x, x, need_weights=False)[0]


    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(WORDS, WIDTH)
            self.blocks = nn.ModuleList([Block(), Block()])
            self.unembed = nn.Linear(WIDTH, WORDS)

        def forward(self, tokens):
            x = self.embed(tokens)
            for block in self.blocks:
                x = block(x)
            return self.unembed(x[:, -1])

        def unit_loss(self, batch):
            return nn.functional.cross_entropy(self(batch["x"]), batch["y"], reduction="none")


    def build():
        return Network()


    def certainty(module, batch):
        return torch.softmax(module(batch["x"]), dim=1).amax(dim=1)
'''
DATA = """
    import random


    def rows():
        random.seed(0)
        found = []
        for i in range(30):
            x = [random.randrange(6) for _ in range(4)]
            y = x[0] if i % 2 == 0 else random.randrange(6)
            found.append({"x": x, "y": y, "copied": int(i % 2 == 0)})
        return found
"""
SPEC = """
    edition 2026

    use std.transformer

    param dose: Quantity[sd] = 0.2 sd

    model lm     = torch("model.py:build")
    data  text   = python("data.py:rows")
    data  copies = text where row.copied == 1

    observable head[l in 0..2, h in 0..2] =
        restrict(loss(lm, on: copies), to: transformer.head(lm, l, h))
    observable sure = python("model.py:certainty", lm, on: copies)

    pattern steer(sign: Real) {
      reweight text per sample as w
      shift    pc(head, 2, toward: copies) by sign * dose
      hold     pc(head, 1) within 0.1 sd
      hold     restrict(sure, to: component(lm, "blocks.*"), posterior: "component") within 3 sd
      require  0 <= w <= 4
      require  risk(pc(head, 1)) <= 10 sd
      estimate sgld(
        step: 2e-3, nbeta: 30, localization: 300, batch: 30, chains: 4, draws: 80,
        burn_in: 30 steps, thin: 2 steps
      )
    }

    pattern suppress = steer(sign: -1)
    pattern amplify  = steer(sign: +1)
"""
Done = tuple[Path, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("heads")
    for name, text in (("model.py", MODEL), ("data.py", DATA), ("steer.pat", SPEC)):
        (folder / name).write_text(dedent(text).lstrip(), encoding="utf-8")
    return folder, pat("compile", "steer.pat", "-o", "build", "--jobs", "1", cwd=folder)


def read(folder: Path) -> tuple[dict[str, object], dict[str, np.ndarray], dict[str, str]]:
    plan = json.loads((folder / "plan.json").read_text())
    with safe_open(folder / "susceptibility.safetensors", framework="np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return plan, arrays, file.metadata()


def test_both_patterns_are_compiled_from_one_estimate(done: Done) -> None:
    _, result = done
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("sampling 6 posteriors") == 1
    assert result.stdout.count("optimal") == 2
    assert "taken from the cache" in result.stdout


def test_rows_are_named_and_say_how_they_were_estimated(done: Done) -> None:
    _, arrays, header = read(done[0] / "build" / "amplify")
    names = json.loads(header["observables"])
    heads = [f"head[{layer},{head}]" for layer in range(2) for head in range(2)]
    first = "pc(head, 2, toward: copies)"
    inside = 'restrict(sure, to: component(lm, "blocks.*"), posterior: "component")'
    assert names == [first, *heads, "pc(head, 1)", inside]
    kinds = ["direction", *4 * ["two-chain"], "direction", "component"]
    assert json.loads(header["estimators"]) == kinds
    assert arrays["chi"].shape == (7, 30)
    sd = dict(zip(names, arrays["sd"].tolist(), strict=True))
    assert [sd[first], sd["pc(head, 1)"]] == pytest.approx([1, 1])
    chi = arrays["chi"][names.index(first)]
    assert chi[::2].sum() > 0  # even rows are copies
    queries = json.loads((done[0] / "build" / "amplify" / "queries.json").read_text())
    assert [item["estimator"] for item in queries["observables"]] == kinds
    components = [item["component"] for item in queries["posteriors"]]
    assert components.count(None) == 1
    assert len(components) == 6


def test_directions_are_told(done: Done) -> None:
    folder = done[0] / "build" / "suppress"
    directions = json.loads((folder / "diagnostics.json").read_text())["directions"]
    assert [item["k"] for item in directions] == [2, 1]
    for item in directions:
        assert sum(value**2 for value in item["loadings"].values()) == pytest.approx(1)
        assert len(item["singular_values"]) == 4
    assert max(directions[1]["loadings"].values(), key=abs) > 0


def test_the_goals_are_met(done: Done) -> None:
    for name, sign in (("suppress", -1), ("amplify", 1)):
        plan, _, _ = read(done[0] / "build" / name)
        goals = {goal["observable"]: goal for goal in plan["goals"]}  # type: ignore[union-attr]
        moved = goals["pc(head, 2, toward: copies)"]
        assert moved["predicted"] == pytest.approx(sign * 0.2, rel=1e-6)
        assert moved["unit"] == "sd"
        assert abs(goals["pc(head, 1)"]["predicted"]) <= 0.1 * (1 + 1e-6)
        assert moved["stderr"] > 0


def test_the_report_shows_the_family(done: Done) -> None:
    page = (done[0] / "build" / "amplify" / "report.html").read_text()
    for name in ("head[1,1]", "pc(head, 1)", "transformer.head(0, 1)"):
        assert name in page, name


def test_a_dry_run_says_which_components(done: Done) -> None:
    result = pat_here("compile", "steer.pat", "--dry-run", "--pattern", "amplify", cwd=done[0])
    assert result.returncode == 0, result.stderr
    text = " ".join((result.stdout + result.stderr).split())
    for part in ("all parameters", "transformer.head(1, 1)", 'component("blocks.*")'):
        assert part in text, part


MISTAKES = {
    "transformer.head(lm, l, h)": ("transformer.head(lm, l, h + 1)", "PAT4063"),
    '"blocks.*"': ('"block.*"', "PAT4061"),
    "model.py:certainty": ("model.py:certain", "PAT4003"),
}


@pytest.mark.parametrize("old", MISTAKES)
def test_mistakes_point_into_the_spec(done: Done, old: str) -> None:
    new, code = MISTAKES[old]
    text = (done[0] / "steer.pat").read_text().replace(old, new)
    (done[0] / "wrong.pat").write_text(text)
    result = pat_here("compile", "wrong.pat", "--pattern", "amplify", "-o", "wrong", cwd=done[0])
    assert result.returncode == 1
    assert f"error[{code}]" in result.stderr
    assert re.search(r"--> wrong\.pat:\d+", result.stderr)
