edition 2026

## How far to push, in posterior standard deviations of the gap.
param dose: Quantity[sd] = 0.3 sd

model counting = torch("model.py:build", weights: "equal_count.safetensors", layers: 1)
model nesting = torch("model.py:build", weights: "nested.safetensors", layers: 2)
data train = python("data.py:train", rows: 1000)

# Three ways to say "nesting costs more than counting"; which of them steers training is open.
observable gap_a = llc(nesting, on: train, held: true) - llc(counting, on: train, held: true)
observable gap_b = llc(nesting, on: train) - llc(counting, on: train)
observable gap_c = free_energy(nesting, on: train) - free_energy(counting, on: train)

## The same chains for all six patterns, so they are sampled once.
def chains() -> Sampler = sgld(
    step: 2e-5,
    nbeta: 30,
    localization: 2000,
    batch: 32,
    chains: 4,
    draws: 128,
    burn_in: 100,
    thin: 6,
    seed: 0,
)

rules fair(w: Weights) {
  require  0 <= w <= 4
  require  mean(w) == 1
  require  ess(w) >= 50 %
}

## A: the learning coefficients of the data as it stands.
pattern by_held_coefficient(sign: Real) {
  reweight train per sample as w
  shift    gap_a by sign * dose
  apply    fair(w)
  minimize sum_squares(w - 1)
  estimate chains()
}

## B: the learning coefficients of the re-weighted problem.
pattern by_coefficient(sign: Real) {
  reweight train per sample as w
  shift    gap_b by sign * dose
  apply    fair(w)
  minimize sum_squares(w - 1)
  estimate chains()
}

## C: the local free energies.
pattern by_free_energy(sign: Real) {
  reweight train per sample as w
  shift    gap_c by sign * dose
  apply    fair(w)
  minimize sum_squares(w - 1)
  estimate chains()
}

pattern nested_a = by_held_coefficient(sign: -1)
pattern counting_a = by_held_coefficient(sign: +1)
pattern nested_b = by_coefficient(sign: -1)
pattern counting_b = by_coefficient(sign: +1)
pattern nested_c = by_free_energy(sign: -1)
pattern counting_c = by_free_energy(sign: +1)
