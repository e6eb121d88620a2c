"""What became of each goal and constraint, computed from the final weights."""

from collections.abc import Iterator
from math import isfinite

import attrs
import numpy as np

from pattern_lang.ir import program as ir
from pattern_lang.ir.solution import GoalOutcome
from pattern_lang.semantics.units import Unit
from pattern_lang.solve.estimated import Estimated
from pattern_lang.solve.normal import Vector
from pattern_lang.solve.prices import Final
from pattern_lang.solve.statements import Ask, Statement
from pattern_lang.solve.values import total

TIGHT = 1e-6


def outcomes(
    statement: Statement,
    data: Estimated,
    final: Final | None,
    dose: float | None,
    softened: tuple[float, ...] | None = None,
) -> tuple[GoalOutcome, ...]:
    """Return one outcome per observable of a goal, or one for a constraint.

    softened: the prices of a goal that stands in the program by combinations only.
    """
    if not statement.is_goal:
        return (_of_constraint(statement, data, final),)
    prices = final.prices(statement.number) if final is not None else ()
    prices = prices if softened is None else softened
    if statement.kind == "hold":
        prices = (sum(abs(price) for price in prices),) if prices else ()
    found = tuple(
        _of_goal(statement, ask, data, final, prices[i] if prices else None, dose)
        for i, ask in enumerate(statement.asks)
    )
    if softened is None:
        return found
    return tuple(
        attrs.evolve(goal, softened=missed(goal, data.row(ask.observable).length), binding=True)
        for goal, ask in zip(found, statement.asks, strict=True)
    )


def missed(goal: GoalOutcome, size: float) -> bool:
    """Tell whether a prediction lies outside of what was asked; size: the length of its row."""
    lower, upper = goal.requested
    if goal.predicted is None:
        return False
    below = -np.inf if lower is None else lower
    above = np.inf if upper is None else upper
    off = max(below - goal.predicted, goal.predicted - above)
    ends = [abs(end) for end in (lower, upper) if end is not None]
    return off > 1e-3 * max(*ends, 1e-6 * size)


def _of_goal(
    statement: Statement,
    ask: Ask,
    data: Estimated,
    final: Final | None,
    price: float | None,
    dose: float | None,
) -> GoalOutcome:
    lower, upper = _requested(ask, dose)
    shift = stderr = None
    if final is not None:
        shift = float(np.dot(data.row(ask.observable).read(), final.w - 1.0))
        stderr = data.stderr({ask.observable: 1.0}, final.w)
    if price is not None and lower is not None and lower == upper and statement.kind != "hold":
        price = -price if lower < 0 else price
    sd = data.sd(ask.observable)
    size = data.row(ask.observable).length
    return GoalOutcome(
        source=statement.source,
        kind=statement.kind,
        observable=ask.observable,
        unit=data.unit(ask.observable),
        requested=(lower, upper),
        predicted=shift,
        stderr=stderr,
        dual=_finite(price),
        binding=shift is not None and _tight(shift, lower, upper, size),
        in_sd=shift / sd if shift is not None and sd is not None else None,
        origin=statement.origin,
    )


def _requested(ask: Ask, dose: float | None) -> tuple[float | None, float | None]:
    if not ask.per_dose:
        return ask.lower, ask.upper
    if dose is None or ask.lower is None:
        return None, None
    return dose * ask.lower, dose * ask.lower


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _tight(value: float, lower: float | None, upper: float | None, size: float) -> bool:
    """Tell whether a value sits on one of its limits, to TIGHT of the limit."""
    return any(
        limit is not None and abs(value - limit) <= TIGHT * max(abs(limit), 1e-6 * size)
        for limit in (lower, upper)
    )


def _of_constraint(statement: Statement, data: Estimated, final: Final | None) -> GoalOutcome:
    constraint, resolved = statement.constraint, statement.resolved
    assert constraint is not None
    assert resolved is not None
    flipped = bool(resolved.terms) and all(c <= 0 for c, _ in resolved.terms)
    sign = -1.0 if flipped else 1.0
    equality = constraint.relation == "=="
    limit = -sign * constraint.expression.constant
    requested = (limit, limit) if equality else (limit, None) if flipped else (None, limit)
    value = price = stderr = None
    if final is not None:
        entries = total(resolved.terms, final.w, final.answer.dose) + resolved.constant
        units = statement.constraints[0].units
        entries = entries if units is None else entries[units]
        value = sign * float(_worst(entries, sign * limit, equality))
        price = sum(final.prices(statement.number))
        stderr = _stderr(constraint, data, final.w)
    return GoalOutcome(
        source=statement.source,
        kind="require",
        observable=_observable(constraint),
        unit=_unit(constraint, data),
        requested=requested,
        predicted=value,
        stderr=stderr,
        dual=_finite(price),
        binding=value is not None and (equality or _tight(value, limit, limit, 1.0)),
        origin=statement.origin,
    )


def _worst(entries: Vector, limit: float, equality: bool) -> float:
    if equality:
        return float(entries[int(np.argmax(np.abs(entries - limit)))])
    return float(np.max(entries))


def _atoms(constraint: ir.Constraint) -> list[ir.Predicted | ir.Risk] | None:
    """Return the atoms when all of them speak of observables, else None."""
    atoms = [atom for _, atom in constraint.expression.terms]
    chosen = [atom for atom in atoms if isinstance(atom, ir.Predicted | ir.Risk)]
    return chosen if chosen and len(chosen) == len(atoms) else None


def _observables(expression: ir.Expression) -> Iterator[str]:
    for _, atom in expression.terms:
        if isinstance(atom, ir.Predicted | ir.Risk):
            yield atom.observable
        elif isinstance(atom, ir.Joined):
            for part in atom.parts:
                yield from _observables(part)


def _observable(constraint: ir.Constraint) -> str | None:
    names = set(_observables(constraint.expression))
    return names.pop() if len(names) == 1 else None


def _unit(constraint: ir.Constraint, data: Estimated) -> str:
    atoms = _atoms(constraint)
    if atoms is None:
        return Unit.ONE.value
    units = {"sd" if atom.unit is Unit.SD else data.unit(atom.observable) for atom in atoms}
    return units.pop() if len(units) == 1 else Unit.ONE.value


def _stderr(constraint: ir.Constraint, data: Estimated, w: Vector) -> float | None:
    """Return the standard error of a constraint that is linear in predicted shifts."""
    weights: dict[str, float] = {}
    for coefficient, atom in constraint.expression.terms:
        if not isinstance(atom, ir.Predicted):
            return None
        factor = data.factor(atom.unit, atom.observable, constraint.origin)
        weights[atom.observable] = weights.get(atom.observable, 0.0) + coefficient / factor
    return data.stderr(weights, w) if weights else None
