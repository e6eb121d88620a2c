"""What `+ - * / ^` and signs mean for each pair of types, curvature included."""

import operator as operators
from collections.abc import Callable

from attrs import evolve

from pattern_lang.diagnostics import Span
from pattern_lang.diagnostics.catalogue.goals import NotConvex
from pattern_lang.diagnostics.catalogue.types import NoOperator, UnitMismatch
from pattern_lang.semantics.context import Context, article, clause
from pattern_lang.semantics.types import (
    REAL,
    ROW_NUMBER,
    ROW_VALUE,
    UNKNOWN,
    Curvature,
    NumberType,
    ObservableType,
    Shape,
    Type,
    WeightType,
)
from pattern_lang.semantics.units import Unit
from pattern_lang.syntax import ast

_MIRROR = {
    Curvature.CONVEX: Curvature.CONCAVE,
    Curvature.CONCAVE: Curvature.CONVEX,
    Curvature.OPEN: Curvature.OPEN,
}

_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operators.add,
    "-": operators.sub,
    "*": operators.mul,
    "/": operators.truediv,
}

Operand = tuple[ast.Expression, Type]


def constant_sign(expression: ast.Expression) -> int | None:
    """Return the sign of a number that is written out, or None where it needs a value."""
    value = _constant(expression)
    return None if value is None else (value > 0) - (value < 0)


def _constant(expression: ast.Expression) -> float | None:
    match expression:
        case ast.Number(value=number) | ast.Quantity(value=number):
            return float(number)
        case ast.Signed(sign=sign, operand=operand):
            inner = _constant(operand)
            return inner if inner is None or sign == "+" else -inner
        case ast.Chain(first=first, rest=rest):
            total = _constant(first)
            for operator, operand in rest:
                value = _constant(operand)
                if total is None or value is None or (operator == "/" and not value):
                    return None
                total = _ARITHMETIC[operator](total, value)
            return total
    return None


def signed(context: Context, node: ast.Signed, operand: Type) -> Type:
    """Return the type of `+x` or `-x`."""
    match operand:
        case NumberType() | ObservableType(family=0):
            return operand
        case WeightType():
            return scaled(context, node.span, operand, -1 if node.sign == "-" else 1)
    if operand == UNKNOWN:
        return UNKNOWN
    if operand in (ROW_VALUE, ROW_NUMBER):
        return ROW_NUMBER
    return context.report(
        NoOperator(
            span=node.operand.span,
            fact=f"the sign `{node.sign}` does not apply to {article(operand)}",
            right=clause(operand),
            advice="a sign stands before numbers, observables and expressions in w",
        )
    )


def scaled(context: Context, span: Span, weights: WeightType, sign: int | None) -> Type:
    """Return the type of an expression in w times a number with this sign (None: unknown)."""
    if weights.curvature is Curvature.AFFINE or (sign is not None and sign > 0):
        return weights
    quasi = weights.curvature is Curvature.QUASI
    if not sign:
        # A multiple of `ess` compares with a number only, whichever sign its factor has.
        return weights if quasi else evolve(weights, curvature=Curvature.OPEN)
    if quasi:
        return context.report(
            NotConvex(
                span=span,
                fact="a negative multiple of `ess` bounds no convex set of weights",
                curvature="quasiconvex",
                advice="write it as `ess(w) >= SHARE`",
            )
        )
    return evolve(weights, curvature=_MIRROR[weights.curvature])


def binary(
    context: Context,
    operator: str,
    left: Operand,
    right: Operand,
    span: Span,
) -> Type:
    """Return the type of `left operator right`; `span` is the place of the whole."""
    types = (left[1], right[1])
    if UNKNOWN in types:
        return UNKNOWN
    rule = _sum if operator in "+-" else _product
    found = rule(context, operator, left, right, span)
    if found is not None:
        return found
    return no_operator(context, operator, left, right, _advice(operator, *types))


def no_operator(
    context: Context, operator: str, left: Operand, right: Operand, advice: str
) -> Type:
    """Report an operator between two types that it does not join."""
    names = article(left[1]), article(right[1])
    return context.report(
        NoOperator(
            span=right[0].span,
            fact=f"`{operator}` does not apply to {names[0]} and {names[1]}",
            left=clause(left[1]),
            right=clause(right[1]),
            other=left[0].span,
            advice=advice,
        )
    )


