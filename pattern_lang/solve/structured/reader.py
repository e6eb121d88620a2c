"""What a normal program says about rows: base rows, lines over them, blocks of group rows."""

from typing import Any

import numpy as np
from attrs import define, field, frozen

from pattern_lang.ir.program import KL, L1, Norm
from pattern_lang.solve.normal import (
    Affine,
    Combined,
    Distance,
    Dose,
    Grouped,
    NormalConstraint,
    NormalProgram,
    Square,
    Terms,
    Vector,
)
from pattern_lang.solve.response import ConstantRow, Response, RowOf
from pattern_lang.solve.rewrite import is_bound
from pattern_lang.solve.structured.base import Groups
from pattern_lang.solve.structured.costs import OutsideError

Key = tuple[str, int]
MASS: Key = ("mass", 0)
FREE = np.inf


@frozen(eq=False)
class Line:
    """One row: coefficients of base rows and of scalars; bounds and curvature of its price."""

    base: dict[Key, float]
    scalars: dict[str, float]
    most: float = FREE
    curvature: float = 0.0


@frozen(eq=False)
class GroupLines:
    """A row per group: `factors` (groups,) of the groups' own rows, beside one common line."""

    factors: Vector
    beside: Line

    @property
    def alone(self) -> bool:
        """Tell whether nothing stands beside the groups."""
        return not self.beside.base and not self.beside.scalars


@frozen(eq=False)
class Side:
    """A constraint says `lead · row <= lead · level`, or `row == level`, of a line or a block."""

    constraint: int | None
    line: int | None
    block: int | None
    lead: Any
    level: Any
    equality: bool


@frozen
class Budget:
    """`square` ½Σx², `entropy` Σ w log w, or `magnitude` Σ|x|, at most `limit`.

    The multiplier of the program's constraint is `price` times that of the budget.
    """

    kind: str
    limit: float
    constraint: int
    price: float


