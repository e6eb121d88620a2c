"""The type of a list: what its items have in common."""

from attrs import evolve

from pattern_lang.diagnostics.catalogue.types import TypeMismatch, UnitMismatch
from pattern_lang.semantics.context import Context, article, clause
from pattern_lang.semantics.scope import Scope
from pattern_lang.semantics.types import (
    UNKNOWN,
    Curvature,
    ListType,
    ObservableType,
    Type,
    WeightType,
    fits,
)
from pattern_lang.semantics.units import Unit
from pattern_lang.syntax import ast

Item = tuple[ast.Expression, WeightType]


def list_of(context: Context, node: ast.ListOf, scope: Scope, wanted: Type | None) -> Type:
    """Return the type of a list; its items must have one type between them."""
    element = wanted.element if isinstance(wanted, ListType) else None
    types = [context.infer(item, scope, element) for item in node.items]
    if not types:
        return ListType(element)
    if UNKNOWN in types:
        return UNKNOWN
    common = types[0]
    for item, kind in zip(node.items, types, strict=True):
        joined = _common(common, kind)
        if joined is None and isinstance(common, WeightType) and isinstance(kind, WeightType):
            return _different(context, (node.items[0], common), (item, kind))
        if joined is None:
            return context.report(
                TypeMismatch(
                    span=item.span,
                    place="each item of this list",
                    wanted=f"{article(common)}, as its first one is",
                    found=clause(kind),
                )
            )
        common = joined
    return ListType(common)


def _common(one: Type, other: Type) -> Type | None:
    """Return the type of a list with items of two types, or None where there is none."""
    if isinstance(one, ObservableType) and isinstance(other, ObservableType):
        return one if one == other else ObservableType(None, max(one.family, other.family))
    if isinstance(one, WeightType) and isinstance(other, WeightType):
        return _common_weights(one, other)
    if fits(other, one):
        return one
    return other if fits(one, other) else None


def _different(
    context: Context,
    first: tuple[ast.Expression, WeightType],
    item: tuple[ast.Expression, WeightType],
) -> Type:
    """Report two expressions in w that make no list: of two units, shapes or curvatures."""
    (one, a), (other, b) = first, item
    if a.shape is b.shape and not a.unit.converts_to(b.unit):
        advice = f"divide each by an amount of its unit, such as `{one.span.text} / 1 sd`"
        fact = "the items of a list are measured in different units"
        return context.report(
            UnitMismatch(
                span=other.span,
                fact=fact,
                left=a.unit.words,
                right=b.unit.words,
                other=one.span,
                advice=advice,
            )
        )
    return context.report(
        TypeMismatch(
            span=other.span,
            place="each item of this list",
            wanted=f"{article(a)}, as its first one is",
            found=clause(b),
        )
    )


def _common_weights(one: WeightType, other: WeightType) -> Type | None:
    """Return what two expressions in w of one unit are both: flat ones are convex and concave."""
    curved = {one.curvature, other.curvature} - {Curvature.AFFINE}
    if Unit.SD in (one.unit, other.unit) and all(
        t.about or t.unit is Unit.SD for t in (one, other)
    ):
        one, other = evolve(one, unit=Unit.SD), evolve(other, unit=Unit.SD)
    if one.shape is not other.shape or not one.unit.converts_to(other.unit) or len(curved) > 1:
        return None
    curvature = curved.pop() if curved else Curvature.AFFINE
    return evolve(one, curvature=curvature, about=one.about and other.about)
