edition 2026

## How far to push the hard loss down, in posterior standard deviations. About 3.4 is the most that
## the constraints allow.
param dose: Quantity[sd] = 3 sd

model base = torch("model.py:build", weights: "base.safetensors")
data train = python("data.py:train")
data probe = python("data.py:probe")
data easy = probe where row.kind == "easy"
data normal = probe where row.kind == "normal"
data hard = probe where row.kind == "hard"

observable easy_loss = loss(base, on: easy)
observable normal_loss = loss(base, on: normal)
observable hard_loss = loss(base, on: hard)

## Lean less on the cue: better where it misleads, the same where it is right or absent.
pattern steer {
  reweight train per sample as w
  lower    hard_loss by dose
  hold     easy_loss within 1 sd
  hold     normal_loss within 1 sd
  require  0 <= w <= 5
  require  mean(w) == 1
  require  ess(w) >= 50 %
  minimize sum_squares(w - 1)
  # A step of 2e-3 still passes R-hat but throws rare spikes, which ruin the susceptibilities.
  # Derivatives along the chain: susceptibilities settle with few draws, each of which costs more.
  estimate sgld(
      step: 1.2e-3,
      nbeta: 900,
      localization: 30,
      batch: 256,
      chains: 4,
      draws: 400,
      burn_in: 250,
      thin: 5,
      seed: 0,
      estimator: "pathwise",
  )
  emit     weights("weights.parquet")
}
