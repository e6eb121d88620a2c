"""What comparisons mean: convex constraints on weights, predicates on rows, truth of numbers."""

from pattern_lang.diagnostics.catalogue.goals import (
    NotAConstraint,
    NotConvex,
    StrictInequality,
    WrongCurvature,
)
from pattern_lang.diagnostics.catalogue.types import UnitMismatch
from pattern_lang.semantics.context import Context
from pattern_lang.semantics.operators import Operand, no_operator, same_unit, unit_words
from pattern_lang.semantics.types import (
    BOOL,
    CONSTRAINT,
    PREDICATE,
    ROW_NUMBER,
    ROW_VALUE,
    STRING,
    UNIT_CONSTRAINT,
    UNKNOWN,
    Curvature,
    ListType,
    NumberType,
    Shape,
    Type,
    WeightType,
)
from pattern_lang.semantics.units import Unit
from pattern_lang.syntax import ast

_LEAVES_OUT = "`{}` leaves out the limit itself, and the best weights may lie right on it"
_STRICT = {
    "<": (_LEAVES_OUT.format("<"), "write `<=`"),
    ">": (_LEAVES_OUT.format(">"), "write `>=`"),
    "!=": ("`!=` cuts the weights in two, which is no convex set", "use `<=`, `>=` or `==`"),
    "in": ("`in` is for row fields: weights are numbers in a range", "write `LOW <= w <= HIGH`"),
}


def comparison(context: Context, node: ast.Compare, types: list[Type]) -> Type:
    """Return the type of a chained comparison: Constraint, Predicate or Bool."""
    if UNKNOWN in types:
        return UNKNOWN
    sides: list[Operand] = list(
        zip((node.first, *(side for _, side in node.rest)), types, strict=True)
    )
    operators = [operator for operator, _ in node.rest]
    results = [
        _link(context, operator, left, right)
        for operator, left, right in zip(operators, sides, sides[1:], strict=False)
    ]
    if UNKNOWN in results:
        return UNKNOWN
    if PREDICATE in results and (CONSTRAINT in results or UNIT_CONSTRAINT in results):
        place = results.index(PREDICATE)
        return context.report(
            NotAConstraint(
                span=sides[place][0].span.to(sides[place + 1][0].span),
                found="this part compares rows and says nothing about weights",
                advice="write what is about rows after `where`",
            )
        )
    order = (CONSTRAINT, UNIT_CONSTRAINT, PREDICATE)
    return next((kind for kind in order if kind in results), results[0])


def _link(context: Context, operator: str, left: Operand, right: Operand) -> Type:
    a, b = left[1], right[1]
    if isinstance(a, WeightType) or isinstance(b, WeightType):
        return _constraint(context, operator, left, right)
    if (_is_row(a) or _is_row(b)) and _comparable_with_row(operator, a, b):
        return PREDICATE
    if isinstance(a, NumberType) and isinstance(b, NumberType) and operator != "in":
        return BOOL if a.unit.converts_to(b.unit) else _mismatch(context, left, right)
    if a == b and a in (STRING, BOOL) and operator in ("==", "!="):
        return BOOL
    return _refuse(context, operator, left, right)


def _comparable_with_row(operator: str, a: Type, b: Type) -> bool:
    if operator == "in":
        return _is_row(a) and isinstance(b, ListType) and _is_scalar(b.element)
    return _is_scalar(a) and _is_scalar(b)


def _is_row(kind: Type) -> bool:
    return kind in (ROW_VALUE, ROW_NUMBER)


def _is_scalar(kind: Type | None) -> bool:
    return kind in (None, ROW_VALUE, ROW_NUMBER, STRING, BOOL) or isinstance(kind, NumberType)


def _constraint(context: Context, operator: str, left: Operand, right: Operand) -> Type:
    if operator in ("<", ">", "!=", "in"):
        fact, advice = _STRICT[operator]
        span = left[0].span.to(right[0].span)
        return context.report(
            StrictInequality(span=span, operator=operator, fact=fact, advice=advice)
        )
    for side, other in ((left, right), (right, left)):
        if not isinstance(side[1], (WeightType, NumberType)) and not _per_unit(side, other):
            return _refuse(context, operator, left, right)
    if not _units_agree(left, right):
        return _mismatch(context, left, right)
    if operator == "==":
        return _equality(context, left, right)
    small, large = (left, right) if operator == "<=" else (right, left)
    return _inequality(context, small, large)


