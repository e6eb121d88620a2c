"""What comparisons mean: convex constraints on weights, predicates on rows, truth of numbers."""

from pattern_lang.diagnostics.catalogue.goals import NotConvex, StrictInequality, WrongCurvature
from pattern_lang.diagnostics.catalogue.types import NoOperator, UnitMismatch
from pattern_lang.semantics.context import Context, article
from pattern_lang.semantics.operators import unit_words
from pattern_lang.semantics.types import (
    BOOL,
    CONSTRAINT,
    PREDICATE,
    ROW_VALUE,
    STRING,
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

Side = tuple[ast.Expression, Type]


def comparison(context: Context, node: ast.Compare, types: list[Type]) -> Type:
    """Return the type of a chained comparison: Constraint, Predicate or Bool."""
    if UNKNOWN in types:
        return UNKNOWN
    sides: list[Side] = list(
        zip((node.first, *(side for _, side in node.rest)), types, strict=True)
    )
    operators = [operator for operator, _ in node.rest]
    results = [
        _link(context, operator, left, right)
        for operator, left, right in zip(operators, sides, sides[1:], strict=False)
    ]
    if UNKNOWN in results:
        return UNKNOWN
    return CONSTRAINT if CONSTRAINT in results else results[0]


def _link(context: Context, operator: str, left: Side, right: Side) -> Type:
    a, b = left[1], right[1]
    if isinstance(a, WeightType) or isinstance(b, WeightType):
        return _constraint(context, operator, left, right)
    if ROW_VALUE in (a, b) and _comparable_with_row(operator, a, b):
        return PREDICATE
    if isinstance(a, NumberType) and isinstance(b, NumberType) and operator != "in":
        return BOOL if a.unit.converts_to(b.unit) else _mismatch(context, left, right)
    if a == b and a in (STRING, BOOL) and operator in ("==", "!="):
        return BOOL
    return _refuse(context, operator, left, right)


def _comparable_with_row(operator: str, a: Type, b: Type) -> bool:
    if operator == "in":
        return a == ROW_VALUE and isinstance(b, ListType)
    return all(t in (ROW_VALUE, STRING, BOOL) or isinstance(t, NumberType) for t in (a, b))


def _constraint(context: Context, operator: str, left: Side, right: Side) -> Type:
    if operator in ("<", ">", "!=", "in"):
        advice = f"write `{operator}=`" if operator in "<>" else "use `<=`, `>=` or `==`"
        span = left[0].span.to(right[0].span)
        return context.report(StrictInequality(span=span, operator=operator, advice=advice))
    for side in (left, right):
        if not isinstance(side[1], (WeightType, NumberType)):
            return _refuse(context, operator, left, right)
    if not _units_agree(left, right):
        return _mismatch(context, left, right)
    if operator == "==":
        return _equality(context, left, right)
    small, large = (left, right) if operator == "<=" else (right, left)
    return _inequality(context, small, large)


def _units_agree(left: Side, right: Side) -> bool:
    a, b = left[1], right[1]
    assert isinstance(a, (WeightType, NumberType))
    assert isinstance(b, (WeightType, NumberType))
    if a.unit.converts_to(b.unit):
        return True
    # A predicted shift or its risk may be compared in posterior standard deviations.
    for (weights, kind), (_, number) in ((left, right), (right, left)):
        if isinstance(kind, WeightType) and isinstance(number, NumberType):
            return number.unit is Unit.SD and _is_about_observable(weights)
    return False


def _is_about_observable(expression: ast.Expression) -> bool:
    match expression:
        case ast.Call(function=ast.Name(name=name)):
            return name in ("predicted", "risk")
        case ast.Signed(operand=inner):
            return _is_about_observable(inner)
        case ast.Chain(first=first, rest=rest):
            parts = [first, *(part for _, part in rest)]
            return all(_is_about_observable(p) or isinstance(p, ast.Number) for p in parts)
    return False


def _equality(context: Context, left: Side, right: Side) -> Type:
    for expression, kind in (left, right):
        if isinstance(kind, WeightType) and kind.curvature is not Curvature.AFFINE:
            return context.report(
                WrongCurvature(
                    span=expression.span,
                    place="a side of `==`",
                    needed="affine",
                    curvature=kind.curvature.value,
                    advice="bound it from one side with `<=` or `>=`",
                )
            )
    return _shapes(context, "==", left, right)


def _inequality(context: Context, small: Side, large: Side) -> Type:
    for side, other, allowed, place in (
        (small, large, Curvature.CONVEX, "the smaller side of an inequality"),
        (large, small, Curvature.CONCAVE, "the larger side of an inequality"),
    ):
        expression, kind = side
        if not isinstance(kind, WeightType) or kind.curvature in (Curvature.AFFINE, allowed):
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
        return context.report(
            WrongCurvature(
                span=expression.span,
                place=place,
                needed=f"{allowed.value} or affine",
                curvature=kind.curvature.value,
                advice=_turn_round(kind.curvature, expression),
            )
        )
    return _shapes(context, "<=", small, large)


def _turn_round(curvature: Curvature, expression: ast.Expression) -> str:
    text = expression.span.text
    if curvature is Curvature.CONVEX:
        return f"only `{text} <= LIMIT` describes a convex set"
    return f"only `{text} >= LIMIT` describes a convex set"


def _shapes(context: Context, operator: str, left: Side, right: Side) -> Type:
    shapes = {t.shape for _, t in (left, right) if isinstance(t, WeightType)} - {Shape.SCALAR}
    return CONSTRAINT if len(shapes) < 2 else _refuse(context, operator, left, right)


def _mismatch(context: Context, left: Side, right: Side) -> Type:
    units = [t.unit for _, t in (left, right) if isinstance(t, (WeightType, NumberType))]
    return context.report(
        UnitMismatch(
            span=right[0].span,
            action="compare",
            left=unit_words(units[0]),
            right=unit_words(units[1]),
            other=left[0].span,
        )
    )


def _refuse(context: Context, operator: str, left: Side, right: Side) -> Type:
    return context.report(
        NoOperator(
            span=right[0].span,
            operator=operator,
            left=article(left[1]),
            right=article(right[1]),
            other=left[0].span,
            advice="comparisons are between weights and numbers, row fields and values, or numbers",
        )
    )
