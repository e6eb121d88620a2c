edition 2026

model model = torch("model.py:build")
data text = jsonl("text.jsonl")
observable icl = loss(model, on: text)
