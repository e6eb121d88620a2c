edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

data copies = text where repeats(2)
observable head = restrict(icl, to: transformer.head(lm, 0, 1))
