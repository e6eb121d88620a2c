edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

observable head[i in 0..1000, j in 0..1000] = icl

pattern steer {
  reweight text per sample as w
  hold head within 1 sd
}
