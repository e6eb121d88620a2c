"""Which rows a posterior evaluates at each draw, and which averages of their losses are kept.

The rows are put side by side: first the N rows of the re-weighted data, then whatever further rows
the observables need, each row once however many data sets share it. Data sets with the same
fields are joined into one block, so that one pass of the network serves them all.
"""

from collections.abc import Iterable

import numpy as np
from attrs import frozen

from pattern_lang.estimate.inputs import Inputs
from pattern_lang.estimate.needs import Place, Plain, followed_data, primitives_of
from pattern_lang.estimate.table import Array
from pattern_lang.ir.observables import LearningCoefficient
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.sources import DataSource

Columns = dict[str, Array]


@frozen(eq=False)
class Layout:
    """The rows of one posterior.

    blocks: columns of the rows, block after block; the first `rows` rows are the re-weighted data.
    data: the data sets whose mean losses are followed; number 0 is the re-weighted data.
    averages: (q, R) float64; row q averages the losses of all R rows to the mean of data set q.
    parts: bool (P, N) selections of the re-weighted rows; number 0 is all of them.
    unit_of_row: (N,) int64, or None where each row is a unit. units: n.
    origins: (R,) int64, the row number of each evaluated row in its own base.
    """

    blocks: tuple[Columns, ...]
    rows: int
    data: tuple[DataSource, ...]
    averages: Array
    parts: Array
    unit_of_row: Array | None
    units: int
    origins: Array

    @property
    def width(self) -> int:
        """Return R, the number of rows evaluated at each draw."""
        return int(self.averages.shape[1])


def lay_out(queries: Queries, inputs: Inputs, place: Place) -> Layout:
    """Arrange the rows that one posterior evaluates."""
    reweighted = queries.reweight.data
    primitives, data = primitives_of(queries, place), followed_data(queries, place)
    needed = _needed_rows(data, inputs)
    blocks, places = _blocks(needed, inputs)
    count = len(inputs.rows[reweighted])
    averages = np.zeros((len(data), sum(len(rows) for rows in needed.values())))
    for number, source in enumerate(data):
        columns = places[source.base][inputs.rows[source]]
        averages[number, columns] = 1.0 / len(columns)
    parts = np.stack([averages[0, :count] > 0, *_parts(primitives, data, averages[:, :count])])
    origins = np.empty(averages.shape[1], dtype=np.int64)
    for base, rows in needed.items():
        origins[places[base][rows]] = rows
    units = inputs.units
    return Layout(blocks, count, data, averages, parts, units.unit_of_row, units.count, origins)


def part_number(layout: Layout, data: DataSource) -> int | None:
    """Return the part that is the re-weighted rows of a data set, or None where there are none."""
    inside = layout.averages[layout.data.index(data), : layout.rows] > 0
    same = np.flatnonzero((layout.parts == inside).all(axis=1))
    return int(same[0]) if same.size else None


def _parts(
    primitives: Iterable[Plain],
    data: tuple[DataSource, ...],
    averages: Array,
) -> list[Array]:
    """Return the selections of re-weighted rows, beyond all, on which a loss re-weights itself."""
    found: dict[bytes, Array] = {}
    for primitive in primitives:
        if isinstance(primitive, LearningCoefficient) and not primitive.held:
            inside = averages[data.index(primitive.on)] > 0
            if inside.any() and not inside.all():
                found[inside.tobytes()] = inside
    return list(found.values())


def _needed_rows(data: tuple[DataSource, ...], inputs: Inputs) -> dict[DataSource, Array]:
    """Return the rows of each base to evaluate, the re-weighted ones first."""
    first = inputs.rows[data[0]]
    needed: dict[DataSource, Array] = {data[0].base: first}
    for source in data[1:]:
        rows = inputs.rows[source]
        have = needed.get(source.base, rows[:0])
        needed[source.base] = np.concatenate([have, np.setdiff1d(rows, have)])
    return needed


def _blocks(
    needed: dict[DataSource, Array], inputs: Inputs
) -> tuple[tuple[Columns, ...], dict[DataSource, Array]]:
    """Join bases with the same fields, and return where each row of each base has its column.

    A place is -1 for rows that are not evaluated.
    """
    groups: dict[object, list[DataSource]] = {}
    for base in needed:
        groups.setdefault(_fields(inputs.tables[base].numbers), []).append(base)
    blocks, places, column = [], {}, 0
    for bases in groups.values():
        for base in bases:
            place = np.full(inputs.tables[base].rows, -1, dtype=np.int64)
            place[needed[base]] = column + np.arange(len(needed[base]))
            places[base] = place
            column += len(needed[base])
        names = inputs.tables[bases[0]].numbers
        blocks.append({n: _joined(n, bases, needed, inputs) for n in names})
    return tuple(blocks), places


def _joined(
    name: str, bases: list[DataSource], needed: dict[DataSource, Array], inputs: Inputs
) -> Array:
    parts = [inputs.tables[base].numbers[name][needed[base]] for base in bases]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _fields(columns: Columns) -> object:
    """Return what two blocks must share to be joined: names, kinds and shapes of the fields."""
    return tuple((name, column.dtype.str, column.shape[1:]) for name, column in columns.items())
