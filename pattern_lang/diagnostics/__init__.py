"""Errors as values: what a diagnostic is, the catalogue of codes, and the ways to print them."""

from pattern_lang.diagnostics.model import Diagnostic, Label, PatternError, Problem, Severity
from pattern_lang.diagnostics.source import SourceFile, Span

__all__ = [
    "Diagnostic",
    "Label",
    "PatternError",
    "Problem",
    "Severity",
    "SourceFile",
    "Span",
]
