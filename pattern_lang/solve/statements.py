"""Goals and constraints of a pattern as statements: what each one asks for, in numbers."""

from typing import assert_never

import attrs
import numpy as np
from attrs import field, frozen

from pattern_lang.diagnostics import PatternError, Span
from pattern_lang.diagnostics.catalogue.verdicts import UnusableConstraint
from pattern_lang.ir import program as ir
from pattern_lang.ir.program import Constraint, Goal, Move, WeightPattern
from pattern_lang.semantics.units import Unit
from pattern_lang.solve.estimated import Estimated
from pattern_lang.solve.normal import Affine, Dose, NormalConstraint
from pattern_lang.solve.resolve import Resolved, resolve, units_of

# Squares of what is larger leave double precision.
LARGEST = 1e100
CONSERVED = Constraint(ir.Expression(((1.0, ir.Mean()),), -1.0), "==", "mean(w) == 1", implied=True)


@frozen(eq=False)
class Ask:
    """One observable of a goal, `lower <= shift <= upper` in its own unit.

    For a `move` without an amount the bounds are those at dose 1, and `per_dose` is true.
    """

    observable: str
    lower: float | None
    upper: float | None
    per_dose: bool = False


@frozen(eq=False)
class Statement:
    """One goal or constraint with its numbers; `number` counts goals first, then constraints.

    constraints: its normal form; for a goal there is one `Ask` per observable, in the same order
    (two constraints in a row for `hold`).
    """

    number: int
    kind: str
    source: str
    origin: Span | None
    constraints: tuple[NormalConstraint, ...]
    asks: tuple[Ask, ...] = ()
    constraint: Constraint | None = None
    resolved: Resolved | None = field(default=None)

    @property
    def is_goal(self) -> bool:
        """Tell whether this is a goal."""
        return self.constraint is None


def statements_of(pattern: WeightPattern, data: Estimated) -> tuple[Statement, ...]:
    """Return every statement of a pattern in source order, with conserved mass among them.

    Raises PatternError with every statement that the estimate cannot serve.
    """
    made: list[Statement] = []
    problems: list[PatternError] = []
    items: list[Goal | Move | Constraint] = [*pattern.goals, *with_mass(pattern.constraints)]
    for number, item in enumerate(items):
        try:
            made.append(_within_reach(_statement(number, item, data)))
        except PatternError as error:
            problems.append(error)
    if problems:
        raise PatternError([d for error in problems for d in error.diagnostics])
    return tuple(made)


def _within_reach(statement: Statement) -> Statement:
    """Refuse a statement with a number that leaves double precision when it is squared."""
    numbers = [c.target for c in statement.constraints]
    numbers += [float(np.max(np.abs(np.asarray(c.constant)))) for c in statement.constraints]
    if all(abs(number) <= LARGEST for number in numbers):
        return statement
    why = f"numbers beyond {LARGEST:g} are more than can be computed with"
    problem = UnusableConstraint(span=statement.origin, constraint=statement.source, why=why)
    raise PatternError([problem])


def with_mass(constraints: tuple[Constraint, ...]) -> tuple[Constraint, ...]:
    """Append `mean(w) == 1` unless it is there."""
    if any(is_mass(c) for c in constraints):
        return constraints
    return (*constraints, CONSERVED)


def is_mass(constraint: Constraint) -> bool:
    """Tell whether a constraint is that the mean of the weights is 1."""
    terms = constraint.expression.terms
    if constraint.relation != "==" or len(terms) != 1:
        return False
    coefficient, atom = terms[0]
    return (
        isinstance(atom, ir.Mean)
        and coefficient != 0
        and (constraint.expression.constant == -coefficient)
    )


def _statement(number: int, item: Goal | Move | Constraint, data: Estimated) -> Statement:
    match item:
        case Goal():
            return _goal(number, item, data)
        case Move():
            return _move(number, item, data)
        case Constraint():
            return _constraint(number, item, data)
        case _:
            assert_never(item)


def _goal(number: int, goal: Goal, data: Estimated) -> Statement:
    amount = data.native(goal.amount, goal.observable, goal.origin)
    row = Affine(data.row(goal.observable))
    made: tuple[NormalConstraint, ...]
    up = NormalConstraint(((1.0, row),), owner=number)
    down = NormalConstraint(((-1.0, row),), owner=number)
    match goal.kind:
        case "shift":
            made = (attrs.evolve(up, target=amount, equality=True),)
            ask = Ask(goal.observable, amount, amount)
        case "raise":
            made = (attrs.evolve(down, target=-amount),)
            ask = Ask(goal.observable, amount, None)
        case "lower":
            made = (attrs.evolve(up, target=-amount),)
            ask = Ask(goal.observable, None, -amount)
        case "hold" if amount == 0:
            made = (attrs.evolve(up, equality=True),)
            ask = Ask(goal.observable, 0.0, 0.0)
        case "hold":
            made = (attrs.evolve(up, constant=-amount), attrs.evolve(down, constant=-amount))
            ask = Ask(goal.observable, -amount, amount)
        case _:
            problem = UnusableConstraint(
                span=goal.origin, constraint=goal.source, why=f"no goal `{goal.kind}`"
            )
            raise PatternError([problem])
    return Statement(number, goal.kind, goal.source, goal.origin, made, (ask,))


def _move(number: int, move: Move, data: Estimated) -> Statement:
    made: list[NormalConstraint] = []
    asks: list[Ask] = []
    for observable, direction in zip(move.observables, move.direction, strict=True):
        row = Affine(data.row(observable))
        in_sd = Unit.SD in (direction.unit, move.amount.unit if move.amount else None)
        unit = Unit.SD if in_sd else direction.unit
        step = direction.value * data.factor(unit, observable, move.origin)
        equal = NormalConstraint(((1.0, row),), equality=True, owner=number)
        if move.amount is None:
            made.append(attrs.evolve(equal, terms=((1.0, row), (-step, Dose()))))
            asks.append(Ask(observable, step, step, per_dose=True))
        else:
            step *= move.amount.value
            made.append(attrs.evolve(equal, target=step))
            asks.append(Ask(observable, step, step))
    return Statement(number, "move", move.source, move.origin, tuple(made), tuple(asks))


def _constraint(number: int, constraint: Constraint, data: Estimated) -> Statement:
    resolved = resolve(constraint.expression, data, constraint.origin)
    normal = NormalConstraint(
        resolved.terms,
        constant=resolved.constant + constraint.expression.constant,
        equality=constraint.relation == "==",
        owner=number,
        units=None
        if constraint.only is None
        else units_of(constraint.only, data, constraint.origin),
    )
    return Statement(
        number,
        "require",
        constraint.source,
        constraint.origin,
        (normal,),
        constraint=constraint,
        resolved=resolved,
    )
