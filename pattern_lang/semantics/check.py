"""The whole front end: text in, checked spec out, with every problem found on the way."""

from collections.abc import Mapping
from pathlib import PurePath

from attrs import frozen

from pattern_lang.diagnostics import Problem, Severity, SourceFile
from pattern_lang.diagnostics.catalogue.lints import Unused
from pattern_lang.diagnostics.catalogue.names import UnknownOverride
from pattern_lang.diagnostics.suggest import closest
from pattern_lang.semantics.context import Context
from pattern_lang.semantics.declarations import declare
from pattern_lang.semantics.infer import infer
from pattern_lang.semantics.modules import Loader
from pattern_lang.semantics.scope import Module, Scope, Symbol
from pattern_lang.semantics.typenames import type_of_name
from pattern_lang.semantics.types import Type
from pattern_lang.syntax import ast
from pattern_lang.syntax.bundle import Bundle
from pattern_lang.syntax.recover import parse

_ROOTS = (ast.Pattern, ast.Instance, ast.Study, ast.Def, ast.Rules)


@frozen(eq=False)
class CheckedSpec:
    """A spec that has been read and checked.

    `overrides` are the expressions of `-p NAME=VALUE`. Only a spec without errors in `problems`
    may be lowered.
    """

    main: Module
    modules: tuple[Module, ...]
    overrides: Mapping[str, ast.Expression]
    problems: tuple[Problem, ...]
    types: Mapping[Symbol, Type]


def check(source: SourceFile, bundle: Bundle, overrides: Mapping[str, str]) -> CheckedSpec:
    """Read and check a spec. Loads no torch and runs no user code."""
    loader = Loader(bundle)
    main = loader.load(source, source.name, str(PurePath(source.name).parent))
    context = Context(infer, declare, problems=loader.problems)
    values = _overrides(context, main, overrides)
    for symbol in tuple(main.declared()):
        _check_root(context, symbol)
    for module in loader.loaded.values():
        if module is not main and not module.is_library:
            for symbol in tuple(module.declared()):
                context.type_of(symbol, symbol.span)
    context.problems.extend(_unused(main, context))
    modules = tuple(loader.loaded.values())
    return CheckedSpec(main, modules, values, tuple(context.problems), context.types)


def _check_root(context: Context, symbol: Symbol) -> None:
    """Check a declaration; being looked at here does not count as being used."""
    already = symbol in context.used
    context.type_of(symbol, symbol.span)
    if not already:
        context.used.discard(symbol)


def _unused(main: Module, context: Context) -> list[Problem]:
    has_pattern = any(isinstance(s.declaration, (ast.Pattern, ast.Study)) for s in main.declared())
    if not has_pattern or any(p.severity is Severity.ERROR for p in context.problems):
        return []
    return [
        Unused(span=symbol.span, name=symbol.name)
        for symbol in main.declared()
        if symbol not in context.used and not isinstance(symbol.declaration, _ROOTS)
    ]


def _overrides(
    context: Context, main: Module, overrides: Mapping[str, str]
) -> dict[str, ast.Expression]:
    values: dict[str, ast.Expression] = {}
    params = {
        s.name: s.declaration for s in main.declared() if isinstance(s.declaration, ast.Param)
    }
    for name, text in overrides.items():
        declaration = params.get(name)
        if declaration is None:
            advice = closest(name, params, f"it has {', '.join(params) or 'no parameters'}")
            context.report(UnknownOverride(name=name, advice=advice))
            continue
        head = f"param {name}: Real = "
        source = SourceFile(f"<-p {name}>", head + text)
        file, problems = parse(source)
        context.problems.extend(problems)
        found = [d for d in file.declarations if isinstance(d, ast.Param)]
        if len(found) == 1 and not problems:
            wanted, _ = type_of_name(declaration.type)
            context.check(found[0].value, Scope(main), wanted, place=f"parameter `{name}`")
            values[name] = found[0].value
    return values
