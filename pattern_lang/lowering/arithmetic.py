"""Arithmetic on numbers, observables, row values and expressions in w."""

from fractions import Fraction
from math import isfinite
from typing import TypeVar, cast

from attrs import evolve

from pattern_lang.diagnostics import Span
from pattern_lang.diagnostics.catalogue.types import DivisionByZero, ValueOutOfRange
from pattern_lang.ir import program as ir
from pattern_lang.ir.observables import Observable, Primitive
from pattern_lang.ir.sources import (
    RowArithmetic,
    RowExpression,
    RowField,
    RowLiteral,
)
from pattern_lang.lowering.values import LoweringError, Num, Value, Weighted
from pattern_lang.semantics.units import Unit

_LARGEST_POWER = 64
_LARGEST, _SMALLEST = Fraction(10) ** 300, Fraction(1, 10**300)

T = TypeVar("T")


def binary(operator: str, left: Value, right: Value, span: Span) -> Value:
    """Return `left operator right` for operands whose types have been checked.

    Raises LoweringError for a number out of range.
    """
    result = _binary(operator, left, right, span)
    if isinstance(result, Num):
        in_range(result, span)
    return result


def chain(operators: list[str], values: list[Value], spans: list[Span]) -> Value:
    """Return `a + b - c …` or `a * b / c …`; `spans` are the places of the later operands."""
    if len(values) > 2 and all(isinstance(value, (Observable, Num)) for value in values):
        found = _observable_sum(operators, values)
        if found is not None:
            return found
    result = values[0]
    for operator, value, span in zip(operators, values[1:], spans, strict=True):
        result = binary(operator, result, value, span)
    return result


def _observable_sum(operators: list[str], values: list[Value]) -> Value | None:
    """Add observables and numbers in one pass, however many there are."""
    observables = [value for value in values if isinstance(value, Observable)]
    if not observables or not all(operator in "+-" for operator in operators):
        return None
    signs = [1.0, *(1.0 if operator == "+" else -1.0 for operator in operators)]
    total: dict[Primitive, float] = {}
    constant = 0.0
    for sign, value in zip(signs, values, strict=True):
        if isinstance(value, Observable):
            constant += sign * value.constant
            for coefficient, primitive in value.terms:
                total[primitive] = total.get(primitive, 0.0) + sign * coefficient
        elif isinstance(value, Num):
            constant += sign * value.real
    terms = tuple(
        (coefficient, primitive) for primitive, coefficient in total.items() if coefficient
    )
    return evolve(observables[0], terms=terms, constant=constant)


def in_range(number: Num, span: Span) -> None:
    """Raise LoweringError for a number that double precision cannot hold."""
    value = number.value
    if isinstance(value, Fraction) or isfinite(value):
        size = abs(Fraction(value))
        if not size or _SMALLEST <= size <= _LARGEST:
            return
    raise LoweringError(
        ValueOutOfRange(
            span=span,
            name="this number",
            condition="between about 1e-300 and 1e300 in size, as double precision is",
            value="out of range",
            advice="change the numbers that lead here",
        )
    )


def _binary(operator: str, left: Value, right: Value, span: Span) -> Value:
    if isinstance(left, Weighted) or isinstance(right, Weighted):
        left, right = same_unit(per_unit(left), per_unit(right))
    if _is_row(left) or _is_row(right):
        return RowArithmetic(operator, row_value(left), row_value(right))
    match operator, left, right:
        case "+", _, _:
            return _add(left, right)
        case "-", _, _:
            return _add(left, scale(right, Num(Fraction(-1))))
        case "*", Num(), Num():
            unit = left.unit if left.unit.value != "1" else right.unit
            return Num(left.value * right.value, unit)
        case "*", Num(), _:
            return scale(right, left)
        case "*", _, Num():
            return scale(left, right)
        case "/", _, Num():
            return _divide(left, right, span)
    raise AssertionError(operator, left, right)


def power(base: Value, exponent: Value, span: Span) -> Value:
    """Return `base ^ exponent`."""
    if not isinstance(base, Num) or not isinstance(exponent, Num):
        return RowArithmetic("^", row_value(base), row_value(exponent))
    try:
        result = _power(base, exponent)
    except (OverflowError, ZeroDivisionError):
        result = None
    if result is None:
        raise LoweringError(
            ValueOutOfRange(
                span=span,
                name=f"`{span.text}`",
                condition="a finite real number",
                value="not a real number",
                advice="change the base or the exponent",
            )
        )
    in_range(result, span)
    return result


def _power(base: Num, exponent: Num) -> Num | None:
    whole = Fraction(exponent.value).denominator == 1
    if whole and abs(exponent.real) <= _LARGEST_POWER:
        return Num(Fraction(base.value) ** int(exponent.value), base.unit)
    result = base.real**exponent.real
    return Num(result, base.unit) if isinstance(result, float) else None


