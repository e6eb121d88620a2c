"""What could be had instead, where a pattern has no weights, in the words of its statements."""

from math import inf

import numpy as np

from pattern_lang.ir.solution import Escape, GoalOutcome, Nearest, Relaxation
from pattern_lang.solve.estimated import Estimated
from pattern_lang.solve.nearest import Aim, nearest
from pattern_lang.solve.normal import NormalProgram, width
from pattern_lang.solve.optimize import Answer
from pattern_lang.solve.outcomes import outcomes
from pattern_lang.solve.prices import Final
from pattern_lang.solve.recession import bound, direction
from pattern_lang.solve.relax import Give, least_give
from pattern_lang.solve.statements import Ask, Statement, is_mass
from pattern_lang.solve.values import effective_sample_size

# What is left of a limit that has given way by this share of itself and a little more.
ROUNDING = 1e-5
Range = tuple[float | None, float | None]


def places_of(owners: tuple[int, ...], statements: tuple[Statement, ...]) -> tuple[int, ...]:
    """Return the places of statements among the outcomes; a `move` has one per observable."""
    places: list[int] = []
    start = 0
    for statement in statements:
        count = len(statement.asks) if statement.is_goal else 1
        if statement.number in owners:
            places.extend(range(start, start + count))
        start += count
    return tuple(places)


def relaxations(
    program: NormalProgram,
    clash: tuple[int, ...],
    statements: tuple[Statement, ...],
    data: Estimated,
) -> tuple[Relaxation, ...]:
    """Return how far each statement of a clash alone would have to give way, the least first.

    What no one wrote stays, and so does the mean of the weights. program: see `least_give`.
    """
    found: list[Relaxation] = []
    for statement in statements:
        if statement.number not in clash or not _may_give(statement):
            continue
        moved = statement.kind == "move"
        give = least_give(program, statement.number, share=moved)
        if give is not None:
            (place, *_) = places_of((statement.number,), statements)
            found.append(_relaxation(place, statement, give, data, program.n))
    return tuple(sorted(found, key=lambda r: inf if r.relative is None else r.relative))


def _may_give(statement: Statement) -> bool:
    if statement.constraint is not None:
        return not statement.constraint.implied and not is_mass(statement.constraint)
    return not any(ask.per_dose for ask in statement.asks)


def _relaxation(
    place: int, statement: Statement, give: Give, data: Estimated, n: int
) -> Relaxation:
    (outcome, *_) = outcomes(statement, data, None, None)
    limit = max((abs(end) for end in outcome.requested if end is not None), default=0.0)
    if statement.kind == "move":
        moved = _scaled(outcome.requested, 1.0 - give.amount)
        return Relaxation(place, moved, give.amount * limit, give.amount)
    several = max(width(c.terms, n) for c in statement.constraints) > 1
    moved = _moved(outcome, give, several)
    unit = limit or (data.sd(outcome.observable) if outcome.observable is not None else None)
    return Relaxation(place, moved, give.amount, give.amount / unit if unit else None)


def _scaled(requested: Range, factor: float) -> Range:
    lower, upper = requested
    return (
        None if lower is None else factor * lower,
        None if upper is None else factor * upper,
    )


def _moved(outcome: GoalOutcome, give: Give, several: bool) -> Range:
    """Return what is asked after a statement has given way."""
    lower, upper = outcome.requested
    if lower is not None and lower == upper and outcome.kind != "hold" and not several:
        at = lower + give.amount if give.above else lower - give.amount
        at = 0.0 if abs(at) <= ROUNDING * abs(lower) else at
        return at, at
    return (
        None if lower is None else lower - give.amount,
        None if upper is None else upper + give.amount,
    )


def nearest_outcomes(
    answer: Answer, program: NormalProgram, statements: tuple[Statement, ...], data: Estimated
) -> Nearest | None:
    """Return what the weights reach that miss the goals least, None where there are none.

    A `move` without an amount stays as it is: any dose of it is right, the smallest too.
    """
    goals = [s for s in statements if s.is_goal and not any(a.per_dose for a in s.asks)]
    aims = tuple(_aim(ask, data) for statement in goals for ask in statement.asks)
    w = nearest(program, frozenset(s.number for s in goals), aims)
    if w is None:
        return None
    final = Final(w, Answer("nearest", w, 1.0, answer.program, answer.box, None))
    made = [o for s in statements if s.is_goal for o in outcomes(s, data, final, None)]
    return Nearest(tuple(made), effective_sample_size(w), float(w.max()))


def escape(answer: Answer) -> Escape | None:
    """Return where the weights of an unbounded program run to, None where that is not seen."""
    along = direction(answer.program)
    if along is None:
        return None
    return Escape(
        rising=int(np.count_nonzero(along > 0)),
        falling=int(np.count_nonzero(along < 0)),
        fastest=int(np.argmax(np.abs(along))),
        bound=bound(answer.program, along),
    )


def _aim(ask: Ask, data: Estimated) -> Aim:
    row = data.row(ask.observable)
    return Aim(
        row,
        -inf if ask.lower is None else ask.lower,
        inf if ask.upper is None else ask.upper,
        data.sd(ask.observable) or row.length or 1.0,
    )
