edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)

pattern steer {
  reweight text per sample as w
  raise icl by 1 sd
  require ess(w) >= 50 % where row.domain == "code"
  require row.domain == "code" where row.x > 1
  require w <= 2 where w
}
