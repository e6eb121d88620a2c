edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

observable head[l in 0..2, h in 0..4] = icl
observable last = head[1, 4]
observable next[l in 0..3] = head[l, 0]

pattern steer {
  reweight text per sample as w
  hold next within 1 sd
}
