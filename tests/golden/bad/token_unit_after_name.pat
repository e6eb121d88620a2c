edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

pattern steer(sign: Real) {
  reweight text per sample as w
  shift icl by sign sd
}
