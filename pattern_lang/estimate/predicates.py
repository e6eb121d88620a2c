"""Evaluating `where` on the columns of a data set."""

import operator
from collections.abc import Callable
from typing import Any, assert_never

import numpy as np
from attrs import frozen

from pattern_lang.diagnostics import PatternError, Span
from pattern_lang.diagnostics.catalogue.estimates import (
    NothingKept,
    UnknownField,
    WrongComparison,
)
from pattern_lang.diagnostics.catalogue.tokens import NoTokens, WrongTokenPredicate
from pattern_lang.estimate.errors import did_you_mean
from pattern_lang.estimate.table import Array, Table
from pattern_lang.ir.sources import (
    Both,
    Comparison,
    DataSource,
    Either,
    LibraryPredicate,
    Not,
    Predicate,
    RowArithmetic,
    RowExpression,
    RowField,
    RowLiteral,
    Truth,
)
from pattern_lang.ir.tokens import TokenPredicateError

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
}
_COMPUTE: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
}


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
        keep = _joined(np.logical_and, keep, holds(predicate, table, source.origin))
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
    match predicate:
        case Comparison():
            return _compare(predicate, table, span)
        case Both(left, right):
            return _joined(np.logical_and, holds(left, table, span), holds(right, table, span))
        case Either(left, right):
            return _joined(np.logical_or, holds(left, table, span), holds(right, table, span))
        case Not(operand):
            return np.logical_not(holds(operand, table, span))
        case Truth(field):
            return _truth(field, table, span)
        case LibraryPredicate():
            return _tokens(predicate, table, span)
    assert_never(predicate)


def _joined(operation: Callable[[Array, Array], Array], left: Array, right: Array) -> Array:
    """Join what holds of rows with what holds of positions: a row stands for all of its own."""
    if left.ndim != right.ndim:
        left, right = (side if side.ndim == 2 else side[:, None] for side in (left, right))
    return operation(left, right)


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
    scalars = table.scalars
    if field in scalars:
        return scalars[field]
    if field in table.numbers:
        shape = table.numbers[field].shape[1:]
        advice = f"`{field}` is an array of shape {shape} in each row"
    else:
        advice = did_you_mean(field, scalars, "fields")
    raise PatternError([UnknownField(span=span, data=table.name, field=field, advice=advice)])


def _compare(comparison: Comparison, table: Table, span: Span | None) -> Array:
    left = _value(comparison.left, table, span)
    right = _value(comparison.right, table, span)
    if _is_text(left) != _is_text(right):
        where = _origin(comparison.left) or _origin(comparison.right) or span
        words = f"{_words(comparison.left)} {comparison.operator} {_words(comparison.right)}"
        reason = f"`{words}` compares {_kind(left)} with {_kind(right)}"
        raise PatternError([WrongComparison(span=where, reason=reason)])
    with np.errstate(invalid="ignore"):
        result = _COMPARE[comparison.operator](left, right)
    return np.broadcast_to(np.asarray(result, dtype=bool), (table.rows,))


def _value(expression: RowExpression, table: Table, span: Span | None) -> Any:
    match expression:
        case RowField(name, origin):
            return scalar_field(name, table, origin or span)
        case RowLiteral(value):
            return value
        case RowArithmetic(sign, left, right):
            operands = _value(left, table, span), _value(right, table, span)
            for operand, part in zip(operands, (left, right), strict=True):
                if _is_text(operand):
                    reason = f"`{_words(part)}` is a text, and `{sign}` takes numbers"
                    raise PatternError([WrongComparison(span=_origin(part) or span, reason=reason)])
            with np.errstate(all="ignore"):
                return _COMPUTE[sign](*(np.asarray(o, dtype=np.float64) for o in operands))
    assert_never(expression)


def _truth(field: RowField, table: Table, span: Span | None) -> Array:
    column = scalar_field(field.name, table, field.origin or span)
    if column.dtype != np.bool_:
        reason = f"`row.{field.name}` is {_kind(column)}, and a condition has to be true or false"
        raise PatternError([WrongComparison(span=field.origin or span, reason=reason)])
    return column


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, np.ndarray) and value.dtype.kind in "UO")


def _kind(value: Any) -> str:
    if _is_text(value):
        return "a text"
    return "a truth value" if np.asarray(value).dtype == np.bool_ else "a number"


def _words(expression: RowExpression) -> str:
    match expression:
        case RowField(name, _):
            return f"row.{name}"
        case RowLiteral(value):
            return f'"{value}"' if isinstance(value, str) else str(value)
        case RowArithmetic(sign, left, right):
            return f"{_words(left)} {sign} {_words(right)}"
    assert_never(expression)


def _origin(expression: RowExpression) -> Span | None:
    match expression:
        case RowField(_, origin):
            return origin
        case RowArithmetic(_, left, right):
            return _origin(left) or _origin(right)
        case RowLiteral():
            return None
    assert_never(expression)


def _nothing(table: Table, source: DataSource, predicate: Predicate) -> NothingKept:
    """Say which values a compared field has, where the predicate is that simple."""
    advice = "check the predicate against the values in the data"
    match predicate:
        case Comparison(_, RowField(name, _), RowLiteral()) if name in table.scalars:
            values = np.unique(table.scalars[name])
            shown = ", ".join(map(str, values[:8])) + (", …" if len(values) > 8 else "")
            advice = f"`row.{name}` takes the values {shown}"
    return NothingKept(span=source.origin, data=source.name, rows=table.rows, advice=advice)
