"""Where weights run to when nothing limits an objective, and which constraint would stop them.

The weights are held within a wide box, and the best of them leave along a direction in which the
feasible set has no end (a direction of its recession cone; Rockafellar 1970, §8), as nearly as the
box is wide.
"""

import attrs
import numpy as np

from pattern_lang.ir.program import Entries, Norm
from pattern_lang.solve.normal import NormalConstraint, NormalProgram, Vector
from pattern_lang.solve.optimize import REGULAR, optimize

WIDE = 1e4
# Entries below this, relative to the largest, do not run away.
STILL = 1e-2
LEAST, MOST, HALF = "w >= 0", "w <= 4", "ess(w) >= 50 %"


def direction(program: NormalProgram) -> Vector | None:
    """Return a direction (n,), largest entry 1 in size, along which the cost falls for ever.

    program: unbounded, in standard form. None where the wide box has no solution either.
    """
    wide = _with(program, _lower(1.0 - WIDE), _upper(1.0 + WIDE))
    answer = optimize(wide, 1e-7)
    if answer.w is None:
        return None
    x = answer.w - 1.0
    largest = float(np.max(np.abs(x)))
    if largest < STILL * WIDE:
        return None
    return np.where(np.abs(x) >= STILL * largest, x / largest, 0.0)


def bound(program: NormalProgram, along: Vector) -> str | None:
    """Return a constraint that would bound the objective, as it is written; None for no one."""
    tried: list[tuple[str, NormalConstraint]] = []
    if np.any(along < 0):
        tried.append((LEAST, _lower(0.0)))
    if np.any(along > 0):
        tried.append((MOST, _upper(4.0)))
    if program.conserved:
        half = NormalConstraint(((1.0, Norm(1.0, -1.0)),), -(program.n**0.5), owner=-1)
        tried.append((HALF, half))
    for text, constraint in tried:
        if optimize(_with(program, constraint), 1e-7).status == "optimal":
            return text
    return None


def _with(program: NormalProgram, *more: NormalConstraint) -> NormalProgram:
    # A dose is made as large as it can be whatever the cost is, which then only has to exist.
    cost = REGULAR if program.has_dose else program.cost
    return attrs.evolve(program, constraints=(*program.constraints, *more), cost=cost)


def _lower(level: float) -> NormalConstraint:
    return NormalConstraint(((-1.0, Entries()),), level, owner=-1)


def _upper(level: float) -> NormalConstraint:
    return NormalConstraint(((1.0, Entries()),), -level, owner=-1)
