"""Signatures of functions, and binding the arguments of a call to them."""

from collections.abc import Callable, Mapping

from attrs import field, frozen

from pattern_lang.diagnostics import Problem
from pattern_lang.diagnostics.catalogue.names import (
    MissingArgument,
    RepeatedArgument,
    TooManyArguments,
    UnknownArgument,
)
from pattern_lang.diagnostics.suggest import closest
from pattern_lang.semantics.types import Type
from pattern_lang.syntax import ast

Result = Type | Callable[[Mapping[str, Type]], Type]


@frozen
class Formal:
    """One parameter of a function. `types` are alternatives; the first one is shown."""

    name: str
    types: tuple[Type, ...]
    required: bool = True
    positional: bool = True


@frozen
class Signature:
    """What a function takes and returns.

    `result` may depend on the types of the arguments. With `extra`, named arguments that the
    signature does not know are allowed: they go to the user's own function.
    """

    name: str
    formals: tuple[Formal, ...]
    result: Result
    extra: bool = False
    doc: str = ""


@frozen
class Bound:
    """The arguments of a call by the name of their formal; `extra` are the user's own."""

    arguments: dict[str, ast.Expression] = field(factory=dict)
    extra: dict[str, ast.Expression] = field(factory=dict)


def needs(name: str, *types: Type, named: bool = False) -> Formal:
    """Return a required parameter."""
    return Formal(name, types, positional=not named)


def takes(name: str, *types: Type, named: bool = True) -> Formal:
    """Return an optional parameter, by name only unless said otherwise."""
    return Formal(name, types, required=False, positional=not named)


def bind(signature: Signature, call: ast.Call) -> tuple[Bound, tuple[Problem, ...]]:
    """Match the arguments of a call to the parameters of a signature."""
    bound, problems = Bound(), list[Problem]()
    positional = [formal for formal in signature.formals if formal.positional]
    formals = {formal.name: formal for formal in signature.formals}
    used = 0
    for argument in call.arguments:
        if isinstance(argument, ast.Named):
            problems.extend(_bind_named(signature, formals, bound, argument))
        elif used < len(positional):
            bound.arguments[positional[used].name] = argument
            used += 1
        else:
            problems.append(_too_many(signature, len(positional), argument, bound))
    missing = [f.name for f in signature.formals if f.required and f.name not in bound.arguments]
    if missing and not problems:
        shown = ", ".join(f"`{name}`" for name in missing)
        problems.append(
            MissingArgument(
                span=call.span,
                what=f"this call of `{signature.name}`",
                missing=shown,
                form=form(signature),
            )
        )
    return bound, tuple(problems)


def _too_many(
    signature: Signature, most: int, argument: ast.Expression, bound: Bound
) -> TooManyArguments:
    counts = {0: "no arguments", 1: "one argument"}
    by_name = next(
        (f for f in signature.formals if not f.positional and f.name not in bound.arguments), None
    )
    advice = "remove it"
    if by_name is not None:
        advice = f"give it by name: `{by_name.name}: {argument.span.text}`"
    return TooManyArguments(
        span=argument.span,
        function=signature.name,
        most=counts.get(most, f"{most} arguments"),
        advice=advice,
    )


def _bind_named(
    signature: Signature, formals: dict[str, Formal], bound: Bound, argument: ast.Named
) -> list[Problem]:
    name = argument.name.name
    if name in bound.arguments or name in bound.extra:
        return [RepeatedArgument(span=argument.name.span, function=signature.name, name=name)]
    if name in formals:
        bound.arguments[name] = argument.value
    elif signature.extra:
        bound.extra[name] = argument.value
    else:
        return [
            UnknownArgument(
                span=argument.name.span,
                function=signature.name,
                name=name,
                advice=closest(name, formals, f"the form is `{form(signature)}`"),
            )
        ]
    return []


def form(signature: Signature) -> str:
    """Write a signature as a user would call it; what may be left out stands in brackets."""
    shown = [f"{f.name}: {f.types[0]}" for f in signature.formals if f.required]
    optional = [f.name for f in signature.formals if not f.required]
    if optional:
        shown.append(f"[{', '.join(optional)}]")
    return f"{signature.name}({', '.join(shown)})"
