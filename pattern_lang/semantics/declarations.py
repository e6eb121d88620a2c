"""The type of each kind of declaration, checking its body on the way."""

from pattern_lang.diagnostics.catalogue.names import DuplicateName
from pattern_lang.semantics.calls import report_incomplete
from pattern_lang.semantics.context import Context
from pattern_lang.semantics.scope import Local, Scope, Symbol
from pattern_lang.semantics.statements import check_body
from pattern_lang.semantics.studies import check_study
from pattern_lang.semantics.typenames import type_of_name
from pattern_lang.semantics.types import (
    DATA,
    FUNCTION,
    INT,
    MODEL,
    PATTERN,
    RANGE,
    RULES,
    STUDY,
    UNKNOWN,
    ObservableType,
    Type,
)
from pattern_lang.syntax import ast


def declare(context: Context, symbol: Symbol) -> Type:
    """Check a declaration and return the type of its name."""
    scope = Scope(symbol.module)
    declaration = symbol.declaration
    match declaration:
        case ast.Param():
            wanted = _type(context, declaration.type)
            place = f"parameter `{symbol.name}`"
            context.check(declaration.value, scope, wanted, place=place)
            return wanted
        case ast.Binding(keyword=keyword, value=value):
            wanted = MODEL if keyword == "model" else DATA
            context.check(value, scope, wanted, place=f"`{symbol.name}`")
            return wanted
        case ast.Observable():
            return _observable(context, declaration, scope)
        case ast.Def():
            return _definition(context, declaration, scope, symbol)
        case ast.Rules(parameters=parameters, body=body):
            check_body(context, declaration, body, _parameters(context, parameters, scope))
            return RULES
        case ast.Pattern(parameters=parameters, body=body):
            check_body(context, declaration, body, _parameters(context, parameters, scope))
            return PATTERN
        case ast.Instance(value=value):
            return _instance(context, value, scope)
        case ast.Study():
            check_study(context, declaration, scope)
            return STUDY
    raise AssertionError(declaration)


def _type(context: Context, written: ast.TypeName) -> Type:
    found, problems = type_of_name(written)
    context.problems.extend(problems)
    return found


def _parameters(context: Context, parameters: tuple[ast.Parameter, ...], scope: Scope) -> Scope:
    seen: dict[str, ast.Parameter] = {}
    for parameter in parameters:
        name = parameter.name.name
        if name in seen:
            first = seen[name].name.span
            context.report(
                DuplicateName(span=parameter.name.span, name=name, where="list", first=first)
            )
        seen[name] = parameter
        wanted = _type(context, parameter.type)
        if parameter.default is not None:
            context.check(parameter.default, scope, wanted, place=f"the default of `{name}`")
        scope = scope.with_locals(Local(name, wanted))
    return scope


def _observable(context: Context, node: ast.Observable, scope: Scope) -> Type:
    seen: dict[str, ast.Index] = {}
    for index in node.indices:
        name = index.name.name
        if name in seen:
            first = seen[name].name.span
            context.report(
                DuplicateName(span=index.name.span, name=name, where="list", first=first)
            )
        seen[name] = index
        context.check(index.range, scope, RANGE, place=f"what `{index.name.name}` runs over")
        scope = scope.with_locals(Local(index.name.name, INT))
    place = f"`{node.name.name}`"
    found = context.check(node.value, scope, ObservableType(None), place=place)
    if isinstance(found, ObservableType):
        return ObservableType(found.unit, family=len(node.indices))
    return UNKNOWN


def _definition(context: Context, node: ast.Def, scope: Scope, symbol: Symbol) -> Type:
    inner = _parameters(context, node.parameters, scope)
    wanted = _type(context, node.result)
    builtin = isinstance(node.body, ast.Name) and node.body.name == "builtin"
    if not (builtin and symbol.module.is_library):
        context.check(node.body, inner, wanted, place=f"the body of `{symbol.name}`")
    return FUNCTION


def _instance(context: Context, value: ast.Expression, scope: Scope) -> Type:
    report_incomplete(context, value, scope)
    return context.check(value, scope, PATTERN, place="what stands behind `pattern NAME =`")
