edition 2026

use std.transformer
use std.tokens { repeats }

## How far to push, in posterior standard deviations of the direction.
param dose: Quantity[sd] = 1 sd

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl", field: "ids", context: 64)
data copies = text where repeats(2)

## How much each head is worth on this text while the others stay as they are: its learning
## coefficient.
observable head[l in 0..2, h in 0..4] = restrict(
    llc(lm, on: text), to: transformer.head(lm, l, h), posterior: "component"
)

## The first direction is what all heads share; the second is the one that finds induction.
pattern steer(sign: Real) {
  reweight text per token as w
  shift    pc(head, 2, toward: copies) by sign * dose
  require  0 <= w <= 4
  require  mean(w) == 1
  minimize sum_squares(w - 1)
  estimate importance(nbeta: 10, localization: 3, chains: 4, draws: 64)
}

pattern suppress = steer(sign: -1)
pattern amplify = steer(sign: +1)
