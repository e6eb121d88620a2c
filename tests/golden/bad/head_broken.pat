edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

pattern steer(sign: Real {
  reweight text per sample as w
  raise icl by sign * 1 sd
  hold icm within 1 sd
}

pattern up = steer(sign: 1)
