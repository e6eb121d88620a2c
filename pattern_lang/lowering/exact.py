"""Exact numbers."""

from decimal import Decimal
from fractions import Fraction


def fraction(number: Decimal | float) -> Fraction:
    """Return a number exactly; a float stands for its shortest decimal."""
    return Fraction(repr(number)) if isinstance(number, float) else Fraction(number)
