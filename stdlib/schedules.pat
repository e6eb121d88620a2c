edition 2026

# When the weights hold.

## From equal weights to the pattern's over the first thousand steps.
##
## Example: `schedule warm_in()`
def warm_in(over: Quantity[steps] = 1000 steps) -> Schedule = ramp(steps: over)

## Estimate and solve again every 500 steps, moving at most one posterior standard deviation.
##
## Example: `schedule careful_online(rounds: 10)`
def careful_online(rounds: Int = 5) -> Schedule = online(
    period: 500 steps, rounds: rounds, trust: 1 sd
)
