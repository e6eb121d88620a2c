edition 2026

use std.tokens { repeat }
param dose: Quantity[sd] = 1
model lm = torh("model.py:build")
data text = jsonl("text.jsonl" field: "text")
observable icl = loss(lm, on: text) + 1
