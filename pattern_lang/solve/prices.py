"""Shadow prices: what the limit of a statement costs, in the objective per unit of the limit."""

import numpy as np
from attrs import frozen

from pattern_lang.solve.normal import NormalConstraint, Vector
from pattern_lang.solve.optimize import Answer


@frozen(eq=False)
class Final:
    """The final weights (n,) in float64 and the answer whose multipliers price them."""

    w: Vector
    answer: Answer

    def prices(self, owner: int) -> tuple[float, ...]:
        """Return the price of each constraint of a statement, per unit of its own limit.

        For an inequality: how fast the cost rises as the limit tightens, >= 0. For an equality:
        how fast the cost rises as the right side rises.
        """
        result = self.answer.result
        if result is None:
            return ()
        return tuple(
            _price(c, m, self.w)
            for c, m in zip(self.answer.program.constraints, result.multipliers, strict=True)
            if c.owner == owner
        )


def _price(constraint: NormalConstraint, multiplier: Vector, w: Vector) -> float:
    scale = 1.0 if constraint.scale is None else float(np.dot(constraint.scale, w))
    price = constraint.price * scale * float(np.sum(multiplier))
    return -price if constraint.equality else max(price, 0.0)
