"""What `+ - * / ^` and signs mean for each pair of types, curvature included."""

from attrs import evolve

from pattern_lang.diagnostics.catalogue.goals import NotConvex
from pattern_lang.diagnostics.catalogue.types import NoOperator, UnitMismatch
from pattern_lang.semantics.context import Context, article
from pattern_lang.semantics.types import (
    REAL,
    ROW_VALUE,
    STRING,
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
    Curvature.AFFINE: Curvature.AFFINE,
    Curvature.CONVEX: Curvature.CONCAVE,
    Curvature.CONCAVE: Curvature.CONVEX,
}


def constant_sign(expression: ast.Expression) -> int | None:
    """Return the sign of a number that is written out, or None where it needs a value."""
    match expression:
        case ast.Number() | ast.Quantity():
            return (expression.value > 0) - (expression.value < 0)
        case ast.Signed():
            inner = constant_sign(expression.operand)
            return inner if inner is None or expression.sign == "+" else -inner
        case ast.Chain() if all(operator in "*/" for operator, _ in expression.rest):
            signs = [
                constant_sign(expression.first),
                *(constant_sign(e) for _, e in expression.rest),
            ]
            if None in signs:
                return None
            product = 1
            for sign in signs:
                product *= sign or 0
            return product
    return None


def signed(context: Context, node: ast.Signed, operand: Type) -> Type:
    """Return the type of `+x` or `-x`."""
    match operand:
        case NumberType() | ObservableType(family=0):
            return operand
        case WeightType():
            return scaled(context, node, operand, -1 if node.sign == "-" else 1)
    if operand in (ROW_VALUE, UNKNOWN):
        return operand
    other = node.operand.span
    return context.report(
        NoOperator(
            span=node.span,
            operator=node.sign,
            left="nothing",
            right=article(operand),
            other=other,
            advice="a sign applies to numbers, observables and expressions in w",
        )
    )


def scaled(context: Context, node: ast.Expression, weights: WeightType, sign: int | None) -> Type:
    """Return the type of an expression in w times a number with this sign (None: unknown)."""
    if sign is None or sign > 0 or weights.curvature is Curvature.AFFINE:
        return weights
    if weights.curvature is Curvature.QUASI:
        return context.report(
            NotConvex(
                span=node.span,
                fact="a negative multiple of `ess` bounds no convex set of weights",
                curvature="quasiconvex",
                advice="write it as `ess(w) >= SHARE`",
            )
        )
    return evolve(weights, curvature=_MIRROR[weights.curvature])


def binary(
    context: Context,
    operator: str,
    left: tuple[ast.Expression, Type],
    right: tuple[ast.Expression, Type],
    node: ast.Expression,
) -> Type:
    """Return the type of `left operator right`; `node` is the whole expression."""
    types = (left[1], right[1])
    if UNKNOWN in types:
        return UNKNOWN
    rule = _sum if operator in "+-" else _product
    found = rule(context, operator, left, right, node)
    if found is not None:
        return found
    return context.report(
        NoOperator(
            span=right[0].span,
            operator=operator,
            left=article(types[0]),
            right=article(types[1]),
            other=left[0].span,
            advice=_advice(operator, *types),
        )
    )


