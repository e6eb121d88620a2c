"""Codes that no spec in `bad/` can show: files that cannot be read, patterns that are not there."""

from pathlib import Path

import pytest

from pattern_lang.api import load, loads
from pattern_lang.diagnostics import PatternError, SourceFile
from pattern_lang.diagnostics.render import render_all
from pattern_lang.driver import choose_patterns, read_spec
from pattern_lang.syntax.bundle import MemoryBundle

SPEC = """edition 2026
model lm = hf("model")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)
pattern steer(sign: Real) {
  reweight text per sample as w
  shift icl by sign * 1 sd
}
"""


def said(error: PatternError) -> str:
    return render_all(error.diagnostics)


def test_not_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("latin.pat").write_bytes("edition 2026 # größe".encode("latin-1"))
    with pytest.raises(PatternError) as caught:
        load("latin.pat")
    assert said(caught.value) == (
        "error[PAT0012]: `latin.pat` is not UTF-8 text: byte 17 is not valid\n"
        "  = help: save the file as UTF-8\n\n1 error\n"
    )


@pytest.mark.parametrize(
    ("path", "reason"), [("nowhere.pat", "there is no such file"), (".", "it is a folder")]
)
def test_no_file(path: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PatternError) as caught:
        load(path)
    assert said(caught.value) == (
        f"error[PAT1015]: cannot read `{path}`: {reason}\n"
        "  = help: check the path; a spec is a file that ends in .pat\n\n1 error\n"
    )


def choosing(text: str, name: str | None) -> str:
    spec = read_spec(SourceFile("steer.pat", text), MemoryBundle(), {})
    with pytest.raises(PatternError) as caught:
        choose_patterns(spec, name)
    return said(caught.value)


def test_no_pattern() -> None:
    complete = SPEC + "pattern suppress = steer(sign: -1)\n"
    assert choosing(complete, "surpress") == (
        "error[PAT1014]: the spec has no pattern called `surpress` that can be compiled\n"
        "  = help: did you mean `suppress`?\n\n1 error\n"
    )
    assert choosing(complete, "steer") == (
        "error[PAT1014]: the spec has no pattern called `steer` that can be compiled\n"
        "  = help: `steer` needs arguments: `pattern NAME = steer(…)`\n\n1 error\n"
    )
    assert choosing(SPEC, None) == (
        "error[PAT3012]: `steer.pat` declares no pattern that can be compiled as it is\n"
        "  = help: give `steer` its arguments: `pattern NAME = steer(…)`\n\n1 error\n"
    )
    assert choosing("edition 2026\n", None) == (
        "error[PAT3012]: `steer.pat` declares no pattern that can be compiled as it is\n"
        "  = help: declare one with `pattern NAME { … }`\n\n1 error\n"
    )


EXAMPLE = """edition 2026

use std.transformer                       # qualified: transformer.head(...)
use std.tokens { repeats }                # names
use "policy.pat" { gentle }               # a file beside this one

## How far to push, in posterior standard deviations.
param dose: Quantity[sd] = 1 sd

model lm     = torch("model.py:build", weights: "base.safetensors")
data  text   = jsonl("text.jsonl", field: "text", tokenizer: "tokenizer.json", context: 64)
data  copies = text where repeats(2)

observable head[l in 0..2, h in 0..4] =
    restrict(loss(lm, on: text), to: transformer.head(lm, l, h))
observable icl = loss(lm, on: copies) - loss(lm, on: text)

pattern steer(sign: Real) {
  reweight text per token as w
  shift    pc(head, 2) by sign * dose
  hold     pc(head, 1) within 0.1 sd
  apply    gentle(w)
  require  0.9 <= mass(w, across: row.domain) <= 1.1
  minimize sum_squares(w - 1)
  estimate sgld(step: 1e-3, nbeta: 30, localization: 300, batch: 64, chains: 4, draws: 200)
  schedule once()
  emit     weights("weights.parquet")
  emit     megatron("blend.txt", buckets: 16)
}

pattern suppress = steer(sign: -1)
pattern amplify  = steer(sign: +1)

study fate {
  arms     base, suppress, amplify, shuffled(suppress), random_direction(suppress)
  seeds    0..5
  using    adamw(lr: 1e-3, weight_decay: 0.05, steps: 3000, batch: 32)
  measure  icl, python("metrics.py:prefix_matching") every 100 steps
}
"""
POLICY = (
    "rules gentle(w: Weights) { require 0 <= w <= 4   require mean(w) == 1   "
    "require ess(w) >= 50 % }\n"
)


def test_a_whole_spec_is_clean_but_for_the_edition_of_its_policy(tmp_path: Path) -> None:
    (tmp_path / "policy.pat").write_text(POLICY, encoding="utf-8")
    spec = loads(EXAMPLE, folder=tmp_path)
    assert spec.patterns == ("suppress", "amplify")
    (lint,) = spec.diagnostics
    assert (lint.code, lint.is_error) == ("PATL001", False)
    assert lint.span is not None
    assert lint.span.source.name.endswith("policy.pat")
