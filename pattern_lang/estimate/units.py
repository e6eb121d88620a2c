"""The units of the re-weighted data: one per row, or one per group of rows."""

import numpy as np
from attrs import frozen

from pattern_lang.estimate.predicates import scalar_field
from pattern_lang.estimate.table import Array, Table
from pattern_lang.ir.queries import Reweight
from pattern_lang.ir.susceptibility import UnitTable


@frozen(eq=False)
class Units:
    """The unit table, and the unit of each row of the re-weighted data.

    unit_of_row: int64 (rows,), or None where every row is its own unit.
    """

    table: UnitTable
    unit_of_row: Array | None

    @property
    def count(self) -> int:
        """Return n."""
        return len(self.table.unit_id)


def number_units(table: Table, rows: Array, reweight: Reweight) -> Units:
    """Number the units among the kept `rows` of a table.

    Samples are numbered in row order, groups by the first appearance of their value. Raises
    UnknownField for a group field that the rows do not have.
    """
    filtered = bool(reweight.data.where)
    if reweight.unit == "group":
        return _groups(table, rows, reweight, filtered)
    fields = {name: column[rows] for name, column in table.scalars.items()}
    count = len(rows)
    size = np.ones(count)
    return Units(UnitTable("sample", np.arange(count), size, fields, rows, filtered), None)


def _groups(table: Table, rows: Array, reweight: Reweight, filtered: bool) -> Units:
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
    return Units(UnitTable("group", ids, size, {field: values}, None, filtered), unit_of_row)