def _per_unit(side: Operand, other: Operand) -> bool:
    """Tell whether one side is a row's number that each unit's weight is compared with."""
    weights = other[1]
    return (
        side[1] in (ROW_VALUE, ROW_NUMBER)
        and isinstance(weights, WeightType)
        and weights.shape is Shape.ENTRIES
        and weights.unit is Unit.ONE
    )


def _units_agree(left: Operand, right: Operand) -> bool:
    a, b = left[1], right[1]
    if not isinstance(a, (WeightType, NumberType)) or not isinstance(b, (WeightType, NumberType)):
        return True
    if a.unit.converts_to(b.unit):
        return True
    # Predicted shifts and what is made of them alone can be compared with posterior standard
    # deviations.
    return all(side.unit is Unit.SD or _is_about_shifts(side) for side in (a, b))


def _is_about_shifts(kind: WeightType | NumberType) -> bool:
    return isinstance(kind, WeightType) and kind.about


def _equality(context: Context, left: Operand, right: Operand) -> Type:
    for (expression, kind), (other, _) in ((left, right), (right, left)):
        if isinstance(kind, WeightType) and kind.curvature is not Curvature.AFFINE:
            text, limit = expression.span.text, other.span.text
            bound = ">=" if kind.curvature in (Curvature.CONCAVE, Curvature.QUASI) else "<="
            return context.report(
                WrongCurvature(
                    span=expression.span,
                    fact=f"`==` takes expressions that are affine in w, and this is "
                    f"{kind.curvature.value}",
                    curvature=kind.curvature.value,
                    advice=f"bound it from one side: `{text} {bound} {limit}`",
                )
            )
    return _shapes(context, "==", left, right)


def _inequality(context: Context, small: Operand, large: Operand) -> Type:
    for side, other, allowed in (
        (small, large, Curvature.CONVEX),
        (large, small, Curvature.CONCAVE),
    ):
        expression, kind = side
        if not isinstance(kind, WeightType):
            continue
        if kind.curvature in (Curvature.AFFINE, Curvature.OPEN, allowed):
            continue
        if kind.curvature is Curvature.QUASI and side is large:
            if isinstance(other[1], NumberType):
                continue
            return context.report(
                NotConvex(
                    span=expression.span,
                    fact="`ess` can only be compared with a number",
                    curvature="quasiconcave",
                    advice="write `ess(w) >= SHARE`",
                )
            )
        return context.report(_wrong_way(expression, kind.curvature))
    return _shapes(context, "<=", small, large)


def _wrong_way(expression: ast.Expression, curvature: Curvature) -> WrongCurvature:
    text = expression.span.text
    above = curvature is Curvature.CONVEX
    side, other = ("above", "below") if above else ("below", "above")
    bound = f"{text} {'<=' if above else '>='} LIMIT"
    return WrongCurvature(
        span=expression.span,
        fact=f"`{text}` is {curvature.value} in w, so it can be bounded from {side} and not "
        f"from {other}",
        curvature=curvature.value,
        advice=f"only `{bound}` describes a convex set of weights",
    )


def _shapes(context: Context, operator: str, left: Operand, right: Operand) -> Type:
    shapes = {t.shape for _, t in (left, right) if isinstance(t, WeightType)} - {Shape.SCALAR}
    if len(shapes) > 1:
        return _refuse(context, operator, left, right)
    return UNIT_CONSTRAINT if shapes == {Shape.ENTRIES} else CONSTRAINT


def _mismatch(context: Context, left: Operand, right: Operand) -> Type:
    units = [t.unit for _, t in (left, right) if isinstance(t, (WeightType, NumberType))]
    return context.report(
        UnitMismatch(
            span=right[0].span,
            fact=f"cannot compare {unit_words(units[0])} and {unit_words(units[1])}",
            left=units[0].words,
            right=units[1].words,
            other=left[0].span,
            advice=same_unit((left[0], units[0]), (right[0], units[1])),
        )
    )


def _refuse(context: Context, operator: str, left: Operand, right: Operand) -> Type:
    advice = "comparisons are between weights and numbers, row fields and values, or numbers"
    if operator == "in":
        advice = "`in` stands between a row field and a list, such as `row.FIELD in [1, 2]`"
    return no_operator(context, operator, left, right, advice)
