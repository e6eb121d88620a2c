edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

param sign: Real = -1

pattern steer {
  reweight text per sample as w
  raise icl by 1 sd
  require sign * norm(w - 1) <= 1
  maximize sign * ess(w)
}
