edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

model other = torch("model.py")
observable score = python("metrics:score of", lm, on: text)
