"""The normal form of a weight program: `Σ coefficient · atom + constant - target (<= | ==) 0`.

Everything that a program can say, from the language or from Python, becomes a `NormalProgram`
before an engine sees it. It knows numbers only: rows of the response, codes of groups, sizes.
Atoms without data are those of `ir.program`; the ones below carry their numbers with them.

Throughout, `w` (n,) are the weights, `x = w - 1`, and `t` is the dose.
"""

from collections.abc import Iterable
from typing import Any

import attrs
import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.ir.program import (
    KL,
    L1,
    Chi2,
    EffectiveSampleSize,
    Entries,
    Maximum,
    Minimum,
    Norm,
    SumSquares,
)
from pattern_lang.solve.response import AnyRow, ConstantRow, RowOf, WrittenRow

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Codes = NDArray[np.int64]


def _as_row(given: "AnyRow | Vector") -> AnyRow:
    return given if isinstance(given, RowOf | ConstantRow | WrittenRow) else WrittenRow(given)


@frozen(eq=False, match_args=False)
class Affine:
    """`row · (w - 1)`, one number. row: (n,), perhaps still in the file that it comes from."""

    stored: AnyRow = attrs.field(converter=_as_row)

    __match_args__ = ("row",)

    @property
    def row(self) -> Vector:
        """Return the numbers of the row, (n,), read anew at each call."""
        return self.stored.read()

    @property
    def length(self) -> float:
        """Return the Euclidean length of the row."""
        return self.stored.length


@frozen(eq=False)
class Grouped:
    """`Σ_{j in g} coefficients_j (w_j - 1)` for each group g: (groups,) numbers.

    codes: (n,) group of each unit from 0, or -1 for a unit in no group.
    """

    codes: Codes
    coefficients: Vector
    groups: int


@frozen(eq=False)
class Share:
    """Relative share of each group: `(Σ_g m w / Σ m w) / (Σ_g m / Σ m)`: (groups,) numbers.

    codes as in `Grouped`; sizes: (n,) m, positive in every group.
    """

    codes: Codes
    sizes: Vector
    groups: int


@frozen
class Dose:
    """A scalar variable of the program, at least 0: the dose t, or another by its name.

    `unit` is about how large it gets; every occurrence of a name has the same.
    """

    name: str = "dose"
    unit: float = 1.0


@frozen(eq=False)
class Spread:
    """`√(‖factor · basis (w - 1)‖² + Σ residual (w - 1)²)`, one number, convex.

    factor: (S, r). basis: (r, n). residual: (n,), at least 0, or None for none.
    """

    factor: Matrix
    basis: NDArray[Any]
    residual: Vector | None = None


@frozen(eq=False)
class Square:
    """`(row · (w - 1) - target)²`, one number, convex. row: (n,)."""

    stored: AnyRow = attrs.field(converter=_as_row)
    target: float

    @property
    def row(self) -> Vector:
        """Return the numbers of the row, (n,), read anew at each call."""
        return self.stored.read()


@frozen(eq=False)
class Distance:
    """`dist(row · (w - 1), [lower, upper])²`, one number, convex. row: (n,). A side may be open."""

    stored: AnyRow = attrs.field(converter=_as_row)
    lower: float
    upper: float

    @property
    def row(self) -> Vector:
        """Return the numbers of the row, (n,), read anew at each call."""
        return self.stored.read()


@frozen(eq=False)
class Costs:
    """`Σ_j weight_j s_j f(scale·w_j + offset)`, one number, convex (see `ir.program.UnitCost`).

    weights: (n,), at least 0.
    """

    kind: str
    scale: float
    offset: float
    weights: Vector
    up: float
    down: float
    at: float


@frozen(eq=False)
class Combined:
    """One number, convex, from parts of one entry each (see `ir.program.Joined`).

    parts: (terms, constant) of each.
    """

    kind: str
    parts: "tuple[tuple[Terms, float], ...]"


Atom = (
    Entries
    | Costs
    | Combined
    | Affine
    | Grouped
    | Share
    | Dose
    | SumSquares
    | Norm
    | L1
    | Maximum
    | Minimum
    | KL
    | Chi2
    | EffectiveSampleSize
    | Spread
    | Square
    | Distance
)

Terms = tuple[tuple[float, Atom], ...]

