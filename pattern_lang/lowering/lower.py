"""The whole of lowering: every pattern of a checked spec that can be compiled as it is."""

from attrs import frozen

from pattern_lang.diagnostics import Problem
from pattern_lang.ir.program import WeightPattern
from pattern_lang.lowering.evaluate import Evaluator
from pattern_lang.lowering.pattern import lower_pattern
from pattern_lang.lowering.values import Body, LoweringError
from pattern_lang.semantics.check import CheckedSpec
from pattern_lang.semantics.order import in_dependency_order
from pattern_lang.semantics.scope import Symbol
from pattern_lang.syntax import ast
from pattern_lang.syntax.bundle import Bundle


@frozen(eq=False)
class LoweredSpec:
    """The patterns of a spec by name, in source order, and what lowering found wrong.

    `open_patterns` are patterns that need arguments before they can be compiled.
    """

    patterns: dict[str, WeightPattern]
    open_patterns: tuple[str, ...]
    problems: tuple[Problem, ...]


def lower(spec: CheckedSpec, bundle: Bundle) -> LoweredSpec:
    """Lower a checked spec. Pure: loads nothing and runs no user code.

    What the check has found wrong is left out, so that the rest still shows its own mistakes.
    """
    evaluator = Evaluator(spec, bundle)
    patterns: dict[str, WeightPattern] = {}
    unbound: set[str] = set()
    problems: list[Problem] = []
    for symbol in in_dependency_order(spec.main):
        try:
            body = _value(evaluator, symbol)
        except LoweringError as error:
            problems.extend(error.problems)
            continue
        if body is None:
            continue
        if _lacks_arguments(body):
            unbound.add(body.name)
            continue
        pattern, found = lower_pattern(evaluator, body)
        problems.extend(found)
        if pattern is not None:
            patterns[body.name] = pattern
    named = [symbol.name for symbol in spec.main.declared()]
    return LoweredSpec(
        {name: patterns[name] for name in named if name in patterns},
        tuple(name for name in named if name in unbound),
        _distinct(problems),
    )


def _value(evaluator: Evaluator, symbol: Symbol) -> Body | None:
    """Evaluate a declaration, and return it where it is a pattern."""
    if isinstance(symbol.declaration, (ast.Def, ast.Rules, ast.Study)):
        return None
    value = evaluator.value_of(symbol)
    is_pattern = isinstance(value, Body) and isinstance(value.symbol.declaration, ast.Pattern)
    return value if isinstance(value, Body) and is_pattern else None


def _lacks_arguments(body: Body) -> bool:
    declaration = body.symbol.declaration
    assert isinstance(declaration, ast.Pattern)
    return any(p.name.name not in body.environment.values for p in declaration.parameters)


def _distinct(problems: list[Problem]) -> tuple[Problem, ...]:
    """Drop repetitions: instances of one pattern share its mistakes."""
    return tuple(dict.fromkeys(problems))
