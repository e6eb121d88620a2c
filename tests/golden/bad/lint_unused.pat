edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

use std.tokens { repeats }
use std.transformer

param dose: Quantity[sd] = 1 sd
data rest = text where row.position > 3

pattern steer {
  reweight text per sample as w
  raise    icl by 1 sd
}
