edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

pattern nothing {
  reweight text per sample as w
  require  0 <= w <= 4
}

pattern something {
  reweight text per sample as w
  require  predicted(icl) <= -1 sd
}
