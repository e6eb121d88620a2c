edition 2026

## Which of many ways to split the images into training, probe and test images.
param split: Int = 0
## The network at which the weights are computed; `splits.py` trains one for each further split.
param checkpoint: String = "base.safetensors"
## The goal, in posterior standard deviations of the hard loss.
param dose: Quantity[sd] = 3 sd

model base = torch("model.py:build", weights: checkpoint)
# Of other widths, trained on the weights of the one above.
model wide = torch("model.py:build", width: 128)
model narrow = torch("model.py:build", width: 16)
data train = python("data.py:train", seed: split)
data probe = python("data.py:probe", seed: split)
data test = python("data.py:test", seed: split)
data easy = probe where row.kind == "easy"
data normal = probe where row.kind == "normal"
data hard = probe where row.kind == "hard"
data test_easy = test where row.kind == "easy"
data test_normal = test where row.kind == "normal"
data test_hard = test where row.kind == "hard"

observable easy_loss = loss(base, on: easy)
observable normal_loss = loss(base, on: normal)
observable hard_loss = loss(base, on: hard)

## Accuracy in percent. On test rows, which neither training nor the goals see.
def right(network: Model, rows: Data) -> Observable = python(
    "metrics.py:accuracy", network, on: rows
)

rules careful(w: Weights) {
  hold     easy_loss within 1 sd
  hold     normal_loss within 1 sd
  require  0 <= w <= 5
  require  mean(w) == 1
  require  ess(w) >= 50 %
  minimize sum_squares(w - 1)
}

def chains() -> Sampler = sgld(
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

## The goals of steer.pat, χ sampled.
pattern steer {
  reweight train per sample as w
  lower    hard_loss by dose
  apply    careful(w)
  estimate chains()
}

## The same goals, χ in closed form.
pattern closed {
  reweight train per sample as w
  lower    hard_loss by dose
  apply    careful(w)
  estimate laplace(nbeta: 900, localization: 30)
}

## The goal with its sign flipped. That far up is out of reach: two thirds of it.
pattern flipped {
  reweight train per sample as w
  raise    hard_loss by 2 / 3 * dose
  apply    careful(w)
  estimate chains()
}

## Settings and doses were fixed on seeds 0 to 3; these seeds are fresh.
study debias {
  arms     base, steer, closed, flipped, shuffled(steer), shuffled(steer, among: row.cue_agrees), random_direction(steer), heuristic(row.cue_agrees == 0, like: steer), sweep(
      steer, dose: [-1, -0.5, -0.3, -0.1, 0.1, 0.3, 0.5, 1.5]
  )
  seeds    100..112
  using    adam(lr: 2e-3, steps: 600, batch: 128)
  measure  right(base, test_easy), right(base, test_normal), right(base, test_hard)
}

## The same weights on wider and narrower networks, and another optimizer.
study wider {
  arms     base, steer, shuffled(steer), heuristic(row.cue_agrees == 0, like: steer)
  seeds    100..108
  using    adam(lr: 2e-3, steps: 600, batch: 128, network: wide)
  measure  right(wide, test_easy), right(
      wide, test_normal
  ), right(wide, test_hard), loss(wide, on: easy), loss(wide, on: normal), loss(wide, on: hard)
}

study narrower {
  arms     base, steer, shuffled(steer), heuristic(row.cue_agrees == 0, like: steer)
  seeds    100..108
  using    adam(lr: 2e-3, steps: 600, batch: 128, network: narrow)
  measure  right(narrow, test_easy), right(
      narrow, test_normal
  ), right(narrow, test_hard), loss(narrow, on: easy), loss(
      narrow, on: normal
  ), loss(narrow, on: hard)
}

study momentum {
  arms     base, steer, shuffled(steer), heuristic(row.cue_agrees == 0, like: steer)
  seeds    100..108
  using    sgd(lr: 0.05, momentum: 0.9, steps: 1200, batch: 128)
  measure  right(base, test_easy), right(base, test_normal), right(base, test_hard)
}

## Run by splits.py on other splits of the images.
study splits {
  arms     base, steer, flipped, shuffled(steer), shuffled(steer, among: row.cue_agrees), heuristic(
      row.cue_agrees == 0, like: steer
  )
  seeds    100..103
  using    adam(lr: 2e-3, steps: 600, batch: 128)
  measure  right(base, test_easy), right(base, test_normal), right(base, test_hard)
}
