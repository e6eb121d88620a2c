"""Row predicates evaluated on columns of values, with numpy and nothing else."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    """A predicate reads a field that the rows do not have; `name` is the field."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"the rows have no field `{self.name}`"


class RowTypeError(TypeError):
    """A predicate does with a field what its values do not allow."""


def evaluate(predicate: Predicate, columns: Columns, library: Library | None = None) -> Flags:
    """Tell for each row whether a predicate holds: (rows,) booleans.

    columns: field name to (rows,) values, numbers or strings. `library` evaluates predicates of
    the standard library. Comparisons with NaN are false, except `!=`.
    Raises UnknownFieldError for a field that is not in `columns`, RowTypeError for values that
    an operator does not take, and for a library predicate when no `library` is given.
    """
    match predicate:
        case Comparison(operator, left, right):
            return _compare(operator, _value(left, columns), _value(right, columns), columns)
        case Both(left, right):
            return evaluate(left, columns, library) & evaluate(right, columns, library)
        case Either(left, right):
            return evaluate(left, columns, library) | evaluate(right, columns, library)
        case Not(operand):
            return ~evaluate(operand, columns, library)
        case Truth(operand):
            return _truth(operand, columns)
        case LibraryPredicate():
            if library is None:
                raise RowTypeError(f"{predicate.function} is not known from these fields alone")
            return library(predicate)


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


def _column(name: str, columns: Columns) -> Column:
    if name not in columns:
        raise UnknownFieldError(name)
    return np.asarray(columns[name])


def _value(expression: RowExpression, columns: Columns) -> Column:
    match expression:
        case RowField(name):
            return _column(name, columns)
        case RowLiteral(value):
            return np.asarray(value)
        case RowArithmetic(operator, left, right):
            return _arithmetic(operator, _value(left, columns), _value(right, columns))


def _arithmetic(operator: str, left: Column, right: Column) -> Column:
    if _is_text(left) or _is_text(right):
        raise RowTypeError(f"`{operator}` takes numbers, not strings")
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


def _compare(operator: str, left: Column, right: Column, columns: Columns) -> Flags:
    rows = _rows(columns)
    if _is_text(left) != _is_text(right):
        if operator in ("==", "!="):
            return np.full(rows, operator == "!=")
        raise RowTypeError(f"`{operator}` between a string and a number")
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
    values = _column(operand.name, columns)
    if _is_text(values):
        raise RowTypeError(f"row.{operand.name} holds strings, not true or false")
    return np.asarray(values.astype(np.float64) != 0)
