edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

pattern steer {
  reweight text per sample as w
  raise icl by 0.1
  lower icl by 10 steps
  raise llc(lm, on: text) by 1 nats
}
