edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

pattern steer {
  reweight text per sample as w
  raise icl by 1 sd
  require min(w) <= 0.5
  require ess(w) <= 50 %
  require 2 * ess(w) <= 100 %
}
