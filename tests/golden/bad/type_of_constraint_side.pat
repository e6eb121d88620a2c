edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

pattern steer {
  reweight text per sample as w
  raise icl by 1 sd
  require mean(w) <= row.position
  require w <= icl
  require w <= mass(w, across: row.domain)
}
