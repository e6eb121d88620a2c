"""The whole front end: text in, checked spec out, with every problem found on the way."""

from collections.abc import Iterable, Mapping, Set
from pathlib import PurePath

from attrs import frozen

from pattern_lang.diagnostics import Problem, Severity, SourceFile, Span
from pattern_lang.diagnostics.catalogue.lints import Unused
from pattern_lang.diagnostics.catalogue.names import UnknownOverride
from pattern_lang.diagnostics.suggest import closest
from pattern_lang.semantics.context import Context
from pattern_lang.semantics.declarations import declare
from pattern_lang.semantics.infer import infer
from pattern_lang.semantics.modules import Loader
from pattern_lang.semantics.order import in_dependency_order
from pattern_lang.semantics.scope import Module, Namespace, Scope, Symbol
from pattern_lang.semantics.typenames import type_of_name
from pattern_lang.semantics.types import OPTIMIZER, Type
from pattern_lang.syntax import ast
from pattern_lang.syntax.bundle import Bundle
from pattern_lang.syntax.recover import parse_expression

SYNTAX = "PAT0"
_ROOTS = (ast.Pattern, ast.Instance, ast.Study, ast.Def, ast.Rules)


@frozen(eq=False)
class CheckedSpec:
    """A spec that has been read and checked.

    `overrides` are the expressions of `-p NAME=VALUE`, `unknown` the places of expressions that
    have no type because of an error there or elsewhere. `using` is an optimizer from outside.
    """

    main: Module
    modules: tuple[Module, ...]
    overrides: Mapping[str, ast.Expression]
    problems: tuple[Problem, ...]
    types: Mapping[Symbol, Type]
    unknown: tuple[Span, ...] = ()
    using: ast.Expression | None = None


def check(
    source: SourceFile, bundle: Bundle, overrides: Mapping[str, str], using: str | None = None
) -> CheckedSpec:
    """Read and check a spec. Loads no torch and runs no user code.

    `using` is an expression for an optimizer, read as if it stood in the spec.
    """
    loader = Loader(bundle)
    main = loader.load(source, source.name, str(PurePath(source.name).parent))
    context = Context(infer, declare, problems=loader.problems)
    values = _overrides(context, main, overrides)
    optimizer = None
    if using is not None:
        optimizer = _outside(context, main, "--using", using, OPTIMIZER)
    for symbol in in_dependency_order(main):
        _check_root(context, symbol)
    used = frozenset(context.used)
    for module in loader.loaded.values():
        if module is not main and not module.is_library:
            for symbol in in_dependency_order(module):
                context.type_of(symbol, symbol.span)
    modules = tuple(loader.loaded.values())
    problems = _outside_gaps(context.problems, modules)
    problems.extend(_unused(main, context.problems, used))
    return CheckedSpec(
        main, modules, values, tuple(problems), context.types, tuple(context.unknown), optimizer
    )


def _check_root(context: Context, symbol: Symbol) -> None:
    """Check a declaration; being looked at here does not count as being used."""
    already = symbol in context.used
    context.type_of(symbol, symbol.span)
    if not already:
        context.used.discard(symbol)


def _outside_gaps(problems: Iterable[Problem], modules: Iterable[Module]) -> list[Problem]:
    """Keep one problem for a statement that could not be read whole: why it could not."""
    gaps: dict[SourceFile, list[Span]] = {}
    for module in modules:
        gaps[module.file.span.source] = list(module.file.gaps)

    def in_gap(span: Span | None) -> bool:
        return span is not None and any(gap.encloses(span) for gap in gaps.get(span.source, ()))

    return [p for p in problems if p.code.startswith(SYNTAX) or not in_gap(p.span)]


def _unused(main: Module, found: Iterable[Problem], used: Set[Symbol | Namespace]) -> list[Problem]:
    """Return the lints of names that nothing uses; an error may hide a use."""
    has_pattern = any(isinstance(s.declaration, (ast.Pattern, ast.Study)) for s in main.declared())
    if not has_pattern or any(p.severity is Severity.ERROR for p in found):
        return []
    return [
        Unused(span=main.places[name], name=name)
        for name, meaning in main.names.items()
        if meaning not in used
        and not (isinstance(meaning, Symbol) and _may_be_unused(meaning, main))
    ]


def _may_be_unused(symbol: Symbol, main: Module) -> bool:
    return symbol.module is main and isinstance(symbol.declaration, _ROOTS)


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
            if name not in main.file.lost:
                advice = closest(name, params, f"it has {', '.join(params) or 'no parameters'}")
                context.report(UnknownOverride(name=name, advice=advice))
            continue
        wanted, _ = type_of_name(declaration.type)
        value = _outside(context, main, f"-p {name}", text, wanted)
        values |= {name: value} if value is not None else {}
    return values


def _outside(
    context: Context, main: Module, option: str, text: str, wanted: Type
) -> ast.Expression | None:
    """Read and check an expression that an option of the command line gives.

    One with errors is None: it breaks no part of the spec, so that lowering would evaluate it.
    """
    value, problems = parse_expression(SourceFile(f"<{option}>", text))
    context.problems.extend(problems)
    if value is None or problems:
        return None
    name = option.removeprefix("-p ")
    place = f"`{name}`" if name == option else f"parameter `{name}`"
    known = len(context.problems)
    context.check(value, Scope(main), wanted, place=place)
    return value if len(context.problems) == known else None
