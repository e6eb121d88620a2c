"""The type of an expression: one case for each kind of node."""

from pattern_lang.diagnostics.catalogue.names import NotInModule, UnknownMember, UnknownName
from pattern_lang.diagnostics.catalogue.types import NoOperator, UnknownUnit, WrongIndexing
from pattern_lang.diagnostics.suggest import closest
from pattern_lang.semantics import operators
from pattern_lang.semantics.calls import call
from pattern_lang.semantics.comparisons import comparison
from pattern_lang.semantics.context import Context, article
from pattern_lang.semantics.core import UNITS, core_functions
from pattern_lang.semantics.scope import Local, Namespace, Scope, Symbol
from pattern_lang.semantics.types import (
    ARM,
    BOOL,
    DATA,
    FUNCTION,
    INT,
    MODULE,
    PREDICATE,
    RANGE,
    REAL,
    ROW,
    ROW_VALUE,
    STRING,
    UNKNOWN,
    ListType,
    NumberType,
    ObservableType,
    Type,
    fits,
)
from pattern_lang.semantics.units import UNIT_NAMES
from pattern_lang.syntax import ast

_CORE = core_functions()


def infer(  # noqa: C901  (one case for each kind of node)
    context: Context, node: ast.Expression, scope: Scope, wanted: Type | None
) -> Type:
    """Return the type of an expression; problems go to the context."""
    match node:
        case ast.Number(text=text):
            return INT if text.isdigit() else REAL
        case ast.Quantity():
            return _quantity(context, node)
        case ast.String():
            return STRING
        case ast.Boolean():
            return BOOL
        case ast.Name():
            return _name(context, node, scope, wanted)
        case ast.Attribute():
            return _attribute(context, node, scope)
        case ast.Call():
            return call(context, node, scope, wanted)
        case ast.Subscript():
            return _subscript(context, node, scope)
        case ast.ListOf():
            return _list(context, node, scope, wanted)
        case ast.Range():
            context.check(node.low, scope, INT, place="the start of a range")
            context.check(node.high, scope, INT, place="the end of a range")
            return RANGE
        case ast.Signed():
            return operators.signed(context, node, context.infer(node.operand, scope, wanted))
        case ast.Chain():
            return _chain(context, node, scope, wanted)
        case ast.Power():
            base, exponent = context.infer(node.base, scope), context.infer(node.exponent, scope)
            return operators.power(context, node, base, exponent)
        case ast.Compare():
            sides = (node.first, *(side for _, side in node.rest))
            return comparison(context, node, [context.infer(side, scope) for side in sides])
        case ast.Logical(operands=operands):
            return _truth(context, operands, scope)
        case ast.Negation(operand=operand):
            return _truth(context, (operand,), scope)
        case ast.Where():
            context.check(node.base, scope, DATA, place="what stands before `where`")
            for predicate in node.predicates:
                context.check(predicate, scope, PREDICATE, place="what stands after `where`")
            return DATA
    raise AssertionError(node)


def _quantity(context: Context, node: ast.Quantity) -> Type:
    unit = UNIT_NAMES.get(node.unit.name)
    if unit is not None:
        return NumberType(unit, integer=False)
    advice = closest(node.unit.name, UNITS, f"units are {', '.join(UNITS)}")
    return context.report(UnknownUnit(span=node.unit.span, name=node.unit.name, advice=advice))


def _name(context: Context, node: ast.Name, scope: Scope, wanted: Type | None) -> Type:
    meaning = scope.find(node.name)
    match meaning:
        case Local():
            return meaning.type
        case Symbol():
            return context.type_of(meaning, node.span)
        case Namespace():
            return MODULE
    if node.name == "row":
        return ROW
    if node.name == "base" and wanted == ARM:
        return ARM
    if node.name in _CORE:
        return FUNCTION
    if node.name in scope.module.file.lost:
        return UNKNOWN
    known = (*scope.visible(), *_CORE, "row", *(("base",) if wanted == ARM else ()))
    advice = closest(node.name, known, "declare it, or `use` the module that has it")
    return context.report(UnknownName(span=node.span, name=node.name, advice=advice))


