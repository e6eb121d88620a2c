edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

pattern steer {
  reweight text per sample as w
  raise icl by 1 sd
  require sum_squares(w - 1) >= 1
  require norm(w - 1) >= 1
  require l1(w - 1) >= 1
  require chi2(w) >= 1
  require max(w) >= 1
  require kl(w) >= 1 nats
  require risk(icl) >= 0.1 sd
}
