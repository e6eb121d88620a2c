edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

pattern one {
  reweight text per sample as w
  raise icl by 1 sd
  maximize sum_squares(w - 1)
}

pattern two {
  reweight text per sample as w
  raise icl by 1 sd
  minimize ess(w)
}

pattern three {
  reweight text per sample as w
  raise icl by 1 sd
  minimize w
}