def _attribute(context: Context, node: ast.Attribute, scope: Scope) -> Type:
    base = node.base
    meaning = scope.find(base.name) if isinstance(base, ast.Name) else None
    if isinstance(meaning, Namespace):
        symbol = meaning.module.names.get(node.name.name)
        if isinstance(symbol, Symbol):
            return context.type_of(symbol, node.span)
        known = [item.name for item in meaning.module.declared()]
        advice = closest(node.name.name, known, f"it has {', '.join(known)}")
        return context.report(
            NotInModule(
                span=node.name.span, module=meaning.name, name=node.name.name, advice=advice
            )
        )
    found = context.infer(base, scope)
    if found in (ROW, UNKNOWN):
        return ROW_VALUE if found == ROW else UNKNOWN
    return context.report(
        UnknownMember(
            span=node.name.span,
            type=str(found),
            name=node.name.name,
            advice="only `row`, modules and models have members",
        )
    )


def _subscript(context: Context, node: ast.Subscript, scope: Scope) -> Type:
    found = context.infer(node.base, scope)
    for index in node.indices:
        context.check(index, scope, INT, place="an index")
    match found:
        case ObservableType(family=0) | NumberType():
            fact = f"this is {article(found)}, not a family, so it takes no index"
            advice = "remove the index, or declare the family with `observable NAME[i in 0..N]`"
        case ObservableType(family=count):
            if count == len(node.indices):
                return ObservableType(found.unit)
            fact = f"this family takes {count} indices, but {len(node.indices)} are given"
            advice = f"give {count} indices"
        case ListType(element=element) if len(node.indices) == 1 and element:
            return element
        case _ if found == UNKNOWN:
            return UNKNOWN
        case _:
            fact, advice = f"this is {article(found)}, which takes no index", "remove the index"
    return context.report(WrongIndexing(span=node.span, fact=fact, advice=advice))


def _list(context: Context, node: ast.ListOf, scope: Scope, wanted: Type | None) -> Type:
    element = wanted.element if isinstance(wanted, ListType) else None
    types = [context.infer(item, scope, element) for item in node.items]
    if not types:
        return ListType(element)
    first = next((kind for kind in types if kind != INT), types[0])
    for item, kind in zip(node.items, types, strict=True):
        if not (fits(kind, first) or fits(first, kind) or _both_observables(kind, first)):
            return context.report(
                NoOperator(
                    span=item.span,
                    operator="[ ]",
                    left=article(first),
                    right=article(kind),
                    other=node.items[types.index(first)].span,
                    advice="the items of a list have one type",
                )
            )
    return ListType(first)


def _both_observables(a: Type, b: Type) -> bool:
    return all(isinstance(kind, (ObservableType)) for kind in (a, b)) or all(
        isinstance(kind, NumberType) for kind in (a, b)
    )


def _chain(context: Context, node: ast.Chain, scope: Scope, wanted: Type | None) -> Type:
    hint = wanted if isinstance(wanted, ObservableType) else None
    done: ast.Expression = node.first
    found = context.infer(node.first, scope, hint)
    for count, (operator, operand) in enumerate(node.rest, start=1):
        right = context.infer(operand, scope, hint)
        whole = ast.Chain(done.span.to(operand.span), node.first, node.rest[:count])
        found = operators.binary(context, operator, (done, found), (operand, right), whole)
        done = whole
    return found


def _truth(context: Context, operands: tuple[ast.Expression, ...], scope: Scope) -> Type:
    types = [
        context.check(operand, scope, PREDICATE, BOOL, place="what `and`, `or` and `not` join")
        for operand in operands
    ]
    if UNKNOWN in types:
        return UNKNOWN
    return BOOL if all(kind == BOOL for kind in types) else PREDICATE
