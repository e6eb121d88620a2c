edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

data late = text where 3
data rows = text where row
data some = text where row.domain in "web"
data none = text where icl > 3
