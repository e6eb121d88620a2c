"""A normal program as a structured one: intervals for rows of the base sums `u = A x`.

Constraints on the same row share one interval. A soft target is an interval of one point, with a
bound or a curvature on its price.
"""

from typing import Any

import attrs
import numpy as np
import scipy.sparse as sp
from attrs import frozen

from pattern_lang.solve.box import Box
from pattern_lang.solve.normal import NormalProgram, Vector
from pattern_lang.solve.structured.base import Base
from pattern_lang.solve.structured.costs import OutsideError, UnitCosts, split
from pattern_lang.solve.structured.links import Link
from pattern_lang.solve.structured.reader import MASS, Budget, Key, Line, Reader, Side

# Group rows are handled densely up to this many base rows, or where rows stand beside them.
FLAT = 300
MOST_DENSE = 1100
MOST_WRITTEN = 40_000_000


@frozen(eq=False)
class Rows:
    """Intervals `lower <= combine · u + scalars · t <= upper`, of rows of length about 1.

    combine: sparse (rows, base rows). scalars: (rows, q). A price y of a row lies in
    `[least, most]` and costs `curvature/2 y²`. lengths: what the rows had in the program. The
    rows after the first `dense` are, with `arrow`, the groups themselves, scaled.
    """

    combine: sp.csr_array
    scalars: Vector
    lower: Vector
    upper: Vector
    least: Vector
    most: Vector
    curvature: Vector
    lengths: Vector
    dense: int
    arrow: bool

    @property
    def count(self) -> int:
        """Return the number of rows."""
        return int(self.lengths.size)


@frozen(eq=False)
class Form:
    """A structured program: `min Σφ(x) + cost·u + scalar_cost·t + constant` under rows.

    names, sizes: of the scalars t >= 0. sides, starts: which constraint set which limits, and
    the first row of each block of group rows.
    """

    base: Base
    link: Link
    cost: Vector
    scalar_cost: Vector
    names: tuple[str, ...]
    sizes: Vector
    constant: float
    rows: Rows
    sides: tuple[Side, ...]
    starts: tuple[int, ...]
    budgets: tuple[Budget, ...]
    cost_unit: float

    def without_groups(self) -> "Form":
        """Return the program without the rows of groups, where nothing else speaks of groups."""
        rows, base = self.rows, attrs.evolve(self.base, groups=None)
        kept = slice(rows.dense)
        head = Rows(
            combine=sp.csr_array(rows.combine[kept, : base.dense]),
            scalars=rows.scalars[kept],
            lower=rows.lower[kept],
            upper=rows.upper[kept],
            least=rows.least[kept],
            most=rows.most[kept],
            curvature=rows.curvature[kept],
            lengths=rows.lengths[kept],
            dense=rows.dense,
            arrow=False,
        )
        return attrs.evolve(self, base=base, rows=head)

    @property
    def crossed(self) -> int | None:
        """Return the number of a row whose limits cross by more than rounding, if any."""
        rows = self.rows
        gap = rows.lower - rows.upper
        size = 1e-12 * np.maximum(1.0, np.minimum(np.abs(rows.lower), np.abs(rows.upper)))
        bad = np.flatnonzero(gap > size)
        return int(bad[0]) if bad.size else None


def read(program: NormalProgram, box: Box) -> Form:
    """Read a program in standard form; raises OutsideError where it is not structured."""
    reader = Reader(program.n)
    units, linear, soft = split(program.cost, program.n)
    reader.program(program)
    for coefficient, atom in soft:
        reader.soft(coefficient, atom)
    return _assembled(reader, units, box, reader.row(linear))


def _assembled(reader: Reader, units: UnitCosts, box: Box, cost: Line) -> Form:
    base = _base(reader)
    lengths = base.lengths()
    if not np.all(np.isfinite(lengths)):
        raise OutsideError("a row that is not finite")
    columns = _columns(reader, base)
    price = np.zeros(base.dense)
    for key, value in cost.base.items():
        price[columns[key]] = value
    link = units.link(box)
    ridge = float(np.max(np.abs(link.ridge)))
    largest = np.max(np.abs(price) * lengths[: base.dense], initial=0.0) / base.n**0.5
    names = tuple(reader.scalars)
    if any(cost.scalars.get(name, 0.0) >= 0 for name in names):
        raise OutsideError("a scalar that the cost does not raise")
    dose = max((abs(value) for value in cost.scalars.values()), default=0.0)
    starts = [len(reader.lines)]
    for _ in reader.blocks:
        assert base.groups is not None
        starts.append(starts[-1] + base.groups.count)
    return Form(
        base=base,
        link=link,
        cost=price,
        scalar_cost=np.array([cost.scalars.get(name, 0.0) for name in names]),
        names=names,
        sizes=np.array([reader.scalars[name] for name in names]),
        constant=units.constant,
        rows=_rows(reader, base, columns, names, lengths, starts),
        sides=tuple(reader.sides),
        starts=tuple(starts),
        budgets=tuple(reader.budgets),
        cost_unit=max(ridge, largest, link.entropy, dose) or 1.0,
    )


