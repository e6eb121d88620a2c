"""The whole of lowering: every pattern of a checked spec that can be compiled as it is."""

from attrs import field, frozen

from pattern_lang.diagnostics import Problem
from pattern_lang.ir.program import WeightPattern
from pattern_lang.ir.training import Optimizer, Study
from pattern_lang.lowering.evaluate import Evaluator
from pattern_lang.lowering.pattern import lower_pattern
from pattern_lang.lowering.studies import lower_study
from pattern_lang.lowering.values import Body, Environment, LoweringError
from pattern_lang.semantics.check import CheckedSpec
from pattern_lang.semantics.order import in_dependency_order
from pattern_lang.semantics.scope import Scope, Symbol
from pattern_lang.semantics.types import OPTIMIZER
from pattern_lang.syntax import ast
from pattern_lang.syntax.bundle import Bundle


@frozen(eq=False)
class LoweredSpec:
    """The patterns of a spec by name, in source order, and what lowering found wrong.

    `open_patterns` are patterns that need arguments before they can be compiled. `studies` are by
    name too. `optimizer` is how to train when it was asked for from outside the spec.
    """

    patterns: dict[str, WeightPattern]
    open_patterns: tuple[str, ...]
    problems: tuple[Problem, ...]
    studies: dict[str, Study] = field(factory=dict)
    optimizer: Optimizer | None = None


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
    studies, wrong = _studies(evaluator, spec, patterns)
    optimizer, more = _optimizer(evaluator, spec)
    problems.extend((*wrong, *more))
    named = [symbol.name for symbol in spec.main.declared()]
    return LoweredSpec(
        {name: patterns[name] for name in named if name in patterns},
        tuple(name for name in named if name in unbound),
        _distinct(problems),
        studies,
        optimizer,
    )


def _studies(
    evaluator: Evaluator, spec: CheckedSpec, patterns: dict[str, WeightPattern]
) -> tuple[dict[str, Study], list[Problem]]:
    studies: dict[str, Study] = {}
    problems: list[Problem] = []
    for symbol in spec.main.declared():
        if isinstance(symbol.declaration, ast.Study):
            study, found = lower_study(evaluator, symbol, patterns)
            problems.extend(found)
            studies |= {study.name: study} if study is not None else {}
    return studies, problems


def _optimizer(
    evaluator: Evaluator, spec: CheckedSpec
) -> tuple[Optimizer | None, tuple[Problem, ...]]:
    if spec.using is None:
        return None, ()
    try:
        value = evaluator(spec.using, Environment(Scope(spec.main)), OPTIMIZER)
    except LoweringError as error:
        return None, error.problems
    assert isinstance(value, Optimizer)
    return value, ()


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
