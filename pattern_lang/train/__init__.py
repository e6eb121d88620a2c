"""Training on weights: runs that can be killed, schedules, and what became of the goals.

`service` is the way in: `start` puts a run together, `train` runs it.
"""