def _columns(reader: Reader, base: Base) -> dict[Key, int]:
    columns: dict[Key, int] = {("row", r): i for i, r in enumerate(base.picked.tolist())}
    for place, key in enumerate(reader.written):
        columns["written", key] = int(base.picked.size) + place
    columns[MASS] = base.dense - 1
    return columns


def _base(reader: Reader) -> Base:
    if len(reader.written) * reader.n > MOST_WRITTEN:
        raise OutsideError("too many rows written out")
    numbers = list(reader.written.values())
    written = np.array(numbers) if numbers else np.zeros((0, reader.n))
    picked = np.array(sorted(reader.picked), dtype=np.int64)
    base = Base(reader.n, reader.response, picked, written, reader.groups)
    if base.dense > MOST_DENSE:
        raise OutsideError("too many rows")
    return base


def _rows(
    reader: Reader,
    base: Base,
    columns: dict[Key, int],
    names: tuple[str, ...],
    lengths: Vector,
    starts: list[int],
) -> Rows:
    matrix, scalars = _lines(reader.lines, base, columns, names)
    arrow = bool(reader.blocks) and all(b.alone for b in reader.blocks) and base.size > FLAT
    if reader.blocks and not arrow and base.size > MOST_DENSE:
        raise OutsideError("many groups beside other rows")
    for block in reader.blocks:
        beside, tail = _lines([block.beside], base, columns, names)
        count = block.factors.size
        own = sp.csr_array(
            (block.factors, (np.arange(count), base.dense + np.arange(count))),
            shape=(count, base.size),
        )
        common = sp.csr_array(sp.csr_array(np.ones((count, 1))) @ beside)
        matrix = sp.csr_array(sp.vstack([matrix, own + common]))
        scalars = np.vstack([scalars, np.repeat(tail, count, axis=0)])
    sizes = np.sqrt(np.asarray(matrix.multiply(matrix) @ lengths**2).reshape(-1))
    own_size = np.abs(scalars).sum(axis=1)
    # A row of zeros stays: where its limits do not hold 0, its price is a ray.
    sizes = np.where(sizes > 0, sizes, np.where(own_size > 0, own_size, 1.0))
    lower, upper = _limits(reader.sides, starts, sizes.size)
    least, most, curvature = _price_limits(reader.lines, sizes.size)
    return Rows(
        combine=sp.csr_array(sp.diags_array(1.0 / sizes) @ matrix),
        scalars=scalars / sizes[:, None],
        lower=lower / sizes,
        upper=upper / sizes,
        least=np.where(lower == -np.inf, 0.0, least * sizes),
        most=np.where(upper == np.inf, 0.0, most * sizes),
        curvature=curvature / sizes**2,
        lengths=sizes,
        dense=len(reader.lines),
        arrow=arrow,
    )


def _lines(
    lines: list[Line], base: Base, columns: dict[Key, int], names: tuple[str, ...]
) -> tuple[sp.csr_array, Vector]:
    entries = [(i, columns[k], v) for i, line in enumerate(lines) for k, v in line.base.items()]
    row = np.array([entry[0] for entry in entries], dtype=np.int64)
    column = np.array([entry[1] for entry in entries], dtype=np.int64)
    data = np.array([entry[2] for entry in entries], dtype=np.float64)
    matrix = sp.csr_array((data, (row, column)), shape=(len(lines), base.size))
    scalars = np.zeros((len(lines), len(names)))
    for place, line in enumerate(lines):
        for name, value in line.scalars.items():
            scalars[place, names.index(name)] = value
    return matrix, scalars


def span(side: Side, starts: tuple[int, ...] | list[int]) -> slice:
    """Return which rows a side speaks of."""
    if side.line is not None:
        return slice(side.line, side.line + 1)
    assert side.block is not None
    return slice(starts[side.block], starts[side.block + 1])


def _limits(sides: list[Side], starts: list[int], count: int) -> tuple[Vector, Vector]:
    lower, upper = np.full(count, -np.inf), np.full(count, np.inf)
    for side in sides:
        where = span(side, starts)
        lead: Any = np.asarray(side.lead)
        high, low = (lead > 0) | side.equality, (lead < 0) | side.equality
        upper[where] = np.minimum(upper[where], np.where(high, side.level, np.inf))
        lower[where] = np.maximum(lower[where], np.where(low, side.level, -np.inf))
    return lower, upper


def _price_limits(lines: list[Line], count: int) -> tuple[Vector, Vector, Vector]:
    least, most, curvature = np.full(count, -np.inf), np.full(count, np.inf), np.zeros(count)
    for place, line in enumerate(lines):
        least[place], most[place], curvature[place] = -line.most, line.most, line.curvature
    return least, most, curvature
