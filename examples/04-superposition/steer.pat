edition 2026

## A pentagon and a hexagon that training on the even data ends in.
model five = torch("model.py:build", weights: "five.safetensors")
model six = torch("model.py:build", weights: "six.safetensors")
## The same six times over, turned so that each feature is once the one that the pentagon leaves out.
model fives = torch("model.py:build", weights: "fives.safetensors", replicas: 6)
model sixes = torch("model.py:build", weights: "sixes.safetensors", replicas: 6)
## What the study trains: one seed is 128 networks.
model many = torch("model.py:build", replicas: 128)

data even = python("data.py:rows")

rules small(w: Weights) {
  # Over 120 rows: 0.2 from 1 in root mean square.
  require  norm(w - 1) <= 2.1909
}

## Raise the free energy of one network above that of another, as far as small weights can.
pattern energy(up: Model, down: Model, nbeta: Real) {
  reweight even per sample as w
  move     [free_energy(up, on: even) - free_energy(down, on: even)] along [1]
  apply    small(w)
  estimate hmc(nbeta: nbeta, localization: 100, chains: 4, draws: 1000, burn_in: 200, seed: 0)
}

## The same for learning coefficients: with the loss held as it is (A), or re-weighted too (B).
pattern coefficient(up: Model, down: Model, held: Bool, nbeta: Real) {
  reweight even per sample as w
  move     [llc(up, on: even, held: held) - llc(down, on: even, held: held)] along [1]
  apply    small(w)
  estimate hmc(nbeta: nbeta, localization: 100, chains: 4, draws: 1000, burn_in: 200, seed: 0)
}

pattern F = energy(up: five, down: six, nbeta: 1000)
pattern A = coefficient(up: five, down: six, held: true, nbeta: 1000)
pattern B = coefficient(up: five, down: six, held: false, nbeta: 1000)
# A loss that is a mean over six networks takes six times the nbeta.
pattern F6 = energy(up: fives, down: sixes, nbeta: 6000)
pattern A6 = coefficient(up: fives, down: sixes, held: true, nbeta: 6000)
pattern B6 = coefficient(up: fives, down: sixes, held: false, nbeta: 6000)

study polygon {
  arms     base, sweep(F, dose: [-2, -1, 1, 2]), sweep(A, dose: [-1, 1]), sweep(B, dose: [-1, 1]), sweep(F6, dose: [-4, -2, -1, 1, 2, 4]), sweep(A6, dose: [-1, 1]), sweep(B6, dose: [-1, 1]), sweep(random_direction(F), dose: [-4, -1, 1, 4]), sweep(shuffled(F), dose: [-1, 1]), sweep(
      heuristic(row.feature == 5, like: F), dose: [-1, 1]
  ), sweep(heuristic(row.strength, like: F), dose: [-1, 1])
  seeds    0..20
  using    adam(lr: 2e-2, steps: 400, batch: 120, network: many)
  measure  python("metrics.py:quadrilaterals")
  measure  python("metrics.py:pentagons")
  measure  python("metrics.py:hexagons")
}