def _sum(
    context: Context,
    operator: str,
    left: Operand,
    right: Operand,
    span: Span,
) -> Type | None:
    match left[1], right[1]:
        case NumberType() as a, NumberType() as b:
            if not a.unit.converts_to(b.unit):
                return _mismatch(context, operator, left, right, (a.unit, b.unit))
            return NumberType(a.unit.canonical, a.integer and b.integer)
        case ObservableType(family=0) as a, ObservableType(family=0) as b:
            if a.unit and b.unit and not a.unit.converts_to(b.unit):
                return _mismatch(context, operator, left, right, (a.unit, b.unit))
            return a if a.unit else b
        case (ObservableType(family=0) as o, NumberType() as n) | (
            NumberType() as n,
            ObservableType(family=0) as o,
        ):
            if o.unit and not o.unit.converts_to(n.unit):
                units = (o.unit, n.unit) if left[1] is o else (n.unit, o.unit)
                return _mismatch(context, operator, left, right, units)
            return o
        case (WeightType(), _) | (_, WeightType()):
            return _weights_sum(context, operator, left, right, span)
        case a, b if _is_row_arithmetic(a, b):
            return ROW_NUMBER
    return None


def _weights_sum(
    context: Context,
    operator: str,
    left: Operand,
    right: Operand,
    span: Span,
) -> Type | None:
    match left[1], right[1]:
        case WeightType() as w, NumberType() as n:
            return _weights_and_number(context, operator, left, right, (w, n))
        case NumberType() as n, WeightType() as w:
            negated = scaled(context, right[0].span, w, -1 if operator == "-" else 1)
            if not isinstance(negated, WeightType):
                return negated
            return _weights_and_number(context, operator, left, right, (negated, n))
        case WeightType() as a, WeightType() as b:
            other = scaled(context, right[0].span, b, -1 if operator == "-" else 1)
            if not isinstance(other, WeightType):
                return other
            return _weights_and_weights(context, operator, left, right, (a, other), span)
    return None


def _product(
    context: Context,
    operator: str,
    left: Operand,
    right: Operand,
    span: Span,
) -> Type | None:
    match left[1], right[1]:
        case NumberType() as a, NumberType() as b:
            return _number_product(operator, a, b)
        case ObservableType(family=0) as o, NumberType() as n if _is_plain(n):
            return o
        case NumberType() as n, ObservableType(family=0) as o if _is_plain(n) and operator == "*":
            return o
        case WeightType() as w, NumberType() as n if _is_plain(n):
            return scaled(context, span, w, constant_sign(right[0]))
        case WeightType() as w, NumberType() as n if operator == "/" and _measured(w, n):
            ratio = evolve(w, unit=Unit.ONE, about=False)
            return scaled(context, span, ratio, constant_sign(right[0]))
        case NumberType() as n, WeightType() as w if _is_plain(n) and operator == "*":
            return scaled(context, span, w, constant_sign(left[0]))
        case a, b if _is_row_arithmetic(a, b):
            return ROW_NUMBER
    return None


def power(context: Context, node: ast.Power, base: Type, exponent: Type) -> Type:
    """Return the type of `base ^ exponent`."""
    if UNKNOWN in (base, exponent):
        return UNKNOWN
    if isinstance(base, WeightType):
        vector = base.shape is Shape.ENTRIES
        advice = "`sum_squares(w - 1)`" if vector else f"`square({node.base.span.text})`"
        return context.report(
            NotConvex(
                span=node.span,
                fact="powers of expressions in w are not known to be convex",
                curvature="unknown curvature",
                advice=f"write {advice}",
            )
        )
    if isinstance(base, NumberType) and isinstance(exponent, NumberType):
        if _is_plain(base) and _is_plain(exponent):
            return REAL
    elif _is_row_arithmetic(base, exponent):
        return ROW_NUMBER
    advice = "powers are of plain numbers and row fields"
    return no_operator(context, "^", (node.base, base), (node.exponent, exponent), advice)


def _measured(weights: WeightType, number: NumberType) -> bool:
    """Tell whether an expression in w has the unit of a number, or can be measured in it."""
    in_sd = number.unit is Unit.SD and weights.about
    return in_sd or weights.unit.converts_to(number.unit)


def _is_plain(number: NumberType) -> bool:
    return number.unit.canonical is Unit.ONE


def _is_row_arithmetic(left: Type, right: Type) -> bool:
    rows = (ROW_VALUE, ROW_NUMBER)
    return (left in rows or right in rows) and all(
        kind in rows or isinstance(kind, NumberType) for kind in (left, right)
    )


