"""Which rows a posterior evaluates at each draw, and which averages of their losses are kept.

An entry is a row, or a position of a row where losses are per position. Entries are put side by
side: first the N entries of the re-weighted data, then whatever further ones the observables need,
each once however many data sets share it. Data sets with the same fields are joined into one
block, so that one pass of the network serves them all.
"""

from collections.abc import Iterable

import numpy as np
from attrs import frozen

from pattern_lang.estimate.entries import chosen
from pattern_lang.estimate.inputs import Inputs
from pattern_lang.estimate.needs import Place, Plain, followed_data, primitives_of
from pattern_lang.estimate.network import SHARES
from pattern_lang.estimate.table import Array
from pattern_lang.ir.observables import LearningCoefficient
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.sources import DataSource, ModelSource

Columns = dict[str, Array]


@frozen(eq=False)
class Layout:
    """The entries of one posterior.

    blocks: columns of the rows, block after block; the first `reweighted` rows are the re-weighted
    data. present: per block, bool (rows, P) which positions have a loss, None where each row has
    one. order: (R,) which of all these entries are wanted, in which order; None for all as they
    are. rows: N, the number of re-weighted entries, which come first.
    data: the data sets whose mean losses are followed; number 0 is the re-weighted data.
    members: for each data set, the entries that its mean loss averages, ascending; width: R.
    parts: bool (P, N) selections of the re-weighted entries; number 0 is all of them.
    unit_of_row: (N,) int64, or None where each entry is a unit. units: n.
    origins: (R,) int64, the row of each entry in its own base.
    """

    blocks: tuple[Columns, ...]
    present: tuple[Array | None, ...]
    order: Array | None
    reweighted: int
    rows: int
    data: tuple[DataSource, ...]
    members: tuple[Array, ...]
    width: int
    parts: Array
    unit_of_row: Array | None
    units: int
    origins: Array


def lay_out(queries: Queries, inputs: Inputs, place: Place) -> Layout:
    """Arrange the rows that one posterior evaluates."""
    reweighted, model = queries.reweight.data, place.model
    primitives, data = primitives_of(queries, place), followed_data(queries, place)
    needed = _needed_rows(data, inputs)
    groups = _groups(needed, inputs)
    places, origins = _places(groups, needed, inputs, model)
    columns = [_columns(places, source, inputs, model) for source in data]
    order, number = _order(columns, len(origins))
    count = len(columns[0])
    members = tuple(np.sort(number[own]) for own in columns)
    parts = np.stack([np.ones(count, dtype=bool), *_parts(primitives, data, members, count)])
    blocks = [_block(bases, needed, inputs) for bases in groups]
    present = [_present(bases, needed, inputs, model) for bases in groups]
    rows = len(inputs.kept[reweighted].rows)
    own_entries = chosen(inputs.entries[model][reweighted.base], inputs.kept[reweighted])
    if own_entries is not None:
        blocks[0][SHARES] = _shares(own_entries, len(next(iter(blocks[0].values()))))
    units = inputs.units
    return Layout(
        blocks=tuple(blocks),
        present=tuple(present),
        order=None if np.array_equal(order, np.arange(len(origins))) else order,
        reweighted=rows,
        rows=count,
        data=data,
        members=members,
        width=len(order),
        parts=parts,
        unit_of_row=units.unit_of_row,
        units=units.count,
        origins=origins[order],
    )


def part_number(layout: Layout, data: DataSource) -> int | None:
    """Return the part that is the re-weighted rows of a data set, or None where there are none."""
    inside = _inside(layout.members[layout.data.index(data)], layout.rows)
    same = np.flatnonzero((layout.parts == inside).all(axis=1))
    return int(same[0]) if same.size else None


def _parts(
    primitives: Iterable[Plain],
    data: tuple[DataSource, ...],
    members: tuple[Array, ...],
    count: int,
) -> list[Array]:
    """Return the selections of re-weighted rows, beyond all, on which a loss re-weights itself."""
    found: dict[bytes, Array] = {}
    for primitive in primitives:
        if isinstance(primitive, LearningCoefficient) and not primitive.held:
            inside = _inside(members[data.index(primitive.on)], count)
            if inside.any() and not inside.all():
                found[inside.tobytes()] = inside
    return list(found.values())


