"""Checking takes time in proportion to the length of a spec."""

import gc
import time

import pytest

from tests.property.soundness import read

HEAD = """edition 2026
use std.transformer
model m = torch("model.py:build")
data d = jsonl("x.jsonl")
data e = jsonl("y.jsonl")
"""
BLOCK = """
param k{n}: Quantity[sd] = 1 sd
observable o{n} = loss(m, on: d) - 2 * loss(m, on: e)
observable h{n}[i in 0..2, j in 0..3] = restrict(loss(m, on: d), to: transformer.head(m, i, j))
rules r{n}(w: Weights, most: Real) {{
  require 0 <= w <= most
  require mass(w, of: row.x == {n}) <= 2
}}
pattern p{n} {{
  reweight d per sample as w
  shift    o{n} by k{n}
  hold     h{n} within 0.1 sd
  require  kl(w) <= 0.5 nats
  apply    r{n}(w, most: 4)
  minimize sum_squares(w - 1)
  emit     weights("w.parquet")
}}
"""


def spec_of(lines: int) -> str:
    blocks = range(lines // BLOCK.count("\n"))
    return HEAD + "".join(BLOCK.format(n=n) for n in blocks)


def seconds_to_check(text: str) -> float:
    """Return the processor time of the quicker of two checks."""
    taken = []
    for _ in range(2):
        gc.collect()
        start = time.process_time()
        assert not read(text).diagnostics
        taken.append(time.process_time() - start)
    return min(taken)


@pytest.mark.slow
def test_ten_thousand_lines() -> None:
    half, whole = seconds_to_check(spec_of(5_000)), seconds_to_check(spec_of(10_000))
    assert whole < 4
    assert whole / half < 3