def scale(value: Value, factor: Num) -> Value:
    """Return a value times a plain number."""
    match value:
        case Num():
            return Num(value.value * factor.value, value.unit)
        case Observable():
            return evolve(
                value,
                terms=tuple((factor.real * c, primitive) for c, primitive in value.terms),
                constant=factor.real * value.constant,
            )
        case Weighted(expression=expression):
            scaled = ir.Expression(
                tuple((factor.real * c, atom) for c, atom in expression.terms),
                factor.real * expression.constant,
            )
            return evolve(value, expression=scaled)
    if _is_row(value):
        return RowArithmetic("*", RowLiteral(factor.real), row_value(value))
    raise AssertionError(value)


def _divide(left: Value, right: Num, span: Span) -> Value:
    if right.value == 0:
        raise LoweringError(DivisionByZero(span=span))
    if isinstance(left, Num):
        same = left.unit is right.unit
        return Num(left.value / right.value, Num(0.0).unit if same else left.unit)
    if isinstance(left, Weighted) and right.unit is not Unit.ONE:
        left = evolve(left, unit=Unit.ONE)
    return scale(left, Num(1 / Fraction(right.value)))


def per_unit(value: Value) -> Value:
    """Return a row's number as a vector with one entry per unit, and other values as they are."""
    if not _is_row(value):
        return value
    return Weighted(ir.Expression(((1.0, ir.UnitNumber(row_value(value))),)))


def same_unit(left: Value, right: Value) -> tuple[Value, Value]:
    """Measure predicted shifts in sd where the other side is: its unit is the estimate's."""
    units = [value.unit for value in (left, right) if isinstance(value, (Weighted, Num))]
    if Unit.SD in units and set(units) != {Unit.SD}:
        return in_sd(left), in_sd(right)
    return left, right


def in_sd(value: Value) -> Value:
    """Return an expression about predicted shifts, measured in posterior standard deviations."""
    if not isinstance(value, Weighted) or value.unit is Unit.SD:
        return value
    return evolve(value, expression=_terms_in_sd(value.expression), unit=Unit.SD)


def _terms_in_sd(expression: ir.Expression) -> ir.Expression:
    terms = tuple((c, _atom_in_sd(atom)) for c, atom in expression.terms)
    return evolve(expression, terms=terms)


def _atom_in_sd(atom: ir.Atom) -> ir.Atom:
    match atom:
        case ir.Predicted() | ir.Risk():
            return evolve(atom, unit=Unit.SD)
        case ir.Joined(parts=parts):
            return evolve(atom, parts=tuple(_terms_in_sd(part) for part in parts))
    return atom


def _add(left: Value, right: Value) -> Value:
    match left, right:
        case Num(), Num():
            return Num(left.value + right.value, left.unit)
        case Observable(), Observable():
            return evolve(
                left,
                terms=merge(left.terms, right.terms),
                constant=left.constant + right.constant,
            )
        case (Observable() as observable, Num() as number) | (
            Num() as number,
            Observable() as observable,
        ):
            return evolve(observable, constant=observable.constant + number.real)
        case Weighted(), Weighted():
            expression = ir.Expression(
                merge(left.expression.terms, right.expression.terms),
                left.expression.constant + right.expression.constant,
            )
            return Weighted(expression, left.unit, left.about + right.about)
        case (Weighted() as weighted, Num() as number) | (
            Num() as number,
            Weighted() as weighted,
        ):
            shifted = evolve(
                weighted.expression, constant=weighted.expression.constant + number.real
            )
            return evolve(weighted, expression=shifted)
    raise AssertionError(left, right)


def merge(
    left: tuple[tuple[float, T], ...], right: tuple[tuple[float, T], ...]
) -> tuple[tuple[float, T], ...]:
    """Add the coefficients of equal terms, dropping what cancels; first come, first kept."""
    total: dict[T, float] = {}
    for coefficient, term in (*left, *right):
        total[term] = total.get(term, 0.0) + coefficient
    return tuple((coefficient, term) for term, coefficient in total.items() if coefficient)


def _is_row(value: Value) -> bool:
    return isinstance(value, (RowField, RowLiteral, RowArithmetic))


def row_value(value: Value) -> RowExpression:
    """Return a row expression: itself, or a constant beside row fields."""
    if isinstance(value, (RowField, RowLiteral, RowArithmetic)):
        return value
    if isinstance(value, Num):
        number = value.value
        whole = isinstance(number, Fraction) and number.denominator == 1
        return RowLiteral(int(number) if whole else float(number))
    return RowLiteral(cast("str | bool", value))
