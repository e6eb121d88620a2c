edition 2026

# Observables that studies ask for again and again.

## In-context-learning score: the loss late in the context minus the loss early in it. Falls when
## the model learns to use its context.
##
## Example: `observable score = icl_score(m, text where row.late == 1, text where row.late == 0)`
def icl_score(m: Model, late: Data, early: Data) -> Observable[nats] =
    loss(m, on: late) - loss(m, on: early)

## How much worse one solution is than another on the same data.
##
## Example: `observable gap = loss_margin(nested, equal, held_out)`
def loss_margin(a: Model, b: Model, data_set: Data) -> Observable[nats] =
    loss(a, on: data_set) - loss(b, on: data_set)

## Difference of local free energies: lowering it makes solution `a` more likely than `b`.
##
## Example: `observable odds = free_energy_margin(nested, equal, train)`
def free_energy_margin(a: Model, b: Model, data_set: Data) -> Observable[nats] =
    free_energy(a, on: data_set) - free_energy(b, on: data_set)

## Difference of local learning coefficients, of the re-weighted problem.
##
## Example: `observable gap = llc_margin(nested, equal, train)`
def llc_margin(a: Model, b: Model, data_set: Data) -> Observable =
    llc(a, on: data_set) - llc(b, on: data_set)

## What a later checkpoint has gained on an earlier one: positive when its loss is lower.
##
## Example: `observable gained = progress(m.at("late.safetensors"), m.at("early.safetensors"), text)`
def progress(later: Model, earlier: Model, data_set: Data) -> Observable[nats] =
    loss(earlier, on: data_set) - loss(later, on: data_set)
