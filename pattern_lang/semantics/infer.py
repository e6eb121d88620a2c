"""The type of an expression: one case for each kind of node."""

from pattern_lang.diagnostics import Span
from pattern_lang.diagnostics.catalogue.goals import NotAConstraint, NotConvex, NotPerUnit
from pattern_lang.diagnostics.catalogue.names import UnknownMember, UnknownName
from pattern_lang.diagnostics.catalogue.types import (
    TypeMismatch,
    UnknownUnit,
    WrongIndexing,
)
from pattern_lang.diagnostics.suggest import closest
from pattern_lang.semantics import operators
from pattern_lang.semantics.calls import call, not_in_module
from pattern_lang.semantics.comparisons import comparison
from pattern_lang.semantics.context import Context, article, clause
from pattern_lang.semantics.core import MODEL_METHODS, core_functions
from pattern_lang.semantics.lists import list_of
from pattern_lang.semantics.modules import where_declared
from pattern_lang.semantics.scope import Local, Meaning, Namespace, Scope, Symbol
from pattern_lang.semantics.signatures import form
from pattern_lang.semantics.typenames import type_of_name
from pattern_lang.semantics.types import (
    ARM,
    BOOL,
    CONSTRAINT,
    DATA,
    FUNCTION,
    INT,
    MODEL,
    MODULE,
    PATTERN,
    PREDICATE,
    RANGE,
    REAL,
    ROW,
    ROW_VALUE,
    STRING,
    UNIT_CONSTRAINT,
    UNKNOWN,
    ListType,
    NumberType,
    ObservableType,
    Type,
    fits,
)
from pattern_lang.semantics.units import UNIT_NAMES, unit_advice
from pattern_lang.syntax import ast

_CORE = core_functions()
_MEMBERS = "only rows, modules and models have something after a dot"


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
            return list_of(context, node, scope, wanted)
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
            return comparison(context, node, _sides(context, node, scope, wanted))
        case ast.Logical(operator=operator, operands=operands):
            return _truth(context, node.span, operator, operands, scope)
        case ast.Negation(operand=operand):
            return _truth(context, node.span, "not", (operand,), scope)
        case ast.Where():
            return _where(context, node, scope, wanted)
    raise AssertionError(node)


def _sides(context: Context, node: ast.Compare, scope: Scope, wanted: Type | None) -> list[Type]:
    """Return the types of what is compared; what stands beside a row field may be a text."""
    first = context.infer(node.first, scope, ROW_VALUE if wanted == PREDICATE else None)
    hint = STRING if first == ROW_VALUE else None
    return [first, *(context.infer(side, scope, hint) for _, side in node.rest)]


def _quantity(context: Context, node: ast.Quantity) -> Type:
    unit = UNIT_NAMES.get(node.unit.name)
    if unit is not None:
        return NumberType(unit, integer=False)
    name = node.unit.name
    if name[0] == "_" and name.strip("_").replace("_", "").isdigit():
        advice = "write the digits of a number without a sign between them"
    else:
        advice = unit_advice(name)
    return context.report(UnknownUnit(span=node.unit.span, name=name, advice=advice))


def _is_pattern(meaning: Meaning | None) -> bool:
    """Tell whether a name means a pattern: a model may well be called `base`, and is no arm."""
    patterns = (ast.Pattern, ast.Instance)
    return isinstance(meaning, Symbol) and isinstance(meaning.declaration, patterns)


def _name(context: Context, node: ast.Name, scope: Scope, wanted: Type | None) -> Type:
    meaning = scope.find(node.name)
    if node.name == "base" and wanted == ARM and not _is_pattern(meaning):
        return ARM
    match meaning:
        case Local():
            return meaning.type
        case Symbol():
            return context.type_of(meaning, node.span)
        case Namespace():
            context.used.add(meaning)
            return MODULE
    if node.name == "row":
        return ROW
    if node.name in _CORE:
        return FUNCTION
    if node.name in scope.module.file.lost:
        return UNKNOWN
    return context.report(
        UnknownName(
            span=node.span, name=node.name, advice=_unknown(context, node.name, scope, wanted)
        )
    )


def _unknown(context: Context, name: str, scope: Scope, wanted: Type | None) -> str:
    """Return the next step for a name that nothing declares."""
    if name.lower() in ("true", "false"):
        return f"write `{name.lower()}`"
    extra = ("base",) if wanted == ARM else ()
    fitting = [item for item in scope.visible() if wanted and _fits(scope, item, wanted)]
    advice = context.suggest(name, (*fitting, *extra))
    advice = advice or context.suggest(name, (*scope.visible(), *_CORE, "row"))
    if not advice and wanted == ROW_VALUE:
        return f"a field of the rows is written `row.{name}`"
    if not advice and wanted == STRING:
        return f'a text stands in quotes: `"{name}"`'
    return advice or where_declared(name)


def _fits(scope: Scope, name: str, wanted: Type) -> bool:
    """Tell whether what a name is declared as fits a type, without checking its declaration."""
    found: Type | None = None
    match scope.find(name):
        case Local(type=known):
            found = known
        case Symbol(declaration=ast.Binding(keyword=keyword)):
            found = MODEL if keyword == "model" else DATA
        case Symbol(declaration=ast.Observable(indices=indices)):
            found = ObservableType(None, len(indices))
        case Symbol(declaration=ast.Param(type=written)):
            found = type_of_name(written)[0]
        case Symbol(declaration=ast.Pattern() | ast.Instance()):
            found = PATTERN
    return found is not None and fits(found, wanted)


