"""Susceptibilities of real networks: sampling, moments, diagnostics, cache.

`estimate` is the way in. Importing this package, and finding an estimate that is there already,
loads no torch.
"""

from pattern_lang.estimate.cost import CostEstimate
from pattern_lang.estimate.reporter import Progress, Reporter, SilentReporter
from pattern_lang.estimate.service import estimate, plan_cost

__all__ = ["CostEstimate", "Progress", "Reporter", "SilentReporter", "estimate", "plan_cost"]
