edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

pattern steer(sign: Real) {
  reweight text per sample as w
  shift icl by sign * 1 sd
}

study fate {
  arms base, steer, suppress
  seeds 0.5
  using adam(lr: 1e-3, batch: 8)
  measure icl, score every 100 tokens
  record icl
}
