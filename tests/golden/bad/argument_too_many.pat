edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

observable late = loss(lm, text)
param half: Real = double(1, 2)
def double(x: Real) -> Real = 2 * x
