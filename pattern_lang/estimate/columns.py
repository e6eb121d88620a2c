"""Stacking the rows of a data set into columns, with errors that name the row."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pattern_lang.diagnostics import PatternError, Span
from pattern_lang.diagnostics.catalogue.inputs import (
    EmptyData,
    MissingField,
    NonFiniteField,
    NotRows,
    UnevenField,
)
from pattern_lang.estimate.table import Array, Table, text_column


def stack(name: str, rows: Sequence[Mapping[str, Any]], span: Span | None) -> Table:
    """Return the columns of a sequence of mappings.

    Fields that are neither numbers nor texts are left out. Raises EmptyData, NotRows,
    MissingField, UnevenField and NonFiniteField.
    """
    if not rows:
        raise PatternError([EmptyData(span=span, data=name)])
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping):
            found = f"row {index} is {_kind(row)}, not a mapping of field names to values"
            raise PatternError([NotRows(span=span, data=name, found=found)])
    fields = {str(key): key for row in rows for key in row}
    columns = {
        field: _column(name, field, [row.get(key) for row in rows], span)
        for field, key in fields.items()
    }
    return table_of(name, len(rows), columns, span)


def table_of(name: str, rows: int, columns: Mapping[str, Array | None], span: Span | None) -> Table:
    """Sort columns into numbers and texts, and check that all numbers are finite."""
    numbers, texts = {}, {}
    for field, column in sorted(columns.items()):
        if column is None:
            continue
        if column.dtype.kind in "OU":
            texts[field] = column
        else:
            numbers[field] = _finite(name, field, _narrow(column), span)
    return Table(name, rows, numbers, texts)


def _column(name: str, field: str, values: list[Any], span: Span | None) -> Array | None:
    """Return one field over all rows, or None where it is neither number nor text."""
    for row, value in enumerate(values):
        if value is None:
            raise PatternError([MissingField(span=span, data=name, row=row, field=field)])
    kinds = [_family(value) for value in values]
    for row, kind in enumerate(kinds):
        if kind != kinds[0]:
            raise PatternError([_uneven(name, field, row, values, span)])
    if kinds[0] == "text":
        return text_column(values)
    if kinds[0] != "number":
        return None
    arrays = values if isinstance(values[0], bool | int | float) else [_array(v) for v in values]
    shapes = [np.shape(array) for array in arrays]
    for row, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise PatternError([_uneven(name, field, row, arrays, span)])
    return np.array(arrays)


def _family(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool | int | float | np.number | np.bool_):
        return "number"
    if isinstance(value, np.ndarray) or hasattr(value, "detach"):
        return "number" if np.asarray(_array(value)).dtype.kind in "biuf" else "other"
    if isinstance(value, list | tuple):
        return _family_of_list(value)
    return "other"


def _family_of_list(value: Sequence[Any]) -> str:
    try:
        kind = np.asarray(value).dtype.kind
    except ValueError:  # ragged inside one row: of no shape that could be stacked
        return "other"
    return "number" if kind in "biuf" else "other"


def _array(value: Any) -> Any:
    """Return a value as NumPy sees it; tensors are taken off their graph and device."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
        return value.numpy()
    return np.asarray(value)


def _narrow(column: Array) -> Array:
    """Return integers as int64 and halves as float32; bool, float32 and float64 as they are."""
    if column.dtype.kind in "iu":
        return column.astype(np.int64)
    if column.dtype == np.float16:
        return column.astype(np.float32)
    return column.astype(np.float64) if column.dtype.itemsize > 8 else column


def _finite(name: str, field: str, column: Array, span: Span | None) -> Array:
    if column.dtype.kind == "f":
        bad = ~np.isfinite(column).reshape(len(column), -1).all(axis=1)
        if bad.any():
            row = int(bad.argmax())
            raise PatternError([NonFiniteField(span=span, data=name, row=row, field=field)])
    return np.ascontiguousarray(column)


def _uneven(name: str, field: str, row: int, values: list[Any], span: Span | None) -> UnevenField:
    found, expected = _kind(values[row]), _kind(values[0])
    return UnevenField(span=span, data=name, row=row, field=field, found=found, expected=expected)


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "a text"
    if hasattr(value, "shape") and np.shape(value):
        return f"an array of shape {tuple(value.shape)}"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return f"of type {type(value).__name__}"
