"""From goals and an estimate to weights, or to the reason why there are none."""