@define(eq=False)
class Reader:
    """Collects what the rows of a program are made of."""

    n: int
    response: Response | None = None
    picked: set[int] = field(factory=set)
    written: dict[int, Vector] = field(factory=dict)
    kept: list[Any] = field(factory=list)
    groups: Groups | None = None
    scalars: dict[str, float] = field(factory=dict)
    lines: list[Line] = field(factory=list)
    places: dict[Any, int] = field(factory=dict)
    blocks: list[GroupLines] = field(factory=list)
    sides: list[Side] = field(factory=list)
    budgets: list[Budget] = field(factory=list)

    def program(self, program: NormalProgram) -> None:
        """Read all constraints; raises OutsideError where one is not structured."""
        for index, constraint in enumerate(program.constraints):
            if is_bound(constraint) or (not constraint.terms and not constraint.equality):
                continue
            if constraint.units is not None:
                raise OutsideError("a constraint on each of some units")
            budget = _budget(index, constraint, program.n)
            if budget is not None:
                self.budgets.append(budget)
            elif any(_several(atom) for _, atom in constraint.terms):
                self._block(index, constraint)
            else:
                self._line(index, constraint)

    def row(self, terms: Terms) -> Line:
        """Return one row."""
        base: dict[Key, float] = {}
        scalars: dict[str, float] = {}
        for coefficient, atom in terms:
            match atom:
                case Affine(stored=stored):
                    key, factor = self._stored(stored)
                    base[key] = base.get(key, 0.0) + coefficient * factor
                case Grouped(groups=1):
                    key, factor = self._single(atom)
                    base[key] = base.get(key, 0.0) + coefficient * factor
                case Dose(name=name, unit=unit):
                    self.scalars[name] = unit
                    scalars[name] = scalars.get(name, 0.0) + coefficient
                case _:
                    raise OutsideError(f"{type(atom).__name__} within a row")
        return Line(_nonzero(base), _nonzero(scalars))

    def soft(self, coefficient: float, atom: Any) -> None:
        """Add the lines of a soft target."""
        if coefficient == 0:
            return
        if isinstance(atom, Square):
            self._soft_line(((1.0, Affine(atom.stored)),), atom.target, FREE, 0.5 / coefficient)
            return
        if isinstance(atom, Distance):
            self._soft_range(atom, 0.5 / coefficient)
            return
        assert isinstance(atom, Combined)
        squares = atom.kind == "squares"
        most, curvature = (FREE, 0.5 / coefficient) if squares else (coefficient, 0.0)
        for part, constant in atom.parts:
            self._soft_line(part, -constant, most, curvature)

    def _soft_line(self, terms: Terms, target: float, most: float, curvature: float) -> None:
        row = self.row(terms)
        self.sides.append(Side(None, len(self.lines), None, 1.0, target, True))
        self.lines.append(Line(row.base, row.scalars, most, curvature))

    def _soft_range(self, atom: Distance, curvature: float) -> None:
        row = self.row(((1.0, Affine(atom.stored)),))
        for lead, limit in ((1.0, atom.upper), (-1.0, atom.lower)):
            if np.isfinite(limit):
                self.sides.append(Side(None, len(self.lines), None, lead, limit, False))
        self.lines.append(Line(row.base, row.scalars, FREE, curvature))

    def _line(self, index: int, constraint: NormalConstraint) -> None:
        row = self.row(constraint.terms)
        both = [*row.base.values(), *row.scalars.values()]
        if not both:
            raise OutsideError("an empty row")
        lead = both[0]
        unit = Line(
            {k: v / lead for k, v in row.base.items()},
            {k: v / lead for k, v in row.scalars.items()},
        )
        key = (frozenset(unit.base.items()), frozenset(unit.scalars.items()))
        if key not in self.places:
            self.places[key] = len(self.lines)
            self.lines.append(unit)
        level = (constraint.target - float(np.max(np.asarray(constraint.constant)))) / lead
        place = self.places[key]
        self.sides.append(Side(index, place, None, lead, level, constraint.equality))

    def _block(self, index: int, constraint: NormalConstraint) -> None:
        factors: Any = 0.0
        for coefficient, atom in constraint.terms:
            if isinstance(atom, Grouped) and atom.groups > 1:
                factors = factors + coefficient * self._grouped(atom)
        if np.any(factors == 0):
            raise OutsideError("a group that counts nothing")
        beside = self.row(tuple((c, a) for c, a in constraint.terms if not _several(a)))
        limit = constraint.target - np.asarray(constraint.constant, dtype=np.float64)
        made = GroupLines(factors, beside)
        lead: Any = 1.0
        place = len(self.blocks)
        if made.alone:
            made, lead = GroupLines(np.ones_like(factors), beside), factors
            places = [k for k, block in enumerate(self.blocks) if block.alone]
            place = places[0] if places else place
        if place == len(self.blocks):
            self.blocks.append(made)
        self.sides.append(Side(index, None, place, lead, limit / lead, constraint.equality))

    def _stored(self, stored: Any) -> tuple[Key, float]:
        if isinstance(stored, ConstantRow):
            return MASS, stored.value
        if isinstance(stored, RowOf):
            if self.response is None:
                self.response = stored.response
            if stored.response is self.response:
                self.picked.add(stored.index)
                return ("row", stored.index), stored.factor
        return self._written(stored, stored.read())

    def _single(self, atom: Grouped) -> tuple[Key, float]:
        return self._written(atom, np.where(atom.codes >= 0, atom.coefficients, 0.0))

    def _written(self, owner: object, numbers: Vector) -> tuple[Key, float]:
        first = float(numbers[0])
        if np.all(numbers == first):
            return MASS, first
        if id(owner) not in self.written:
            self.written[id(owner)] = numbers
            self.kept.append(owner)
        return ("written", id(owner)), 1.0

    def _grouped(self, atom: Grouped) -> Vector:
        """Take the groups of an atom; return the factor of each group's own row, (groups,)."""
        inside = atom.codes >= 0
        share = np.zeros(atom.groups)
        share[atom.codes[inside]] = atom.coefficients[inside]
        if np.any(share == 0):
            raise OutsideError("a group whose last unit counts nothing")
        relative = np.where(inside, atom.coefficients / share[atom.codes], 0.0)
        even = bool(np.all(np.abs(relative[inside] - 1.0) <= 1e-12))
        made = Groups(atom.codes, atom.groups, None if even else relative)
        if self.groups is None:
            self.groups = made
        elif not _same(self.groups, made):
            raise OutsideError("groups of two kinds")
        return share


def _nonzero(numbers: dict[Any, float]) -> dict[Any, float]:
    return {k: v for k, v in numbers.items() if v}


def _several(atom: object) -> bool:
    return isinstance(atom, Grouped) and atom.groups > 1


def _same(one: Groups, other: Groups) -> bool:
    if one.codes is not other.codes and not np.array_equal(one.codes, other.codes):
        return False
    if one.coefficients is None or other.coefficients is None:
        return one.coefficients is other.coefficients
    return bool(np.allclose(one.coefficients, other.coefficients, rtol=1e-12, atol=0.0))


def _budget(index: int, constraint: NormalConstraint, n: int) -> Budget | None:
    if len(constraint.terms) != 1 or constraint.equality:
        return None
    coefficient, atom = constraint.terms[0]
    if coefficient <= 0:
        return None
    limit = (constraint.target - float(np.max(np.asarray(constraint.constant)))) / coefficient
    match atom:
        case Norm(scale, offset) if scale and scale + offset == 0:
            radius = limit / abs(scale)
            price = abs(radius) / (abs(scale) * coefficient)
            return Budget("square", 0.5 * radius * abs(radius), index, price)
        case KL():
            return Budget("entropy", limit * n, index, n / coefficient)
        case L1(scale, offset) if scale and scale + offset == 0:
            size = abs(scale)
            return Budget("magnitude", limit / size, index, 1.0 / (size * coefficient))
        case _:
            return None
