edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

pattern steer {
  reweight text per sample as w
  raise icl by 1 sd
  require w ^ 2 <= 4
  require min(w) + max(w) <= 4
  require ess(w) + ess(w) >= 1
  require -ess(w) <= -0.5
}
