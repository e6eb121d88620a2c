edition 2026

model lm = torch("model.py:build")
data lm = jsonl("text.jsonl")
