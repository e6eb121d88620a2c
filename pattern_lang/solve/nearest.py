"""The weights that come nearest to goals that cannot all be met, within all constraints.

First the goals are made as small a miss as can be: `Σ (miss / unit)²` is least, where a miss is how
far a shift lies outside of what was asked and the unit is given for each row. Then, with every miss
held there, the program's own objective decides among the weights that are left.
"""

import attrs
import numpy as np
from attrs import frozen

from pattern_lang.solve.infeasible import feasible
from pattern_lang.solve.normal import Affine, Distance, NormalConstraint, NormalProgram, Vector
from pattern_lang.solve.optimize import optimize
from pattern_lang.solve.response import AnyRow
from pattern_lang.solve.rewrite import standard

MARGINS = (1e-6, 1e-5, 1e-4)


@frozen(eq=False)
class Aim:
    """`lower <= row · (w - 1) <= upper` is wanted; a miss counts in `unit`. A side may be open."""

    row: AnyRow
    lower: float
    upper: float
    unit: float

    def miss(self, w: Vector) -> float:
        """Return how far weights (n,) are outside, in the row's own unit."""
        at = float(np.dot(self.row.read(), w - 1.0))
        return max(self.lower - at, at - self.upper, 0.0)

    def within(self, miss: float) -> tuple[NormalConstraint, ...]:
        """Return the constraints that a miss is no larger than this."""
        row, made = Affine(self.row), []
        if np.isfinite(self.upper):
            made.append(NormalConstraint(((1.0, row),), constant=-self.upper - miss, owner=-1))
        if np.isfinite(self.lower):
            made.append(NormalConstraint(((-1.0, row),), constant=self.lower - miss, owner=-1))
        return tuple(made)


def nearest(program: NormalProgram, goals: frozenset[int], aims: tuple[Aim, ...]) -> Vector | None:
    """Return weights (n,) that meet all but the goals and miss these as little as possible.

    program: with its constraints as they were made. goals: the owners of those that may be
    missed, which `aims` say again. Misses are the least to a hundred-thousandth of the largest,
    or a ten-thousandth where the second program needs that much room. None where the constraints
    clash without the goals.
    """
    kept = tuple(c for c in program.constraints if c.owner not in goals)
    hard = standard(attrs.evolve(program, constraints=kept))
    if not aims or not feasible(hard):
        return None
    cost = tuple((1.0 / aim.unit**2, Distance(aim.row, aim.lower, aim.upper)) for aim in aims)
    found = optimize(attrs.evolve(hard, cost=cost)).w
    if found is None:
        return None
    misses = [aim.miss(found) for aim in aims]
    worst = max(miss / aim.unit for miss, aim in zip(misses, aims, strict=True))
    for margin in MARGINS:
        more = [
            c
            for miss, aim in zip(misses, aims, strict=True)
            for c in aim.within(miss + margin * worst * aim.unit)
        ]
        answer = optimize(attrs.evolve(hard, constraints=(*hard.constraints, *more)))
        if answer.status == "optimal" and answer.w is not None:
            return answer.w
    return found
