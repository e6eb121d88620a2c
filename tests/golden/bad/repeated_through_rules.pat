edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

rules small(w: Weights) {
  minimize kl(w)
}

pattern steer {
  reweight text per sample as w
  raise icl by 1 sd
  minimize norm(w - 1)
  apply small(w)
}
