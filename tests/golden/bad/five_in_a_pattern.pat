edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

pattern steer {
  reweight text per sampel as w
  shift icl to 1 sd
  hold icm within 0.1 sd
  require norm(w - 1) >= 2
  minimise kl(w)
  emit weights("../w.parquet")
}
