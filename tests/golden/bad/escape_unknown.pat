edition 2026

data text = jsonl("C:\data\text.jsonl")