AFFINE = (Entries, Affine, Grouped, Dose)
CONVEX = (SumSquares, Norm, L1, Maximum, KL, Chi2, Spread, Square, Distance, Costs, Combined)
CONCAVE = (Minimum,)


@frozen(eq=False)
class NormalConstraint:
    """`Σ coefficient · atom + constant - target (<= | ==) 0`, elementwise over its entries.

    `constant` is a number or one per entry (n or groups). `target` is the part that a common
    dose scales when one asks how much of the goals is feasible. `owner` numbers the statement
    that it comes from. The shadow price per unit of the statement's own limit is the multiplier
    times `price`, times `scale · w` where `scale` (n,) is given: both undo a change of form.
    A constraint on each unit holds for those of `units` (n,) alone, where that is given.
    """

    terms: Terms
    constant: float | Vector = 0.0
    target: float = 0.0
    equality: bool = False
    owner: int = 0
    price: float = 1.0
    scale: Vector | None = None
    units: NDArray[np.bool_] | None = None


@frozen(eq=False)
class NormalProgram:
    """Minimise `Σ coefficient · atom` over w (n,) and t under constraints.

    `conserved` says that one of the constraints is `mean(w) == 1`.
    """

    n: int
    constraints: tuple[NormalConstraint, ...]
    cost: Terms
    conserved: bool = True

    def only(self, owners: Iterable[int]) -> "NormalProgram":
        """Keep the constraints of some statements."""
        kept = frozenset(owners)
        return attrs.evolve(self, constraints=tuple(c for c in self.constraints if c.owner in kept))

    @property
    def has_dose(self) -> bool:
        """Tell whether the dose occurs in a constraint."""
        return any(isinstance(atom, Dose) for c in self.constraints for _, atom in c.terms)

    def with_dose_unit(self) -> "NormalProgram":
        """Give the dose the unit in which its rows are of the size of their response."""
        found = [
            size_of(c) / abs(coefficient)
            for c in self.constraints
            for coefficient, atom in c.terms
            if isinstance(atom, Dose) and coefficient
        ]
        unit = min((size for size in found if size > 0), default=1.0)
        return attrs.evolve(self, constraints=tuple(_with_unit(c, unit) for c in self.constraints))

    def at_dose(self, dose: float) -> "NormalProgram":
        """Put a number in the place of the dose."""
        return attrs.evolve(self, constraints=tuple(_at_dose(c, dose) for c in self.constraints))


def size_of(constraint: NormalConstraint) -> float:
    """Return the scale on which a violation of a constraint is judged: the length of its row."""
    scale = 0.0
    for coefficient, atom in constraint.terms:
        if isinstance(atom, Affine):
            scale += abs(coefficient) * atom.length
        elif isinstance(atom, Spread):
            scale += abs(coefficient) * length_of(atom)
        elif not isinstance(atom, Dose):
            scale += abs(coefficient)
    return scale or 1.0


def length_of(spread: Spread) -> float:
    """Return the Frobenius norm of the matrix whose product with w - 1 has the spread as norm."""
    basis = spread.basis.astype(np.float64)
    square = float(np.sum((spread.factor @ (basis @ basis.T)) * spread.factor))
    rest = 0.0 if spread.residual is None else float(np.sum(spread.residual))
    return float(np.sqrt(square + rest))


def _with_unit(constraint: NormalConstraint, unit: float) -> NormalConstraint:
    terms = tuple(
        (c, attrs.evolve(atom, unit=unit) if isinstance(atom, Dose) else atom)
        for c, atom in constraint.terms
    )
    return attrs.evolve(constraint, terms=terms)


def _at_dose(constraint: NormalConstraint, dose: float) -> NormalConstraint:
    held = sum(c * dose for c, atom in constraint.terms if isinstance(atom, Dose))
    terms = tuple((c, atom) for c, atom in constraint.terms if not isinstance(atom, Dose))
    if len(terms) == len(constraint.terms):
        return constraint
    return attrs.evolve(constraint, terms=terms, constant=constraint.constant + held)


def width(terms: Terms, n: int) -> int:
    """Return the number of entries of an expression: 1, the number of groups, or n."""
    sizes = {1}
    for _, atom in terms:
        if isinstance(atom, Entries):
            sizes.add(n)
        elif isinstance(atom, Grouped | Share):
            sizes.add(atom.groups)
    return max(sizes)
