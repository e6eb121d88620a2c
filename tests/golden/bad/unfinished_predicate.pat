edition 2026

data text = jsonl("text.jsonl")
data late = text where row.position > 3 and
