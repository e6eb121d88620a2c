edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

pattern steer {
  reweight text per sample as w
  raise icl by 1 sd
  require quantile(icl, 95 %) >= 0.5 sd
  require quantile(icl, 0 %) <= 0.5 sd
}
