"""What a call calls, and whether its arguments fit."""

from attrs import frozen

from pattern_lang.diagnostics.catalogue.names import UnknownMember, UnknownName
from pattern_lang.diagnostics.catalogue.types import (
    BadReference,
    NotAFunction,
    TypeMismatch,
    UnknownUnit,
)
from pattern_lang.diagnostics.suggest import closest
from pattern_lang.semantics.context import Context, article
from pattern_lang.semantics.core import MODEL_METHODS, UNITS, core_functions
from pattern_lang.semantics.scope import Local, Namespace, Scope, Symbol
from pattern_lang.semantics.signatures import Bound, Formal, Signature, bind
from pattern_lang.semantics.typenames import type_of_name
from pattern_lang.semantics.types import (
    MODEL,
    PATTERN,
    RULES,
    UNIT,
    UNKNOWN,
    ObservableType,
    Type,
    fits,
)
from pattern_lang.semantics.units import UNIT_NAMES, Unit
from pattern_lang.syntax import ast

_CORE = core_functions()


@frozen
class Callee:
    """What a call refers to: a signature, the declaration behind it, and a method's base."""

    signature: Signature
    symbol: Symbol | None = None
    base: ast.Expression | None = None


def find_callee(
    function: ast.Expression, scope: Scope, wanted: Type | None = None
) -> Callee | None:
    """Return what a call refers to, or None where it is no function.

    Core functions are found behind names that are not functions: `data tokens = tokens("x.bin")`.
    """
    match function:
        case ast.Name(name=name):
            meaning = scope.find(name)
            if isinstance(meaning, Symbol) and _signature_of(meaning):
                return Callee(_signature_of(meaning), meaning)  # type: ignore[arg-type]
            return Callee(_choose(_CORE[name], wanted)) if name in _CORE else None
        case ast.Attribute(base=ast.Name(name=name), name=member):
            meaning = scope.find(name)
            if isinstance(meaning, Namespace):
                symbol = meaning.module.names.get(member.name)
                if isinstance(symbol, Symbol) and _signature_of(symbol):
                    return Callee(_signature_of(symbol), symbol)  # type: ignore[arg-type]
                return None
    if isinstance(function, ast.Attribute) and function.name.name in MODEL_METHODS:
        return Callee(MODEL_METHODS[function.name.name], base=function.base)
    return None


def _signature_of(symbol: Symbol) -> Signature | None:
    match symbol.declaration:
        case ast.Def(parameters=parameters, result=result):
            return Signature(symbol.name, formals(parameters), type_of_name(result)[0])
        case ast.Rules(parameters=parameters):
            return Signature(symbol.name, formals(parameters), RULES)
        case ast.Pattern(parameters=parameters):
            return Signature(symbol.name, formals(parameters), PATTERN)
    return None


def formals(parameters: tuple[ast.Parameter, ...]) -> tuple[Formal, ...]:
    """Return the formals of declared parameters."""
    return tuple(
        Formal(p.name.name, (type_of_name(p.type)[0],), required=p.default is None)
        for p in parameters
    )


def _choose(signatures: tuple[Signature, ...], wanted: Type | None) -> Signature:
    for signature in signatures:
        result = signature.result
        if isinstance(result, Type):
            if wanted is not None and fits(result, wanted):
                return signature
        elif isinstance(wanted, ObservableType):
            return signature
    return signatures[0]


def call(context: Context, node: ast.Call, scope: Scope, wanted: Type | None) -> Type:
    """Return the type of a call."""
    callee = find_callee(node.function, scope, wanted)
    if callee is None:
        return _not_callable(context, node, scope)
    if callee.symbol is not None:
        context.type_of(callee.symbol, node.function.span)
    if callee.base is not None:
        context.check(callee.base, scope, MODEL, place=f"what `.{callee.signature.name}` is of")
    bound, problems = bind(callee.signature, node)
    context.problems.extend(problems)
    types = _arguments(context, callee.signature, bound, scope)
    for expression in bound.extra.values():
        context.infer(expression, scope)
    if problems:
        return UNKNOWN
    result = callee.signature.result
    return result if isinstance(result, Type) else _dependent(context, callee, bound, types, scope)


