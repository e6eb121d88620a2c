"""What a call calls, and whether its arguments fit."""

from attrs import frozen

from pattern_lang.diagnostics.catalogue.names import MissingArgument, NotInModule, UnknownName
from pattern_lang.diagnostics.catalogue.types import (
    BadReference,
    NotAFunction,
    TypeMismatch,
    UnknownUnit,
)
from pattern_lang.diagnostics.suggest import closest
from pattern_lang.semantics.context import Context, advice_for, article, clause
from pattern_lang.semantics.core import MODEL_METHODS, core_functions
from pattern_lang.semantics.modules import where_declared
from pattern_lang.semantics.scope import Meaning, Namespace, Scope, Symbol
from pattern_lang.semantics.signatures import Bound, Formal, Signature, bind, form
from pattern_lang.semantics.typenames import type_of_name
from pattern_lang.semantics.types import (
    BOOL,
    MODEL,
    PATTERN,
    RULES,
    STRING,
    UNIT,
    UNKNOWN,
    ListType,
    NumberType,
    ObservableType,
    Type,
    fits,
)
from pattern_lang.semantics.units import UNIT_NAMES, Unit, unit_advice
from pattern_lang.syntax import ast

_CORE = core_functions()


@frozen
class Callee:
    """What a call refers to: a signature, the declaration behind it, and a method's base."""

    signature: Signature
    symbol: Symbol | None = None
    base: ast.Expression | None = None


def report_incomplete(context: Context, expression: ast.Expression, scope: Scope) -> None:
    """Report a pattern or rules named without the arguments that they need."""
    symbol = _named(expression, scope)
    if symbol is None or not isinstance(symbol.declaration, (ast.Pattern, ast.Rules)):
        return
    signature = signature_of(symbol)
    missing = [f"`{f.name}`" for f in signature.formals if f.required] if signature else []
    if signature and missing:
        context.report(
            MissingArgument(
                span=expression.span,
                what=f"`{expression.span.text}` without a call",
                missing=", ".join(missing),
                form=form(signature),
            )
        )


def _named(expression: ast.Expression, scope: Scope) -> Symbol | None:
    """Return the declared name that an expression is, with or without its module."""
    found: Meaning | None = None
    match expression:
        case ast.Name(name=name):
            found = scope.find(name)
        case ast.Attribute(base=ast.Name(name=name), name=member):
            module = scope.find(name)
            if isinstance(module, Namespace):
                found = module.module.names.get(member.name)
    return found if isinstance(found, Symbol) else None


def find_callee(
    function: ast.Expression, scope: Scope, wanted: Type | None = None
) -> Callee | None:
    """Return what a call refers to, or None where it is no function.

    Core functions are found behind names that are not functions: `data tokens = tokens("x.bin")`.
    """
    match function:
        case ast.Name(name=name):
            meaning = scope.find(name)
            signature = signature_of(meaning) if isinstance(meaning, Symbol) else None
            if isinstance(meaning, Symbol) and (signature is not None or _is_lost(meaning)):
                return Callee(signature, meaning) if signature is not None else None
            return Callee(_choose(_CORE[name], wanted)) if name in _CORE else None
        case ast.Attribute(base=ast.Name(name=name)):
            if isinstance(scope.find(name), Namespace):
                symbol = _named(function, scope)
                signature = signature_of(symbol) if symbol is not None else None
                return Callee(signature, symbol) if signature is not None else None
    if isinstance(function, ast.Attribute) and function.name.name in MODEL_METHODS:
        return Callee(MODEL_METHODS[function.name.name], base=function.base)
    return None


def _is_lost(symbol: Symbol) -> bool:
    """Tell whether a declaration's head is too broken to say what it takes."""
    return any(gap.encloses(symbol.span) for gap in symbol.module.file.gaps)


def signature_of(symbol: Symbol) -> Signature | None:
    """Return the signature of a declaration that can be called."""
    if _is_lost(symbol):
        return None
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
        return _not_callable(context, node, scope, wanted)
    if callee.symbol is not None:
        context.type_of(callee.symbol, node.function.span)
        _use_module(context, node.function, scope)
    if callee.base is not None:
        context.check(callee.base, scope, MODEL, place=f"what `.{callee.signature.name}` is of")
    bound, problems = bind(callee.signature, node)
    context.problems.extend(problems)
    types = _arguments(context, callee.signature, bound, scope)
    for name, expression in bound.extra.items():
        _check_extra(context, name, expression, scope)
    if problems:
        return UNKNOWN
    result = callee.signature.result
    return result if isinstance(result, Type) else _dependent(context, callee, bound, types, scope)


def _check_extra(context: Context, name: str, expression: ast.Expression, scope: Scope) -> None:
    """Check an argument that goes to the user's own function or to a file: a plain value."""
    found = context.infer(expression, scope)
    element = found.element if isinstance(found, ListType) else found
    if isinstance(element, NumberType) or element in (None, STRING, BOOL, UNKNOWN):
        return
    context.report(
        TypeMismatch(
            span=expression.span,
            place=f"`{name}`, which this call passes on,",
            wanted="a number, a String, a Bool or a list of them",
            found=clause(found),
        )
    )


def _use_module(context: Context, function: ast.Expression, scope: Scope) -> None:
    if isinstance(function, ast.Attribute) and isinstance(function.base, ast.Name):
        module = scope.find(function.base.name)
        if isinstance(module, Namespace):
            context.used.add(module)


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
    if found == UNKNOWN or (isinstance(found, ObservableType) and fits(found, wanted)):
        return found
    return context.report(
        TypeMismatch(
            span=expression.span,
            place=place,
            wanted=article(wanted),
            found=clause(found),
            advice=advice_for(expression.span, found, wanted),
        )
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
            advice=unit_advice(name or ""),
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


def _makes(name: str, wanted: Type) -> bool:
    """Tell whether a core function gives a value of the wanted type."""
    results = [signature.result for signature in _CORE[name]]
    return any(isinstance(result, Type) and fits(result, wanted) for result in results)


def _not_callable(context: Context, node: ast.Call, scope: Scope, wanted: Type | None) -> Type:
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
            fitting = [core for core in _CORE if wanted and _makes(core, wanted)]
            advice = context.suggest(name, fitting) or context.suggest(name, known)
            advice = advice or where_declared(name)
            return context.report(UnknownName(span=function.span, name=name, advice=advice))
    symbol = _named(function, scope)
    found = context.infer(function, scope)
    if symbol is not None and _is_lost(symbol):
        return UNKNOWN
    if found == UNKNOWN:
        return UNKNOWN
    return context.report(NotAFunction(span=function.span, found=clause(found)))


def not_in_module(context: Context, module: Namespace, name: ast.Identifier) -> Type:
    """Report a name that a module does not declare, unless its declaration cannot be read."""
    if name.name in module.module.file.lost:
        return UNKNOWN
    known = tuple(symbol.name for symbol in module.module.declared())
    advice = closest(name.name, known, f"it has {', '.join(known)}")
    return context.report(
        NotInModule(span=name.span, module=module.name, name=name.name, advice=advice)
    )
