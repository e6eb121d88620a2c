"""`where` on the columns of a data set: what it keeps, with errors that name the data."""

import numpy as np
from attrs import frozen

from pattern_lang.diagnostics import PatternError, Span
from pattern_lang.diagnostics.catalogue.inputs import NothingKept, UnknownField, WrongComparison
from pattern_lang.diagnostics.catalogue.tokens import NoTokens, WrongTokenPredicate
from pattern_lang.estimate.errors import did_you_mean
from pattern_lang.estimate.table import Array, Table
from pattern_lang.ir.rows import RowTypeError, UnknownFieldError, evaluate, joined
from pattern_lang.ir.sources import (
    Comparison,
    DataSource,
    LibraryPredicate,
    Predicate,
    RowField,
    RowLiteral,
)
from pattern_lang.ir.tokens import TokenPredicateError


@frozen(eq=False)
class Kept:
    """What `where` leaves of a table: the rows, and in them the positions.

    rows: int64 (kept,), row numbers. positions: bool (kept, N), or None for all positions; position
    t stands for the prediction of token t + 1.
    """

    rows: Array
    positions: Array | None = None


def kept(table: Table, source: DataSource) -> Kept:
    """Return the rows and positions at which every predicate of `source.where` holds.

    Raises UnknownField, WrongComparison, NoTokens, WrongTokenPredicate, and NothingKept when no row
    is left.
    """
    keep: Array = np.ones(table.rows, dtype=bool)
    for predicate in source.where:
        keep = joined(np.logical_and, keep, holds(predicate, table, source.origin))
        if keep.ndim == 2 and table.tokens is not None:
            keep = keep & table.tokens.predicted
        if not keep.any():
            raise PatternError([_nothing(table, source, predicate)])
    if keep.ndim == 1:
        return Kept(np.flatnonzero(keep))
    rows = np.flatnonzero(keep.any(axis=1))
    return Kept(rows, keep[rows])


def holds(predicate: Predicate, table: Table, span: Span | None) -> Array:
    """Return where a predicate holds: bool (rows,), or (rows, N) if it is about tokens."""
    try:
        return evaluate(predicate, table.scalars, lambda own: _tokens(own, table, span))
    except UnknownFieldError as error:
        raise unknown_field(error.name, table, error.origin or span) from None
    except RowTypeError as error:
        reason = str(error)
        raise PatternError([WrongComparison(span=error.origin or span, reason=reason)]) from None


def _tokens(predicate: LibraryPredicate, table: Table, span: Span | None) -> Array:
    where = predicate.origin or span
    if table.tokens is None:
        reason = (
            f"`{predicate.function.rpartition('.')[2]}` is about tokens, and its rows have none"
        )
        advice = "read the data with a `tokenizer`, or return rows with a field `input_ids`"
        raise PatternError([NoTokens(span=where, data=table.name, reason=reason, advice=advice)])
    try:
        return table.tokens.holds(predicate)
    except TokenPredicateError as error:
        raise PatternError([WrongTokenPredicate(span=where, reason=str(error))]) from error


def scalar_field(field: str, table: Table, span: Span | None) -> Array:
    """Return the column of a field with one value per row; raise UnknownField without it."""
    if field in table.scalars:
        return table.scalars[field]
    raise unknown_field(field, table, span)


def unknown_field(field: str, table: Table, span: Span | None) -> PatternError:
    """Return the error for a field that is not there, or has no single value per row."""
    if field in table.numbers:
        shape = table.numbers[field].shape[1:]
        advice = f"`{field}` is an array of shape {shape} in each row"
    else:
        advice = did_you_mean(field, table.scalars, "fields")
    return PatternError([UnknownField(span=span, data=table.name, field=field, advice=advice)])


def _nothing(table: Table, source: DataSource, predicate: Predicate) -> NothingKept:
    """Say which values a compared field has, where the predicate is that simple."""
    advice = "check the predicate against the values in the data"
    match predicate:
        case Comparison(_, RowField(name, _), RowLiteral()) if name in table.scalars:
            values = np.unique(table.scalars[name])
            shown = ", ".join(map(str, values[:8])) + (", …" if len(values) > 8 else "")
            advice = f"`row.{name}` takes the values {shown}"
    return NothingKept(span=source.origin, data=source.name, rows=table.rows, advice=advice)
