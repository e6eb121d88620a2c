"""The units of the re-weighted data: rows, groups of rows, or positions in rows.

Where the loss is one number per row, a row is an entry; where it is one per position, each position
with a loss is one, in row order, then position. The mean loss is over entries, whatever the unit,
and the weight of a unit multiplies the loss of each of its entries.
"""

import numpy as np
from attrs import frozen

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.tokens import NoTokens
from pattern_lang.estimate.predicates import scalar_field
from pattern_lang.estimate.table import Array, Table
from pattern_lang.ir.queries import Reweight
from pattern_lang.ir.susceptibility import UnitTable


@frozen(eq=False)
class Units:
    """The unit table, and the unit of each entry of the re-weighted data.

    unit_of_row: int64 (N,), or None where every entry is its own unit.
    """

    table: UnitTable
    unit_of_row: Array | None

    @property
    def count(self) -> int:
        """Return n."""
        return len(self.table.unit_id)


def number_units(table: Table, rows: Array, entries: Array | None, reweight: Reweight) -> Units:
    """Number the units among the kept `rows` of a table.

    entries: bool (kept, P), the positions with a loss that are re-weighted; None where the loss is
    one number per row. Samples are numbered in row order (rows without any entry are none), groups
    by the first appearance of their value, tokens in row order, then position. Raises UnknownField
    for a group field that the rows do not have, NoTokens for tokens where losses are per row.
    """
    owner = np.arange(len(rows))
    if entries is not None:
        owner, position = np.nonzero(entries)
    elif reweight.unit == "token":
        raise PatternError([_per_row(table, reweight)])
    if reweight.unit == "group":
        return _groups(table, rows[owner], reweight)
    if reweight.unit == "token":
        return _tokens(table, rows[owner], position, reweight)
    return _samples(table, rows, None if entries is None else owner, reweight)


def _samples(table: Table, rows: Array, owner: Array | None, reweight: Reweight) -> Units:
    size, filtered = np.ones(len(rows)), bool(reweight.data.where)
    if owner is not None:
        present, owner, counts = np.unique(owner, return_inverse=True, return_counts=True)
        filtered = filtered or len(present) < len(rows)
        rows, size = rows[present], counts.astype(np.float64)
    fields = {name: column[rows] for name, column in table.scalars.items()}
    count = np.arange(len(rows))
    return Units(UnitTable("sample", count, size, fields, rows, filtered), owner)


def _tokens(table: Table, rows: Array, position: Array, reweight: Reweight) -> Units:
    """Number positions; texts are shared between the tokens of a row, not copied."""
    fields = {
        name: (column.astype(object) if column.dtype.kind == "U" else column)[rows]
        for name, column in table.scalars.items()
    }
    fields |= {"sample_id": rows.astype(np.int64), "position": position.astype(np.int64)}
    tokens = None if table.tokens is None else table.tokens.taken(np.unique(rows))
    count = np.arange(len(rows))
    found = UnitTable(
        "token",
        count,
        np.ones(len(rows)),
        dict(sorted(fields.items())),
        None,
        bool(reweight.data.where),
        tokens,
    )
    return Units(found, None)


def _groups(table: Table, rows: Array, reweight: Reweight) -> Units:
    field = reweight.group_field or ""
    column = scalar_field(field, table, reweight.origin)[rows]
    _, first, inverse = np.unique(column, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    unit_of_row = number[inverse]
    values = column[np.sort(first)]
    size = np.bincount(unit_of_row).astype(np.float64)
    ids = np.arange(len(order))
    filtered = bool(reweight.data.where)
    return Units(UnitTable("group", ids, size, {field: values}, None, filtered), unit_of_row)


def _per_row(table: Table, reweight: Reweight) -> NoTokens:
    return NoTokens(
        span=reweight.origin,
        data=table.name,
        reason="a weight per token needs a loss per position, and the loss is one number per row",
        advice="return (rows, positions) from the loss, NaN where there is no token to predict",
    )
