edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

use std.transformer

observable head = restrict(icl, to: transformer.heads(lm, 0, 1))
