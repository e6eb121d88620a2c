edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

rules gentle(w: Weights) {
  reweight text per sample as w
  require w <= 4
}
