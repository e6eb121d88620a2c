"""From the items of a study to its arms, seeds, optimizer and measures."""

import re
from collections.abc import Callable, Collection, Iterator
from hashlib import sha256
from typing import TypeVar

from attrs import define, evolve, field

from pattern_lang.diagnostics import Problem
from pattern_lang.diagnostics.catalogue.types import ValueOutOfRange
from pattern_lang.ir import training as tr
from pattern_lang.ir.observables import Observable
from pattern_lang.ir.program import WeightPattern
from pattern_lang.lowering.evaluate import Evaluator
from pattern_lang.lowering.naming import named_as_written, statement_text
from pattern_lang.lowering.pattern import lower_pattern
from pattern_lang.lowering.values import (
    Body,
    Environment,
    Family,
    Interval,
    LoweringError,
    Num,
    Recipe,
    Unlowered,
    Value,
)
from pattern_lang.semantics.scope import Scope, Symbol
from pattern_lang.semantics.types import ARM, OPTIMIZER, ObservableType
from pattern_lang.syntax import ast

DEFAULT_SEEDS = tuple(range(5))
MOST_SEED = 2**63  # what generators of random numbers take
_T = TypeVar("_T")


@define
class _Study:
    """One study under construction. `known` are the patterns that were lowered already."""

    evaluator: Evaluator
    env: Environment
    known: dict[str, WeightPattern]
    problems: list[Problem] = field(factory=list)
    whole: bool = True


def lower_study(
    evaluator: Evaluator, symbol: Symbol, known: dict[str, WeightPattern]
) -> tuple[tr.Study | None, tuple[Problem, ...]]:
    """Lower one study; None when it has errors, or stands on something that has."""
    node = symbol.declaration
    assert isinstance(node, ast.Study)
    study = _Study(evaluator, Environment(Scope(symbol.module)), known)
    arms: list[tr.Arm] = []
    measures: list[tr.Measure] = []
    seeds, optimizer = DEFAULT_SEEDS, None
    for item in node.body:
        match item.keyword:
            case "arms":
                for written in item.expressions:
                    arms.extend(_attempt(study, _arms, written) or ())
            case "seeds":
                seeds = _attempt(study, _seeds, item.expressions[0]) or ()
            case "using":
                optimizer = _attempt(study, _optimizer, item.expressions[0])
            case "measure":
                measures.extend(_measures(study, item))
    study.problems.extend(_repeated(arms))
    if study.problems or not study.whole:
        return None, tuple(study.problems)
    found = tr.Study(symbol.name, tuple(arms), seeds, optimizer, tuple(measures), node.span)
    return found, ()


def _attempt(
    study: _Study, lower: Callable[[_Study, ast.Expression], _T], node: ast.Expression
) -> _T | None:
    if study.evaluator.is_broken(node.span):
        study.whole = False
        return None
    try:
        return lower(study, node)
    except LoweringError as error:
        study.whole = False
        study.problems.extend(error.problems)
        return None


def _arms(study: _Study, node: ast.Expression) -> tuple[tr.Arm, ...]:
    """Return the arms that one expression stands for: one, or one for each dose of a sweep."""
    value, name = study.evaluator(node, study.env, ARM), statement_text(node.span)
    if isinstance(value, Recipe) and value.kind == "sweep":
        inner, label = _weighted(study, value.of, node), _swept(node, name)
        return tuple(
            tr.Arm(f"{label} x {dose:g}", tr.Dosed(inner, dose), node.span) for dose in value.doses
        )
    return (tr.Arm(name, _kind(study, value, node), node.span),)


def _swept(node: ast.Expression, otherwise: str) -> str:
    """Return as written what a sweep is of: its first argument."""
    if not isinstance(node, ast.Call) or not node.arguments:
        return otherwise
    first = node.arguments[0]
    return otherwise if isinstance(first, ast.Named) else statement_text(first.span)


def _kind(study: _Study, value: Value | None, node: ast.Expression) -> tr.ArmKind:
    match value:
        case Unlowered(name="base"):
            return tr.Base()
        case Body():
            return tr.Steered(_pattern(study, value))
        case Recipe(kind="shuffled", of=inner, row=row):
            return tr.Shuffled(_weighted(study, inner, node), row)
        case Recipe(kind="random_direction", of=inner):
            return tr.RandomDirection(_weighted(study, inner, node))
        case Recipe(kind="heuristic", of=inner, row=row) if row is not None:
            return tr.Heuristic(row, _weighted(study, inner, node))
        case Recipe(kind="sweep", of=inner, doses=(dose,)):
            return tr.Dosed(_weighted(study, inner, node), dose)
        case Recipe(kind="sweep"):
            raise LoweringError(
                ValueOutOfRange(
                    span=node.span,
                    name="a sweep within another arm",
                    condition="of one dose",
                    value=f"this is of {len(value.doses)}",
                    advice="write one arm for each dose, or put the sweep on the outside",
                )
            )
    raise AssertionError(value)