def _number_product(operator: str, a: NumberType, b: NumberType) -> Type | None:
    integer = a.integer and b.integer and operator == "*"
    if _is_plain(b):
        return NumberType(a.unit.canonical, integer)
    if operator == "*":
        return NumberType(b.unit.canonical) if _is_plain(a) else None
    return REAL if a.unit.converts_to(b.unit) else None


def _mismatch(
    context: Context, operator: str, left: Operand, right: Operand, units: tuple[Unit, Unit]
) -> Type:
    verb = "add" if operator == "+" else "subtract"
    return context.report(
        UnitMismatch(
            span=right[0].span,
            fact=f"cannot {verb} {unit_words(units[0])} and {unit_words(units[1])}",
            left=units[0].words,
            right=units[1].words,
            other=left[0].span,
            advice=same_unit((left[0], units[0]), (right[0], units[1])),
        )
    )


def unit_words(unit: Unit) -> str:
    """Write a unit as messages do."""
    return "plain numbers" if unit is Unit.ONE else unit.value


def same_unit(*sides: tuple[ast.Expression, Unit]) -> str:
    """Return the advice to bring two sides into one unit, written out where that is easy."""
    (one, one_unit), (other, other_unit) = sides
    for expression, unit, wanted in ((one, one_unit, other_unit), (other, other_unit, one_unit)):
        if isinstance(expression, ast.Number) and unit is Unit.ONE:
            return f"write the unit: `{expression.text} {wanted.value}`"
        if isinstance(expression, ast.Quantity) and wanted is Unit.ONE:
            return f"leave the unit out: `{expression.text}`"
    return "write both in the same unit"


def _weights_and_number(
    context: Context,
    operator: str,
    left: Operand,
    right: Operand,
    types: tuple[WeightType, NumberType],
) -> Type:
    weights, number = types
    if weights.unit is not Unit.SD and weights.unit.converts_to(number.unit):
        return evolve(weights, about=False)
    if number.unit is Unit.SD and (weights.about or weights.unit is Unit.SD):
        return evolve(weights, unit=Unit.SD, about=False)
    units = (weights.unit, number.unit) if left[1] is not number else (number.unit, weights.unit)
    return _mismatch(context, operator, left, right, units)


def _weights_and_weights(
    context: Context,
    operator: str,
    left: Operand,
    right: Operand,
    types: tuple[WeightType, WeightType],
    span: Span,
) -> Type | None:
    a, b = types
    if Unit.SD in (a.unit, b.unit) and all(t.about or t.unit is Unit.SD for t in types):
        a, b = evolve(a, unit=Unit.SD), evolve(b, unit=Unit.SD)
    if not a.unit.converts_to(b.unit):
        return _mismatch(context, operator, left, right, (a.unit, b.unit))
    about = a.about and b.about
    shapes = {a.shape, b.shape} - {Shape.SCALAR}
    if len(shapes) > 1:
        return None
    shape = shapes.pop() if shapes else Shape.SCALAR
    curvatures = {a.curvature, b.curvature} - {Curvature.AFFINE}
    if Curvature.QUASI in curvatures:
        return context.report(
            NotConvex(
                span=span,
                fact="a sum with `ess` in it bounds no convex set of weights",
                curvature="not convex",
                advice="write `ess(w) >= SHARE` in a `require` of its own",
            )
        )
    if Curvature.OPEN in curvatures:
        return WeightType(shape, Curvature.OPEN, a.unit, about)
    if len(curvatures) > 1:
        return context.report(
            NotConvex(
                span=span,
                fact="this adds terms that bend in different directions",
                curvature=f"{a.curvature.value} {operator} {types[1].curvature.value}",
                advice="bound each term in a `require` of its own",
            )
        )
    curvature = curvatures.pop() if curvatures else Curvature.AFFINE
    return WeightType(shape, curvature, a.unit, about)


def _advice(operator: str, left: Type, right: Type) -> str:
    kinds = (left, right)
    if any(isinstance(kind, WeightType) for kind in kinds) and operator in "*/":
        return "an expression in w can only be multiplied or divided by a plain number"
    if any(isinstance(kind, ObservableType) and kind.family for kind in kinds):
        return "a family is no single observable: name one of its members"
    if any(isinstance(kind, ObservableType) for kind in kinds):
        return "observables combine linearly: add them, or multiply one by a plain number"
    return "check what the two sides stand for"
