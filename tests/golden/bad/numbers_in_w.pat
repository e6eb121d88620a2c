edition 2026

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)
observable complexity = llc(lm, on: text)

pattern steer {
  reweight text per sample as w
  require norm([predicted(icl), predicted(complexity)]) <= 2
  require square(norm(w - 1)) <= 2
  require abs(w - 1) <= 2
  require abs(predicted(icl)) >= 1 sd
  require l1([predicted(icl)], up: 2) <= 3 nats
  require norm([]) <= 1
  minimize sum_squares(w - 1, up: -1)
}
