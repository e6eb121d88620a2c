"""Bounds on single weights, taken out of the constraints: `lower <= w <= upper`."""

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.solve.normal import Codes, NormalConstraint, NormalProgram, Vector
from pattern_lang.solve.rewrite import is_bound

Flags = NDArray[np.bool_]


@frozen(eq=False)
class Box:
    """The bounds (n,) of every weight, and which constraint set each of them (-1: none did)."""

    lower: Vector
    upper: Vector
    lower_by: Codes
    upper_by: Codes

    @property
    def crossed(self) -> bool:
        """Tell whether a lower bound lies above an upper one."""
        return bool(np.any(self.lower > self.upper))

    @property
    def fixed(self) -> Flags:
        """Return which weights have one possible value only."""
        finite = np.isfinite(self.lower) & np.isfinite(self.upper)
        low, high = np.where(finite, self.lower, 0.0), np.where(finite, self.upper, 1.0)
        return np.asarray(np.abs(high - low) <= 1e-12 * np.maximum(1.0, np.abs(low)))

    def clip(self, w: Vector) -> Vector:
        """Move weights to the nearest point of the box."""
        return np.clip(w, self.lower, self.upper)


def bound_multiplier(
    index: int, coefficient: float, equality: bool, box: Box, lower: Vector, upper: Vector
) -> Vector:
    """Return the multipliers (n,) of constraint `index`, which bounds `coefficient · w`.

    lower, upper: (n,) multipliers of the box, >= 0.
    """
    own = np.where(box.upper_by == index, upper, 0.0)
    other = np.where(box.lower_by == index, lower, 0.0)
    return np.asarray((own - other if equality else own + other) / abs(coefficient))


def box_of(program: NormalProgram) -> Box:
    """Collect the bounds of a program in standard form; the first of equal bounds owns them."""
    bounds = [(k, c) for k, c in enumerate(program.constraints) if is_bound(c)]
    if all(c.units is None and np.ndim(c.constant) == 0 for _, c in bounds):
        return _even(program.n, bounds)
    n = program.n
    lower, upper = np.full(n, -np.inf), np.full(n, np.inf)
    lower_by, upper_by = np.full(n, -1, dtype=np.int64), np.full(n, -1, dtype=np.int64)
    for index, constraint in bounds:
        coefficient = constraint.terms[0][0]
        limit = -(np.asarray(constraint.constant) - constraint.target) / coefficient
        values = np.broadcast_to(limit + 0.0, (n,))  # no -0.0
        meant = np.ones(n, dtype=np.bool_) if constraint.units is None else constraint.units
        if constraint.equality or coefficient > 0:
            tighter = (values < upper) & meant
            upper[tighter], upper_by[tighter] = values[tighter], index
        if constraint.equality or coefficient < 0:
            tighter = (values > lower) & meant
            lower[tighter], lower_by[tighter] = values[tighter], index
    return Box(lower, upper, lower_by, upper_by)


def _even(n: int, bounds: list[tuple[int, NormalConstraint]]) -> Box:
    """Return the box of bounds that all units share: one number each, seen n times."""
    low, high, low_by, high_by = -np.inf, np.inf, -1, -1
    for index, constraint in bounds:
        coefficient = constraint.terms[0][0]
        level = -(float(constraint.constant) - constraint.target) / coefficient + 0.0
        if (constraint.equality or coefficient > 0) and level < high:
            high, high_by = level, index
        if (constraint.equality or coefficient < 0) and level > low:
            low, low_by = level, index
    return Box(
        np.broadcast_to(np.float64(low), (n,)),
        np.broadcast_to(np.float64(high), (n,)),
        np.broadcast_to(np.int64(low_by), (n,)),
        np.broadcast_to(np.int64(high_by), (n,)),
    )
