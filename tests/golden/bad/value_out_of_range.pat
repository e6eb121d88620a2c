edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

pattern steer {
  reweight text per sample as w
  raise icl by 1 sd
  estimate sgld(step: -1e-3, nbeta: 30, localization: 300, batch: 64, draws: 1)
  schedule online(period: 0 steps)
}