def _arguments(
    context: Context, signature: Signature, bound: Bound, scope: Scope
) -> dict[str, Type]:
    types = {}
    for formal in signature.formals:
        expression = bound.arguments.get(formal.name)
        if expression is None:
            continue
        place = f"`{formal.name}` of `{signature.name}`"
        if UNIT in formal.types:
            types[formal.name] = _unit(context, expression)
        elif isinstance(formal.types[0], ObservableType):
            types[formal.name] = _observable(context, expression, scope, formal, place)
        else:
            types[formal.name] = context.check(expression, scope, *formal.types, place=place)
        if formal.name in ("builder", "function", "loss"):
            _reference(context, expression)
    return types


def _observable(
    context: Context, expression: ast.Expression, scope: Scope, formal: Formal, place: str
) -> Type:
    wanted = formal.types[0]
    assert isinstance(wanted, ObservableType)
    found = context.infer(expression, scope, wanted)
    if found == UNKNOWN or (
        isinstance(found, ObservableType) and bool(found.family) == bool(wanted.family)
    ):
        return found
    text = article(wanted)
    return context.report(
        TypeMismatch(span=expression.span, place=place, wanted=text, found=article(found))
    )


def _reference(context: Context, expression: ast.Expression) -> None:
    if isinstance(expression, ast.String):
        file, _, function = expression.value.rpartition(":")
        if not file or not function.isidentifier():
            context.report(BadReference(span=expression.span, text=expression.value))


def _unit(context: Context, expression: ast.Expression) -> Type:
    name = unit_argument(expression)
    if name in UNIT_NAMES or name == "1":
        return UNIT
    return context.report(
        UnknownUnit(
            span=expression.span,
            name=expression.span.text,
            advice=closest(name or "", UNITS, f"units are {', '.join(UNITS)}"),
        )
    )


def unit_argument(expression: ast.Expression) -> str | None:
    """Return the unit name that an argument such as `unit: nats` gives, as written."""
    match expression:
        case ast.Name(name=name) | ast.String(value=name):
            return name
        case ast.Number(text=text):
            return text
    return None


def _dependent(
    context: Context, callee: Callee, bound: Bound, types: dict[str, Type], scope: Scope
) -> Type:
    signature = callee.signature
    if UNKNOWN in types.values():
        return UNKNOWN
    if signature.name == "python":
        unit = unit_argument(bound.arguments["unit"]) if "unit" in bound.arguments else None
        return ObservableType(UNIT_NAMES.get(unit or "", Unit.ONE))
    assert not isinstance(signature.result, Type)
    return signature.result(types)


def _not_callable(context: Context, node: ast.Call, scope: Scope) -> Type:
    function = node.function
    for argument in node.arguments:
        value = argument.value if isinstance(argument, ast.Named) else argument
        context.infer(value, scope)
    if isinstance(function, ast.Name):
        name = function.name
        meaning = scope.find(name)
        if meaning is None:
            if name in scope.module.file.lost:
                return UNKNOWN
            known = (*scope.visible(), *_CORE)
            advice = closest(name, known, "check the spelling, or `use` the module that has it")
            return context.report(UnknownName(span=function.span, name=name, advice=advice))
        if isinstance(meaning, Local | Namespace):
            found = meaning.type if isinstance(meaning, Local) else None
            text = article(found) if found else "a module"
            return context.report(NotAFunction(span=function.span, found=text))
    if isinstance(function, ast.Attribute):
        base = function.base
        meaning = scope.find(base.name) if isinstance(base, ast.Name) else None
        if isinstance(meaning, Namespace):
            known = tuple(symbol.name for symbol in meaning.module.declared())
            advice = closest(function.name.name, known, f"it has {', '.join(known)}")
            return context.report(
                UnknownMember(
                    span=function.name.span,
                    type=f"module `{meaning.name}`",
                    name=function.name.name,
                    advice=advice,
                )
            )
    found = context.infer(function, scope)
    if found == UNKNOWN:
        return UNKNOWN
    return context.report(NotAFunction(span=function.span, found=article(found)))
