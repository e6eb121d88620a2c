"""The files that a pattern leaves behind: weights, estimate, plan and report."""