def _weighted(study: _Study, value: Value | None, node: ast.Expression) -> tr.ArmKind:
    """Return what a control is of, which has to have weights."""
    found = _kind(study, value, node)
    if tr.pattern_of(found) is not None:
        return found
    raise LoweringError(
        ValueOutOfRange(
            span=node.span,
            name="what a control is of",
            condition="an arm with weights",
            value="`base` has none",
            advice="name a pattern in its place",
        )
    )


def _pattern(study: _Study, body: Body) -> WeightPattern:
    """Return a pattern that an arm names, or calls with arguments of its own."""
    known = study.known.get(body.name)
    # An instance has a name of its own: its arguments are given there, not here.
    called = body.origin if body.name == body.symbol.name else None
    if known is not None and called is None:
        return known
    pattern, problems = lower_pattern(study.evaluator, body)
    study.problems.extend(problems)
    if pattern is None:
        raise LoweringError(None)
    if called is None:
        return pattern
    return evolve(pattern, name=_called(called.text, study.known))


def _called(text: str, known: Collection[str]) -> str:
    """Return a name for the output of a pattern that is called in a study: other calls have others.

    Signs count, `steer(sign: -1)` is not `steer(sign: +1)`; what still reads alike is told apart by
    a few letters of its digest.
    """
    written = "".join(text.split())
    plain = re.sub(r"[^A-Za-z0-9.+-]+", "_", written).strip("_")
    exact = re.fullmatch(r"\w+\(\w+:[+-]?[\w.]+\)", written) is not None
    if exact and plain not in known:
        return plain
    return f"{plain}-{sha256(written.encode()).hexdigest()[:6]}"


def _seeds(study: _Study, node: ast.Expression) -> tuple[int, ...]:
    value = study.evaluator(node, study.env)
    match value:
        case Interval(low=low, high=high):
            found = tuple(range(low, high))
        case Num():
            found = (int(value.value),)
        case _:
            assert isinstance(value, tuple)
            found = tuple(int(item.value) for item in value if isinstance(item, Num))
    if not found:
        raise _bad_seeds(node, "`seeds`", "one seed or more", f"`{node.span.text}` is empty")
    if min(found) < 0:
        raise _bad_seeds(node, "each seed", "0 or more", f"there is {min(found)}")
    if found and max(found) >= MOST_SEED:
        raise _bad_seeds(node, "each seed", "below 2^63", f"there is {max(found)}")
    twice = next((seed for seed in found if found.count(seed) > 1), None)
    if twice is not None:
        raise _bad_seeds(node, "each seed", "given once", f"{twice} is there twice")
    return found


def _bad_seeds(node: ast.Expression, name: str, condition: str, value: str) -> LoweringError:
    advice = "write `seeds 0..8`, or a list of different numbers"
    return LoweringError(
        ValueOutOfRange(span=node.span, name=name, condition=condition, value=value, advice=advice)
    )


def _optimizer(study: _Study, node: ast.Expression) -> tr.Optimizer:
    value = study.evaluator(node, study.env, OPTIMIZER)
    assert isinstance(value, tr.Optimizer)
    return value


def _measures(study: _Study, item: ast.StudyItem) -> Iterator[tr.Measure]:
    """Return what one `measure` takes, families as their members."""
    every = _attempt(study, _every, item.every) if item.every is not None else None
    found: list[Observable] = []
    for written in item.expressions:
        found.extend(_attempt(study, _observables, written) or ())
    yield tr.Measure(tuple(found), every, item.span)


def _every(study: _Study, node: ast.Expression) -> int:
    value = study.evaluator(node, study.env)
    assert isinstance(value, Num)
    if value.value < 1:
        raise LoweringError(
            ValueOutOfRange(
                span=node.span,
                name="`every`",
                condition="1 step or more",
                value=f"this is {node.span.text}",
                advice="leave `every` out to measure at the start and at the end alone",
            )
        )
    return int(value.value)


def _observables(study: _Study, node: ast.Expression) -> tuple[Observable, ...]:
    value = study.evaluator(node, study.env, ObservableType(None))
    if isinstance(value, Family):
        return study.evaluator.members(value)
    assert isinstance(value, Observable)
    return (named_as_written(value, node),)


def _repeated(arms: list[tr.Arm]) -> Iterator[Problem]:
    seen: set[str] = set()
    for arm in arms:
        if arm.name in seen:
            yield ValueOutOfRange(
                span=arm.origin,
                name="each arm",
                condition="given once",
                value=f"`{arm.name}` is there already",
                advice="leave one of them out",
            )
        seen.add(arm.name)
