edition 2026

model lm = torch("model.py:build")
data text = jsonl("text.jsonl)
observable icl = loss(lm, on: text)
observable head[i in 0..4] = restrict(icl, to: component(lm, blocks))

pattern steer {
  reweight text per sample as w
  raise head[4] by 1 sd
  lower icl by 1 parsec
  require 0 <= w < 4

study fate {
  arms base, steer
  seeds zero..5
}