def _attribute(context: Context, node: ast.Attribute, scope: Scope) -> Type:
    base = node.base
    meaning = scope.find(base.name) if isinstance(base, ast.Name) else None
    if isinstance(meaning, Namespace):
        context.used.add(meaning)
        symbol = meaning.module.names.get(node.name.name)
        if isinstance(symbol, Symbol):
            return context.type_of(symbol, node.span)
        return not_in_module(context, meaning, node.name)
    found = context.infer(base, scope)
    if found in (ROW, UNKNOWN):
        return ROW_VALUE if found == ROW else UNKNOWN
    if node.name.name in MODEL_METHODS and found == MODEL:
        return FUNCTION
    known = MODEL_METHODS if found == MODEL else ()
    otherwise = f"what a Model has is `{form(MODEL_METHODS['at'])}`" if known else _MEMBERS
    return context.report(
        UnknownMember(
            span=node.name.span,
            type=article(found),
            name=node.name.name,
            advice=closest(node.name.name, known, otherwise),
        )
    )


def _subscript(context: Context, node: ast.Subscript, scope: Scope) -> Type:
    found = context.infer(node.base, scope)
    for index in node.indices:
        context.check(index, scope, INT, place="an index")
    name, given = node.base.span.text, len(node.indices)
    span, short = node.span, "indexed here"
    match found:
        case ObservableType(family=0):
            fact = f"`{name}` is one observable, not a family, so it takes no index"
            advice = f"remove the index, or declare `observable {name}[i in 0..N]`"
        case ObservableType(family=count):
            if count == given:
                return ObservableType(found.unit)
            fact = f"the family `{name}` takes {_indices(count)}, and {given} {_are(given)} given"
            advice = f"write `{name}[{', '.join('ijklmnop'[:count])}]`"
            span = node.indices[0].span.to(node.indices[-1].span)
            short = _indices(given)
        case ListType(element=element) if given == 1 and element:
            return element
        case _ if found == UNKNOWN:
            return UNKNOWN
        case _:
            fact, advice = f"{clause(found)}, which takes no index", "remove the index"
    return context.report(WrongIndexing(span=span, fact=fact, short=short, advice=advice))


def _where(context: Context, node: ast.Where, scope: Scope, wanted: Type | None) -> Type:
    """Return the type of `D where PREDICATE`, or of a constraint on the units of a predicate."""
    if wanted == CONSTRAINT:
        base = context.infer(node.base, scope, CONSTRAINT)
        if base == CONSTRAINT:
            base = context.report(NotPerUnit(span=node.base.span))
        elif base not in (UNIT_CONSTRAINT, UNKNOWN):
            base = context.report(NotAConstraint(span=node.base.span, found=clause(base)))
    else:
        base = context.check(node.base, scope, DATA, place="what stands before `where`")
    for predicate in node.predicates:
        context.check(predicate, scope, PREDICATE, place="what stands after `where`")
    return base


def _indices(count: int) -> str:
    return "1 index" if count == 1 else f"{count} indices"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _chain(context: Context, node: ast.Chain, scope: Scope, wanted: Type | None) -> Type:
    hint = wanted if isinstance(wanted, ObservableType) else None
    done: ast.Expression = node.first
    found = context.infer(node.first, scope, hint)
    for operator, operand in node.rest:
        right = context.infer(operand, scope, hint)
        span = done.span.to(operand.span)
        found = operators.binary(context, operator, (done, found), (operand, right), span)
        # What has been read so far: its place is all that messages need of it.
        done = ast.Expression(span)
    return found


def _truth(
    context: Context, span: Span, word: str, operands: tuple[ast.Expression, ...], scope: Scope
) -> Type:
    types = [context.infer(operand, scope, PREDICATE) for operand in operands]
    if CONSTRAINT in types or UNIT_CONSTRAINT in types:
        return _joined_constraints(context, span, word)
    for operand, kind in zip(operands, types, strict=True):
        if not (fits(kind, PREDICATE) or fits(kind, BOOL)):
            found, wanted = clause(kind), "a Predicate or a Bool"
            place = f"what stands {'after' if word == 'not' else 'beside'} `{word}`"
            return context.report(
                TypeMismatch(span=operand.span, place=place, wanted=wanted, found=found)
            )
    if UNKNOWN in types:
        return UNKNOWN
    return BOOL if all(kind == BOOL for kind in types) else PREDICATE


def _joined_constraints(context: Context, span: Span, word: str) -> Type:
    if word == "and":
        return context.report(
            NotAConstraint(
                span=span,
                found="these are several, joined by `and`",
                advice="write a `require` for each, or a chain such as `0 <= w <= 4`",
            )
        )
    facts = {
        "or": ("weights that meet one constraint or another are no convex set", "keep one of them"),
        "not": ("weights that break a constraint are no convex set", "turn the comparison round"),
    }
    fact, advice = facts[word]
    return context.report(NotConvex(span=span, fact=fact, curvature="not convex", advice=advice))
