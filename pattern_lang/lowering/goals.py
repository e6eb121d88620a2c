"""From `shift`, `raise`, `lower`, `hold` and `move` to symbolic goals."""

from attrs import define, evolve, field

from pattern_lang.diagnostics import Problem, Span
from pattern_lang.diagnostics.catalogue.goals import (
    ContradictoryGoals,
    MoveLengths,
    NegativeAmount,
    ZeroDirection,
)
from pattern_lang.ir import program as ir
from pattern_lang.ir.observables import Observable, PrincipalDirection
from pattern_lang.ir.queries import Reason
from pattern_lang.lowering.evaluate import Evaluator
from pattern_lang.lowering.naming import named_as_written, statement_text
from pattern_lang.lowering.values import Environment, Family, LoweringError, Num, Value
from pattern_lang.semantics.types import ListType, NumberType, ObservableType
from pattern_lang.semantics.units import Unit
from pattern_lang.syntax import ast

_OPPOSITE = {"raise": "lower", "lower": "raise"}


@define
class Asked:
    """The observables that a pattern asks for, in order, with the lines that ask."""

    observables: dict[str, Observable] = field(factory=dict)
    reasons: dict[str, dict[Reason, None]] = field(factory=dict)

    def add(self, observable: Observable, span: Span) -> str:
        """Note that a statement asks for an observable; return its name in the pattern.

        Two observables that are called the same and differ get different names.
        """
        name, count = observable.name, 1
        while name in self.observables and _differ(self.observables[name], observable):
            count += 1
            name = f"{observable.name} ({count})"
        self.observables.setdefault(name, evolve(observable, name=name))
        reason = Reason(statement_text(span), str(span))
        self.reasons.setdefault(name, {})[reason] = None
        for _, primitive in observable.terms:
            if isinstance(primitive, PrincipalDirection):
                # A direction is a combination of its family, whose members get rows of their own.
                for member in primitive.family:
                    self.add(member, span)
        return name


def _differ(one: Observable, other: Observable) -> bool:
    return (one.terms, one.constant) != (other.terms, other.constant)


def goals(
    evaluator: Evaluator, node: ast.Goal, env: Environment, asked: Asked
) -> tuple[ir.Goal, ...]:
    """Return the goals of one statement: one, or one for each member of a family."""
    value = evaluator(node.observable, env, ObservableType(None))
    number = evaluator(node.amount, env, NumberType(Unit.SD))
    assert isinstance(number, Num)
    if node.keyword != "shift" and number.value < 0:
        raise LoweringError(_negative(node, number))
    amount = ir.Amount(number.real, number.unit)
    source = statement_text(node.span)
    return tuple(
        ir.Goal(node.keyword, asked.add(member, node.span), amount, source, node.span)
        for member in _members(evaluator, value, node.observable)
    )


def _members(
    evaluator: Evaluator, value: Value, written: ast.Expression | None
) -> tuple[Observable, ...]:
    if isinstance(value, Family):
        return evaluator.members(value)
    assert isinstance(value, Observable)
    return (value if written is None else named_as_written(value, written),)


def _negative(node: ast.Goal, number: Num) -> Problem:
    opposite = _OPPOSITE.get(node.keyword)
    positive = f"{-number.real:g}"
    unit = "" if number.unit is Unit.ONE else f" {number.unit.value}"
    advice = (
        f"write `{opposite} {node.observable.span.text} by {positive}{unit}`"
        if opposite
        else "write how far it may move in either direction"
    )
    shown = f"{number.real:g}{unit}"
    return NegativeAmount(span=node.amount.span, keyword=node.keyword, value=shown, advice=advice)


def move(evaluator: Evaluator, node: ast.Move, env: Environment, asked: Asked) -> ir.Move:
    """Return a `move`."""
    listed = evaluator(node.observables, env, ListType(ObservableType(None)))
    numbers = evaluator(node.direction, env)
    items = listed if isinstance(listed, tuple) else (listed,)
    nodes: tuple[ast.Expression | None, ...] = (None,) * len(items)
    if isinstance(node.observables, ast.ListOf):
        nodes = node.observables.items
    observables = [
        member
        for item, written in zip(items, nodes, strict=True)
        for member in _members(evaluator, item, written)
    ]
    assert isinstance(numbers, tuple)
    direction = [number for number in numbers if isinstance(number, Num)]
    if len(observables) != len(direction):
        span = node.direction.span
        raise LoweringError(
            MoveLengths(
                span=span,
                observables=_count(len(observables), "observable"),
                numbers=_count(len(direction), "number"),
            )
        )
    if all(number.value == 0 for number in direction):
        raise LoweringError(ZeroDirection(span=node.direction.span))
    amount = None
    if node.amount is not None:
        value = evaluator(node.amount, env)
        assert isinstance(value, Num)
        amount = ir.Amount(value.real, value.unit)
    names = tuple(asked.add(observable, node.span) for observable in observables)
    along = tuple(ir.Amount(number.real, number.unit) for number in direction)
    return ir.Move(names, along, amount, statement_text(node.span), node.span)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def contradictions(found: list[ir.Goal | ir.Move]) -> list[Problem]:
    """Return the goals on one observable that no shift can meet with an earlier one."""
    problems: list[Problem] = []
    bounds: dict[tuple[str, Unit], _Bounds] = {}
    for goal in found:
        if not isinstance(goal, ir.Goal):
            continue
        before = bounds.setdefault((goal.observable, goal.amount.unit), _Bounds())
        clash = before.clash(goal)
        if clash is not None and clash.origin is not None:
            problems.append(
                ContradictoryGoals(
                    span=goal.origin,
                    fact=f"no shift of `{goal.observable}` meets both `{clash.source}` and "
                    f"`{goal.source}`",
                    first=clash.origin,
                )
            )
        before.add(goal)
    return problems


@define
class _Bounds:
    """The tightest bounds on one shift so far, each with the goal that set it."""

    low: tuple[float, ir.Goal | None] = (float("-inf"), None)
    high: tuple[float, ir.Goal | None] = (float("inf"), None)

    def clash(self, goal: ir.Goal) -> ir.Goal | None:
        low, high = _range(goal)
        if low > self.high[0]:
            return self.high[1]
        return self.low[1] if high < self.low[0] else None

    def add(self, goal: ir.Goal) -> None:
        low, high = _range(goal)
        if low > self.low[0]:
            self.low = (low, goal)
        if high < self.high[0]:
            self.high = (high, goal)


def _range(goal: ir.Goal) -> tuple[float, float]:
    amount, unbounded = goal.amount.value, float("inf")
    return {
        "shift": (amount, amount),
        "raise": (amount, unbounded),
        "lower": (-unbounded, -amount),
        "hold": (-amount, amount),
    }[goal.kind]
