"""Susceptibilities of real networks: sampling, moments, diagnostics, cache."""
