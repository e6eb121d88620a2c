"""Checked specs to queries (what to sample) and goals (what to ask of the weights)."""
