"""Meaning: names, types, units and curvature, checked before anything runs."""
