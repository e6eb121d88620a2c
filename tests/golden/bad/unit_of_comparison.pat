edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

pattern steer {
  reweight text per sample as w
  raise icl by 1 sd
  require kl(w) <= 0.5
  require w <= 4 sd
  require predicted(icl) <= 0.5 bits + 1 sd
}
