edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

pattern steer {
  reweight text per sample as w
  raise icl by 1 sd
  require ess(w) >= 150 %
  require kl(w) <= 0 nats - 1 nats
  require mass(w, across: row.domain) <= 0.5
  require 5 <= w <= 4
  require 5 <= 4 <= w
  require w - w == 1
}
