edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

observable head[l in 0..2, h in 0..4] = icl
observable one = head[0]
observable two = icl[0]
observable three = head[0, 0.5]
observable four = lm[0]
