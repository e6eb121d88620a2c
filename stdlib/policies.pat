edition 2026

# How far weights may go, as rules to `apply`.

## No row counts more than four times, and half of the effective sample size stays.
##
## Example: `apply gentle(w)`
rules gentle(w: Weights) {
  require  0 <= w <= 4
  require  mean(w) == 1
  require  ess(w) >= 50 %
}

## Every row keeps between half and twice its weight, and most of the effective sample size stays.
##
## Example: `apply conservative(w)`
rules conservative(w: Weights) {
  require  0.5 <= w <= 2
  require  mean(w) == 1
  require  ess(w) >= 80 %
}

## No row counts more than a number of times: trainers that repeat rows lose from about four on.
##
## Example: `apply capped_repetition(w, 3)`
rules capped_repetition(w: Weights, most: Real = 4) {
  require  0 <= w <= most
}

## Every domain (the row field `domain`) keeps a share of what it had, and grows within a limit.
##
## Example: `apply domain_floors(w, floor: 0.8)`
rules domain_floors(w: Weights, floor: Real = 0.5, ceiling: Real = 2) {
  require  floor <= mass(w, across: row.domain) <= ceiling
}
