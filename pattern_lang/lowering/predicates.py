"""Truth: comparisons of row fields, and what `and`, `or` and `not` make of them."""

import operator as operator_module
from collections.abc import Callable
from typing import Any

from pattern_lang.ir.sources import (
    Both,
    Comparison,
    Either,
    Not,
    Predicate,
    RowField,
    RowLiteral,
    Truth,
)
from pattern_lang.lowering import arithmetic
from pattern_lang.lowering.values import Num, Value

_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator_module.lt,
    "<=": operator_module.le,
    "==": operator_module.eq,
    "!=": operator_module.ne,
    ">": operator_module.gt,
    ">=": operator_module.ge,
}


def compare(first: Value, rest: list[tuple[str, Value]]) -> Predicate | bool:
    """Return a chain of comparisons: a truth value, or a predicate where rows are in it."""
    left, links = first, list[Predicate | bool]()
    for operator, right in rest:
        links.append(_link(operator, left, right))
        left = right
    if all(isinstance(link, bool) for link in links):
        return all(links)
    return _joined("and", [link for link in links if link is not True])


def logical(operator: str, values: list[Value]) -> Predicate | bool:
    """Return a run of `and` or of `or`."""
    if all(isinstance(value, bool) for value in values):
        return all(values) if operator == "and" else any(values)
    return _joined(operator, values)


def negation(value: Value) -> Predicate | bool:
    """Return `not value`."""
    return not value if isinstance(value, bool) else Not(predicate(value))


def predicate(value: Value) -> Predicate:
    """Return a value as a predicate: a Boolean field and a truth value are some too."""
    if isinstance(value, RowField):
        return Truth(value)
    if isinstance(value, bool):
        # Always or never, whatever the row.
        return Comparison("==" if value else "!=", RowLiteral(1), RowLiteral(1))
    assert isinstance(value, Predicate)
    return value


def _link(operator: str, left: Value, right: Value) -> Predicate | bool:
    if operator == "in":
        assert isinstance(right, tuple)
        row = arithmetic.row_value(left)
        options: list[Value] = [Comparison("==", row, arithmetic.row_value(item)) for item in right]
        return _joined("or", options) if options else Comparison("!=", row, row)
    if isinstance(left, Num) and isinstance(right, Num):
        return _RELATIONS[operator](left.value, right.value)
    if isinstance(left, (str, bool)) and isinstance(right, (str, bool)):
        return (left == right) is (operator == "==")
    return Comparison(operator, arithmetic.row_value(left), arithmetic.row_value(right))


def _joined(operator: str, operands: list[Value]) -> Predicate:
    joined, *rest = [predicate(operand) for operand in operands]
    for operand in rest:
        joined = Both(joined, operand) if operator == "and" else Either(joined, operand)
    return joined
