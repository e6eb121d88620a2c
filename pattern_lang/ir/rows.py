"""Row predicates evaluated on columns of values, with numpy and nothing else."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pattern_lang.diagnostics import Span
from pattern_lang.ir.sources import (
    Both,
    Comparison,
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

Column = NDArray[Any]
Flags = NDArray[np.bool_]
Columns = Mapping[str, Column]
Library = Callable[[LibraryPredicate], Flags]


class UnknownFieldError(KeyError):
    """A predicate reads a field that the rows do not have; `name` is it, read at `origin`."""

    def __init__(self, name: str, origin: Span | None = None) -> None:
        super().__init__(name)
        self.name, self.origin = name, origin

    def __str__(self) -> str:
        return f"the rows have no field `{self.name}`"


class RowTypeError(TypeError):
    """A predicate does with a field what its values do not allow, at `origin`."""

    def __init__(self, text: str, origin: Span | None = None) -> None:
        super().__init__(text)
        self.origin = origin


def evaluate(predicate: Predicate, columns: Columns, library: Library | None = None) -> Flags:
    """Tell for each row whether a predicate holds: (rows,) booleans.

    columns: field name to (rows,) values, numbers or strings. `library` evaluates predicates of
    the standard library; where it tells them of the positions of rows, (rows, N), so does this,
    and a row stands for all of its positions. Comparisons with NaN are false, except `!=`.
    Raises UnknownFieldError for a field that is not in `columns`, RowTypeError for values that
    an operator does not take, and for a library predicate when no `library` is given.
    """
    match predicate:
        case Comparison():
            return _compare(predicate, columns)
        case Both(left, right):
            pair = evaluate(left, columns, library), evaluate(right, columns, library)
            return joined(np.logical_and, *pair)
        case Either(left, right):
            pair = evaluate(left, columns, library), evaluate(right, columns, library)
            return joined(np.logical_or, *pair)
        case Not(operand):
            return ~evaluate(operand, columns, library)
        case Truth(operand):
            return _truth(operand, columns)
        case LibraryPredicate():
            if library is None:
                raise RowTypeError(f"{predicate.function} is not known from these fields alone")
            return library(predicate)


def joined(operation: Callable[[Flags, Flags], Flags], left: Flags, right: Flags) -> Flags:
    """Join what holds of rows with what holds of positions: a row stands for all of its own."""
    if left.ndim != right.ndim:
        left, right = (side if side.ndim == 2 else side[:, None] for side in (left, right))
    return operation(left, right)


def numbers(expression: RowExpression, columns: Columns) -> NDArray[np.float64]:
    """Return the value of a row expression for each row, (rows,) numbers; booleans are 0 and 1.

    Raises UnknownFieldError, and RowTypeError where a value is no number.
    """
    values = _value(expression, columns)
    if _is_text(values):
        raise RowTypeError("strings stand where each row needs a number")
    return np.array(np.broadcast_to(values.astype(np.float64), (_rows(columns),)))


def fields_of(predicate: Predicate) -> frozenset[str]:
    """Return the names of the fields that a predicate reads."""
    match predicate:
        case Comparison(_, left, right):
            return _names(left) | _names(right)
        case Both(left, right) | Either(left, right):
            return fields_of(left) | fields_of(right)
        case Not(operand):
            return fields_of(operand)
        case Truth(operand):
            return frozenset((operand.name,))
        case LibraryPredicate():
            return frozenset()


def _names(expression: RowExpression) -> frozenset[str]:
    match expression:
        case RowField(name):
            return frozenset((name,))
        case RowLiteral():
            return frozenset()
        case RowArithmetic(_, left, right):
            return _names(left) | _names(right)


def _column(field: RowField, columns: Columns) -> Column:
    if field.name not in columns:
        raise UnknownFieldError(field.name, field.origin)
    return np.asarray(columns[field.name])


def _value(expression: RowExpression, columns: Columns) -> Column:
    match expression:
        case RowField():
            return _column(expression, columns)
        case RowLiteral(value):
            return np.asarray(value)
        case RowArithmetic():
            return _arithmetic(expression, columns)


def _arithmetic(expression: RowArithmetic, columns: Columns) -> Column:
    operator, parts = expression.operator, (expression.left, expression.right)
    left, right = (_value(part, columns) for part in parts)
    for part, value in zip(parts, (left, right), strict=True):
        if _is_text(value):
            text = f"`{_words(part)}` is a text, and `{operator}` takes numbers"
            raise RowTypeError(text, _origin(part))
    a, b = left.astype(np.float64), right.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        match operator:
            case "+":
                return np.asarray(a + b)
            case "-":
                return np.asarray(a - b)
            case "*":
                return np.asarray(a * b)
            case "/":
                return np.asarray(a / b)
            case "^":
                return np.asarray(a**b)
            case _:
                raise RowTypeError(f"no operator `{operator}` on row values")


def _is_text(values: Column) -> bool:
    if values.dtype.kind in "US":
        return True
    return values.dtype.kind == "O" and any(isinstance(v, str) for v in values.reshape(-1))


def _compare(comparison: Comparison, columns: Columns) -> Flags:
    operator, parts = comparison.operator, (comparison.left, comparison.right)
    left, right = (_value(part, columns) for part in parts)
    rows = _rows(columns)
    if _is_text(left) != _is_text(right):
        words = f"{_words(comparison.left)} {operator} {_words(comparison.right)}"
        text = f"`{words}` compares {_kind(left)} with {_kind(right)}"
        raise RowTypeError(text, _origin(comparison.left) or _origin(comparison.right))
    with np.errstate(invalid="ignore"):
        match operator:
            case "<":
                result = left < right
            case "<=":
                result = left <= right
            case "==":
                result = left == right
            case "!=":
                result = left != right
            case ">":
                result = left > right
            case ">=":
                result = left >= right
            case _:
                raise RowTypeError(f"no comparison `{operator}` on row values")
    return np.array(np.broadcast_to(np.asarray(result, dtype=np.bool_), (rows,)))


def _rows(columns: Columns) -> int:
    return next((int(np.asarray(c).shape[0]) for c in columns.values()), 0)


def _truth(operand: RowField, columns: Columns) -> Flags:
    values = _column(operand, columns)
    if values.dtype != np.bool_:
        what = f"`row.{operand.name}` is {_kind(values)}"
        raise RowTypeError(f"{what}, and a condition has to be true or false", operand.origin)
    return values


def _kind(values: Column) -> str:
    if _is_text(values):
        return "a text"
    return "a truth value" if values.dtype == np.bool_ else "a number"


def _words(expression: RowExpression) -> str:
    match expression:
        case RowField(name):
            return f"row.{name}"
        case RowLiteral(value):
            return f'"{value}"' if isinstance(value, str) else str(value)
        case RowArithmetic(operator, left, right):
            return f"{_words(left)} {operator} {_words(right)}"


def _origin(expression: RowExpression) -> Span | None:
    match expression:
        case RowField(_, origin):
            return origin
        case RowArithmetic(_, left, right):
            return _origin(left) or _origin(right)
        case RowLiteral():
            return None
