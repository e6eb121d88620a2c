"""What an engine is: it takes a program in standard form and returns a point with multipliers.

The layers above (dose, polish, conflicts, certificates) know engines through this file only.
"""

from enum import Enum
from typing import Any, Protocol

import numpy as np
from attrs import frozen

from pattern_lang.solve.box import Box, Flags
from pattern_lang.solve.normal import NormalProgram, Vector


class Verdict(Enum):
    """What an engine makes of a program. `DOUBTFUL` is any answer it does not vouch for."""

    OPTIMAL = "optimal"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    DOUBTFUL = "doubtful"


@frozen(eq=False)
class Proof:
    """What one pass over the data, given the multipliers alone, says about a point.

    primal_cost, dual_cost: of the program; the dual is a lower bound whatever the multipliers
    are. worst: the largest violation of a constraint, relative to the length of its row
    times that of w - 1 where it is over 1. complementarity: the largest multiplier times slack.
    passes: how many passes were made in all, this one included. rows: (m,) sums of the rows of
    the response, NaN for those that the program does not use. rule: weights for other units.
    start: prices of rows per unit of curvature, to begin a program with that has the same rows
    and a curvature of its own. mass, square, entropy: `Σx`, `Σx²`, `Σ w log w`. least, most: of w.
    """

    primal_cost: float
    dual_cost: float
    worst: float
    complementarity: float
    passes: int
    rows: Vector
    rule: Any
    start: Vector | None
    mass: float
    square: float
    entropy: float
    least: float
    most: float


@frozen(eq=False)
class EngineResult:
    """A point of a program and its multipliers (a Farkas ray when the program is infeasible).

    x: (n,) w - 1. multipliers: one array per constraint with its entries; >= 0 for inequalities,
    of either sign for equalities: the Lagrangian is `cost + Σ multiplier · left side`. slope,
    curvature: (n,) such that `slope + curvature · x` is the gradient of the Lagrangian in x,
    multipliers of the box included. residual: the sum of |gradient · value| over the engine's
    other variables. dual_cost: the value of the dual, a lower bound on the cost. cost_unit: the
    size of the largest coefficient of the cost.
    active: per constraint, the entries that hold with equality; at_lower, at_upper: (n,) the
    weights that sit on a bound: both read from multipliers against slacks, in the engine's scale.
    """

    verdict: Verdict
    x: Vector
    dose: float
    multipliers: tuple[Vector, ...]
    slope: Vector
    curvature: Vector
    residual: float
    dual_cost: float
    cost_unit: float
    active: tuple[Flags, ...]
    at_lower: Flags
    at_upper: Flags
    iterations: int
    name: str
    proof: Proof | None = None

    @property
    def w(self) -> Vector:
        """Return the weights (n,)."""
        return 1.0 + self.x

    def gradient(self, x: Vector) -> Vector:
        """Return the gradient of the Lagrangian at x (n,): 0 at a solution."""
        return np.asarray(self.slope + self.curvature * x)


class Engine(Protocol):
    """Minimises the cost of a program in standard form within its box."""

    def __call__(self, program: NormalProgram, box: Box, tolerance: float) -> EngineResult:
        """Solve to a relative tolerance."""
        ...