def _inside(members: Array, count: int) -> Array:
    """Return which of the first `count` entries are among the members, bool (count,)."""
    inside = np.zeros(count, dtype=bool)
    inside[members[members < count]] = True
    return inside


def _needed_rows(data: tuple[DataSource, ...], inputs: Inputs) -> dict[DataSource, Array]:
    """Return the rows of each base to evaluate, the re-weighted ones first."""
    needed: dict[DataSource, Array] = {data[0].base: inputs.kept[data[0]].rows}
    for source in data[1:]:
        rows = inputs.kept[source].rows
        have = needed.get(source.base, rows[:0])
        needed[source.base] = np.concatenate([have, np.setdiff1d(rows, have)])
    return needed


def _groups(needed: dict[DataSource, Array], inputs: Inputs) -> list[list[DataSource]]:
    """Put bases with the same fields together, one list for each block."""
    groups: dict[object, list[DataSource]] = {}
    for base in needed:
        groups.setdefault(_fields(inputs.tables[base].numbers), []).append(base)
    return list(groups.values())


def _places(
    groups: list[list[DataSource]],
    needed: dict[DataSource, Array],
    inputs: Inputs,
    model: ModelSource,
) -> tuple[dict[DataSource, Array], Array]:
    """Count entries block by block, row by row.

    Returns, for each base, the number of each of its entries, (rows, P) int64 (P = 1 where the loss
    is one per row), -1 for entries that are not evaluated; and the row of each entry, (E,).
    """
    places, origins, count = {}, [], 0
    for base in (base for bases in groups for base in bases):
        rows, entries = needed[base], inputs.entries[model][base]
        here = np.ones((len(rows), 1), bool) if entries is None else entries[rows]
        row, position = np.nonzero(here)
        place = np.full((inputs.tables[base].rows, here.shape[1]), -1, dtype=np.int64)
        place[rows[row], position] = count + np.arange(len(row))
        places[base] = place
        origins.append(rows[row])
        count += len(row)
    return places, np.concatenate(origins)


def _columns(
    places: dict[DataSource, Array], source: DataSource, inputs: Inputs, model: ModelSource
) -> Array:
    """Return the numbers of a data set's entries, in row order, then position."""
    kept, place = inputs.kept[source], places[source.base]
    own = chosen(inputs.entries[model][source.base], kept)
    found = place[kept.rows]
    numbers: Array = found[:, 0] if own is None else found[own]
    return numbers


def _order(columns: list[Array], evaluated: int) -> tuple[Array, Array]:
    """Return the wanted entries, those of `columns[0]` first, and the new number of each entry."""
    rest = np.zeros(evaluated, dtype=bool)
    rest[np.concatenate(columns)] = True
    rest[columns[0]] = False
    order = np.concatenate([columns[0], np.flatnonzero(rest)])
    number = np.full(evaluated, -1, dtype=np.int64)
    number[order] = np.arange(len(order))
    return order, number


def _shares(entries: Array, rows: int) -> Array:
    """Return the shares of positions in the mean loss, float32 (rows, P), 0 where not re-weighted.

    They are such that the mean over the re-weighted rows of their sums is the mean over entries.
    """
    shares = np.zeros((rows, entries.shape[1]), dtype=np.float32)
    shares[: len(entries)][entries] = len(entries) / entries.sum()
    return shares


def _block(bases: list[DataSource], needed: dict[DataSource, Array], inputs: Inputs) -> Columns:
    names = inputs.tables[bases[0]].numbers
    return {
        name: np.concatenate([inputs.tables[base].numbers[name][needed[base]] for base in bases])
        for name in names
    }


def _present(
    bases: list[DataSource],
    needed: dict[DataSource, Array],
    inputs: Inputs,
    model: ModelSource,
) -> Array | None:
    parts = [
        entries[needed[base]]
        for base in bases
        if (entries := inputs.entries[model][base]) is not None
    ]
    return np.concatenate(parts) if parts else None


def _fields(columns: Columns) -> object:
    """Return what two blocks must share to be joined: names, kinds and shapes of the fields."""
    return tuple((name, column.dtype.str, column.shape[1:]) for name, column in columns.items())
