"""pattern-lang: a compiler for patterning."""

__version__ = "0.1.0"
