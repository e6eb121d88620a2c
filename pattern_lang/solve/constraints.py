"""Constraints and objectives of a `WeightProgram`, as values. Rows are named or numbered.

`r = R (w - 1)` are the predicted shifts; w (n,) are the weights.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from attrs import field, frozen
from numpy.typing import ArrayLike, NDArray

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.verdicts import UnusableConstraint

Row = int | str


def _array(value: ArrayLike | None) -> NDArray[np.float64] | None:
    try:
        return None if value is None else np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        problem = UnusableConstraint(constraint="an array of numbers", why=str(error))
        raise PatternError([problem]) from None


@frozen
class Equal:
    """`r[row] = value`. Its dual is how fast the objective worsens as `value` rises."""

    row: Row
    value: float


@frozen
class Between:
    """`lower <= r[row] <= upper`."""

    row: Row
    lower: float
    upper: float


@frozen
class AtLeast:
    """`r[row] >= value`."""

    row: Row
    value: float


@frozen
class AtMost:
    """`r[row] <= value`."""

    row: Row
    value: float


@frozen(eq=False)
class Bounds:
    """`lower <= w <= upper`: numbers, or one per unit (n,); None leaves a side open."""

    lower: NDArray[np.float64] | None = field(converter=_array, default=None)
    upper: NDArray[np.float64] | None = field(converter=_array, default=None)


@frozen
class Mean:
    """`mean(w) = value`. Its dual is how fast the objective worsens as `value` rises."""

    value: float = 1.0


@frozen(eq=False)
class Mass:
    """The share of each group, relative to its share at w = 1, lies in `[lower, upper]`.

    codes: (n,) label of each unit's group, or None for the groups of the program. sizes: (n,)
    how much mass a unit has at weight 1 (default: all the same).
    """

    codes: ArrayLike | None = None
    lower: float | None = None
    upper: float | None = None
    sizes: NDArray[np.float64] | None = field(converter=_array, default=None)


@frozen
class EffectiveSampleSize:
    """`n⁻¹ (Σw)² / Σw² >= share`; adds `Mean(1)` where no mean is given."""

    share: float


@frozen
class KL:
    """`mean(w log w) <= cap` in nats; adds `Mean(1)` where no mean is given."""

    cap: float


@frozen
class Norm:
    """`‖w - 1‖₂ <= cap`."""

    cap: float


@frozen
class Soft:
    """Adds `penalty · (r[row] - target)²` to what is minimised."""

    row: Row
    target: float
    penalty: float


@frozen
class Along:
    """`r[rows] = t · direction` with the largest feasible dose t >= 0."""

    rows: Sequence[Row]
    direction: Sequence[float]


@frozen
class SumSquares:
    """Objective: minimise `Σ (w - 1)²`."""


@frozen
class Maximize:
    """Objective: maximise a row, or `Σ coefficient · r[row]` of a mapping of rows."""

    rows: Row | Mapping[Row, float]


Constraint = (
    Equal
    | Between
    | AtLeast
    | AtMost
    | Bounds
    | Mean
    | Mass
    | EffectiveSampleSize
    | KL
    | Norm
    | Soft
    | Along
)
Objective = SumSquares | Maximize
