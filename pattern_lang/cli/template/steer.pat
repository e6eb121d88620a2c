edition 2026

## How far to lower the loss of the minority, in posterior standard deviations.
param dose: Quantity[sd] = 1 sd

model net = torch("model.py:build", weights: "base.safetensors")
data train = python("data.py:train")
data probe = python("data.py:probe")

observable minority = loss(net, on: probe where row.agrees == 0)
observable majority = loss(net, on: probe where row.agrees == 1)

## Better on rows where the shortcut misleads, the same where it is right.
pattern steer {
  reweight train per sample as w
  lower    minority by dose
  hold     majority within 0.5 sd
  require  0 <= w <= 4
  require  mean(w) == 1
  require  ess(w) >= 50 %
  minimize sum_squares(w - 1)
  estimate sgld(
      step: 1e-3,
      nbeta: 200,
      localization: 20,
      batch: 100,
      chains: 4,
      draws: 500,
      burn_in: 300,
      thin: 5,
  )
}
