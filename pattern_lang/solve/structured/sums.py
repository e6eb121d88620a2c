"""What a pass is asked for, and what it adds up."""

import attrs
import numpy as np
from attrs import define, frozen

from pattern_lang.solve.normal import Vector


@frozen
class Ask:
    """What a pass must add up beside the rows.

    hessian: `A diag(x'(z)) Aᵀ`. entropy: `Σ w log w`. magnitude: `Σ|x|`. reach: `Σ sup z x` over
    the box. precise: in float64 whatever the response is stored in.
    """

    hessian: bool = False
    entropy: bool = False
    magnitude: bool = False
    reach: bool = False
    precise: bool = False


@define(eq=False)
class Sums:
    """What a pass adds up; what was not asked for is 0, and reach infinite.

    rows: (dense,), groups: (groups,) of A x. value: `Σ φ*(z)`.

    hessian: (dense, dense). cross: (dense, groups). diagonal: (groups,). square, entropy,
    magnitude: the budgets. free: how many units lie between their bounds.
    """

    rows: Vector
    groups: Vector | None
    value: float = 0.0
    reach: float = np.inf
    free: float = 0.0
    square: float = 0.0
    entropy: float = 0.0
    magnitude: float = 0.0
    hessian: Vector | None = None
    cross: Vector | None = None
    diagonal: Vector | None = None

    def add(self, other: "Sums") -> None:
        """Add the sums of another chunk."""
        for item in attrs.fields(Sums):
            mine, more = getattr(self, item.name), getattr(other, item.name)
            if more is not None:
                setattr(self, item.name, more if mine is None else mine + more)

    def scaled(self, factor: float) -> "Sums":
        """Multiply everything, as for a sample of the units."""
        made = Sums(factor * self.rows, None)
        for item in attrs.fields(Sums):
            mine = getattr(self, item.name)
            setattr(made, item.name, None if mine is None else factor * mine)
        return made