def _sum(
    context: Context,
    operator: str,
    left: tuple[ast.Expression, Type],
    right: tuple[ast.Expression, Type],
    node: ast.Expression,
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
            return _weights_sum(context, operator, left, right, node)
        case a, b if _is_row_arithmetic(a, b):
            return ROW_VALUE
    return None


def _weights_sum(
    context: Context,
    operator: str,
    left: tuple[ast.Expression, Type],
    right: tuple[ast.Expression, Type],
    node: ast.Expression,
) -> Type | None:
    match left[1], right[1]:
        case WeightType() as w, NumberType() as n:
            return _weights_and_number(context, operator, left, right, (w, n))
        case NumberType() as n, WeightType() as w:
            negated = scaled(context, right[0], w, -1 if operator == "-" else 1)
            if not isinstance(negated, WeightType):
                return negated
            return _weights_and_number(context, operator, left, right, (negated, n))
        case WeightType() as a, WeightType() as b:
            other = scaled(context, right[0], b, -1 if operator == "-" else 1)
            if not isinstance(other, WeightType):
                return other
            return _weights_and_weights(context, operator, left, right, (a, other), node)
    return None


def _product(
    context: Context,
    operator: str,
    left: tuple[ast.Expression, Type],
    right: tuple[ast.Expression, Type],
    node: ast.Expression,
) -> Type | None:
    match left[1], right[1]:
        case NumberType() as a, NumberType() as b:
            return _number_product(operator, a, b)
        case ObservableType(family=0) as o, NumberType() as n if _is_plain(n):
            return o
        case NumberType() as n, ObservableType(family=0) as o if _is_plain(n) and operator == "*":
            return o
        case WeightType() as w, NumberType() as n if _is_plain(n):
            return scaled(context, node, w, constant_sign(right[0]))
        case NumberType() as n, WeightType() as w if _is_plain(n) and operator == "*":
            return scaled(context, node, w, constant_sign(left[0]))
        case a, b if _is_row_arithmetic(a, b):
            return ROW_VALUE
    return None


def power(context: Context, node: ast.Power, base: Type, exponent: Type) -> Type:
    """Return the type of `base ^ exponent`."""
    if UNKNOWN in (base, exponent):
        return UNKNOWN
    if isinstance(base, WeightType):
        return context.report(
            NotConvex(
                span=node.span,
                fact="powers of expressions in w are not known to be convex",
                curvature="unknown curvature",
                advice="write `sum_squares(w - 1)`, `norm(w - 1)` or `chi2(w)`",
            )
        )
    if isinstance(base, NumberType) and isinstance(exponent, NumberType):
        if _is_plain(base) and _is_plain(exponent):
            return REAL
    elif _is_row_arithmetic(base, exponent):
        return ROW_VALUE
    return context.report(
        NoOperator(
            span=node.exponent.span,
            operator="^",
            left=article(base),
            right=article(exponent),
            other=node.base.span,
            advice="powers are of plain numbers and row fields",
        )
    )


def _is_plain(number: NumberType) -> bool:
    return number.unit.canonical is Unit.ONE


def _is_row_arithmetic(left: Type, right: Type) -> bool:
    allowed = (ROW_VALUE, STRING)
    numeric = isinstance(left, NumberType) or isinstance(right, NumberType)
    return ROW_VALUE in (left, right) and (numeric or (left in allowed and right in allowed))


def _number_product(operator: str, a: NumberType, b: NumberType) -> Type | None:
    integer = a.integer and b.integer and operator == "*"
    if _is_plain(b):
        return NumberType(a.unit.canonical, integer)
    if operator == "*":
        return NumberType(b.unit.canonical) if _is_plain(a) else None
    return REAL if a.unit.converts_to(b.unit) else None


def _mismatch(
    context: Context,
    operator: str,
    left: tuple[ast.Expression, Type],
    right: tuple[ast.Expression, Type],
    units: tuple[Unit, Unit],
) -> Type:
    names = [unit_words(unit) for unit in units]
    return context.report(
        UnitMismatch(
            span=right[0].span,
            action="add" if operator == "+" else "subtract",
            left=names[0],
            right=names[1],
            other=left[0].span,
        )
    )


def unit_words(unit: Unit) -> str:
    """Write a unit as messages do."""
    return "plain numbers" if unit is Unit.ONE else unit.value


def _weights_and_number(
    context: Context,
    operator: str,
    left: tuple[ast.Expression, Type],
    right: tuple[ast.Expression, Type],
    types: tuple[WeightType, NumberType],
) -> Type:
    weights, number = types
    if weights.unit.converts_to(number.unit):
        return weights
    units = (weights.unit, number.unit) if left[1] is not number else (number.unit, weights.unit)
    return _mismatch(context, operator, left, right, units)


def _weights_and_weights(
    context: Context,
    operator: str,
    left: tuple[ast.Expression, Type],
    right: tuple[ast.Expression, Type],
    types: tuple[WeightType, WeightType],
    node: ast.Expression,
) -> Type | None:
    a, b = types
    if not a.unit.converts_to(b.unit):
        return _mismatch(context, operator, left, right, (a.unit, b.unit))
    shapes = {a.shape, b.shape} - {Shape.SCALAR}
    if len(shapes) > 1:
        return None
    shape = shapes.pop() if shapes else Shape.SCALAR
    curvatures = {a.curvature, b.curvature} - {Curvature.AFFINE}
    if len(curvatures) > 1 or Curvature.QUASI in curvatures:
        return context.report(
            NotConvex(
                span=node.span,
                fact="this adds terms that bend in different directions",
                curvature=f"{a.curvature.value} {operator} {types[1].curvature.value}",
                advice="bound each term in a `require` of its own",
            )
        )
    return WeightType(shape, curvatures.pop() if curvatures else Curvature.AFFINE, a.unit)


def _advice(operator: str, left: Type, right: Type) -> str:
    kinds = (left, right)
    if any(isinstance(kind, WeightType) for kind in kinds) and operator in "*/":
        return "an expression in w can only be multiplied or divided by a plain number"
    if any(isinstance(kind, ObservableType) for kind in kinds):
        return "observables combine linearly: add them, or multiply one by a plain number"
    return "check what the two names stand for"
