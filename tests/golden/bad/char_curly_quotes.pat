edition 2026

data text = jsonl(“text.jsonl”)
