edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

observable mixed = icl + llc(lm, on: text)
observable shifted = icl - 1
param sum: Quantity[sd] = 1 sd + 1 nats
