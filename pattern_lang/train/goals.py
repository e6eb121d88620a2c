"""What a run can be asked about the goals of its pattern, and what became of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from pattern_lang.diagnostics import PatternError
from pattern_lang.ir.observables import Observable
from pattern_lang.ir.program import Goal, WeightPattern
from pattern_lang.ir.sources import ModelSource
from pattern_lang.ir.training import Measure, Optimizer
from pattern_lang.train.measures import retargeted


@frozen
class Outcome:
    """A goal, with what was predicted and what happened, both as shifts in `unit`.

    predicted, stderr: by the estimate. realised: the difference of the observable between two runs
    of one seed, with the weights and without; None where it cannot be read off a network.
    """

    source: str
    observable: str
    unit: str
    predicted: float | None
    stderr: float | None
    realised: float | None


def measurable(
    pattern: WeightPattern, optimizer: Optimizer, model: ModelSource
) -> tuple[Observable, ...]:
    """Return those observables of a pattern's goals that can be read off the trained network."""
    asked: dict[str, None] = {}
    for goal in pattern.goals:
        asked |= dict.fromkeys([goal.observable] if isinstance(goal, Goal) else goal.observables)
    by_name = {observable.name: observable for observable in pattern.queries.observables}
    return tuple(by_name[name] for name in asked if _readable(by_name[name], optimizer, model))


def _readable(observable: Observable, optimizer: Optimizer, model: ModelSource) -> bool:
    try:
        retargeted(observable, optimizer, model)
    except PatternError:
        return False
    return True


def with_goals(
    measures: Sequence[Measure],
    pattern: WeightPattern,
    optimizer: Optimizer,
    model: ModelSource,
) -> tuple[Measure, ...]:
    """Return measures with the observables of the goals added, at start and end."""
    known = {item.name for measure in measures for item in measure.observables}
    own = measurable(pattern, optimizer, model)
    added = tuple(item for item in own if item.name not in known)
    return (*measures, Measure(added)) if added else tuple(measures)


def outcomes(
    goals: Sequence[Mapping[str, Any]], steered: Mapping[str, float], base: Mapping[str, float]
) -> tuple[Outcome, ...]:
    """Return what became of the goals of a plan, from the final measures of two runs."""
    found = []
    for goal in goals:
        name = goal["observable"]
        known = name in steered and name in base
        found.append(
            Outcome(
                source=goal["source"],
                observable=name,
                unit=goal["unit"],
                predicted=goal["predicted"],
                stderr=goal["stderr"],
                realised=steered[name] - base[name] if known else None,
            )
        )
    return tuple(found)
