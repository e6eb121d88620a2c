"""`plan.json`: what was asked, what is predicted, and what the folder holds. Written last."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import attrs

from pattern_lang.emit.documents import posterior_document, sampler_document, span_location
from pattern_lang.emit.figures import weight_figures
from pattern_lang.ir.program import WeightPattern
from pattern_lang.ir.solution import (
    Direction,
    Frontier,
    GoalOutcome,
    Nearest,
    Relaxation,
    Softening,
    Solution,
)
from pattern_lang.ir.susceptibility import Estimate

PLAN_SCHEMA = "pattern-lang/plan/1"


def requested_number(kind: str, lower: float | None, upper: float | None) -> float | None:
    """Return the one number that was asked for, with its sign, in the observable's unit.

    `shift` and `raise` by Q give Q, `lower` by Q gives -Q, `hold` within Q gives Q; a constraint
    gives the side that is closed, and None when it is a range of two different ends.
    """
    if kind == "hold":
        return upper if upper is not None else lower
    if lower is None:
        return upper
    return lower if upper is None or upper == lower else None


def outcome_document(outcome: GoalOutcome) -> dict[str, Any]:
    """Return a goal or constraint and what became of it."""
    lower, upper = outcome.requested
    return {
        "source": outcome.source,
        "location": span_location(outcome.origin),
        "kind": outcome.kind,
        "observable": outcome.observable,
        "unit": outcome.unit,
        "requested": requested_number(outcome.kind, lower, upper),
        "lower": lower,
        "upper": upper,
        "predicted": outcome.predicted,
        "stderr": outcome.stderr,
        "cross_fitted": outcome.crossed,
        "cross_fitted_stderr": outcome.crossed_stderr,
        "predicted_sd": outcome.in_sd,
        "dual": outcome.dual,
        "binding": bool(outcome.binding),
        "softened": bool(outcome.softened),
        "reliability": outcome.reliability,
        "violation": outcome.violation,
        "violation_stderrs": outcome.violation_in_stderr,
    }


def conflict_document(solution: Solution) -> dict[str, Any] | None:
    """Return the clashing goals and constraints by position and text, or None without a clash."""
    if not solution.conflict:
        return None
    count = len(solution.goals)
    both = (*solution.goals, *solution.constraints)
    inside = [index for index in solution.conflict if 0 <= index < len(both)]
    return {
        "goals": [index for index in inside if index < count],
        "constraints": [index - count for index in inside if index >= count],
        "sources": list(dict.fromkeys(both[index].source for index in inside)),
    }


def relaxation_document(relaxation: Relaxation, solution: Solution) -> dict[str, Any]:
    """Return how one statement of a clash, alone, would have to give way, in its own unit."""
    outcome = (*solution.goals, *solution.constraints)[relaxation.place]
    lower, upper = relaxation.requested
    return {
        "source": outcome.source,
        "location": span_location(outcome.origin),
        "unit": outcome.unit,
        "lower": lower,
        "upper": upper,
        "amount": relaxation.amount,
        "relative": relaxation.relative,
    }


def nearest_document(nearest: Nearest | None) -> dict[str, Any] | None:
    """Return what the weights reach that miss the goals least, or None without such weights."""
    if nearest is None:
        return None
    return {
        "goals": [outcome_document(goal) for goal in nearest.goals],
        "ess": nearest.ess,
        "max_weight": nearest.most,
    }


def plan_document(
    pattern: WeightPattern,
    estimate: Estimate,
    solution: Solution,
    digests: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Return `plan.json` without its `files`, which are known once everything else is written."""
    reweight = pattern.queries.reweight
    return {
        "schema": PLAN_SCHEMA,
        "pattern": pattern.name,
        "status": solution.status,
        "dose": solution.dose,
        "digests": dict(digests),
        "units": {
            "unit": reweight.unit,
            "group_field": reweight.group_field,
            "data": reweight.data.name,
            "count": len(estimate.units.unit_id),
            "filtered": bool(estimate.units.filtered),
        },
        "goals": [outcome_document(item) for item in solution.goals],
        "constraints": [outcome_document(item) for item in solution.constraints],
        "objective": {
            "sense": pattern.objective.sense,
            "source": pattern.objective.source,
        },
        "conflict": conflict_document(solution),
        "relaxations": [relaxation_document(item, solution) for item in solution.relaxations],
        "nearest": nearest_document(solution.nearest),
        "escape": None if solution.escape is None else attrs.asdict(solution.escape),
        "directions": [_direction(item) for item in solution.directions],
        "reliable": None
        if pattern.reliable is None
        else {"at": pattern.reliable.at, "rest": pattern.reliable.rest},
        "softening": _softening(solution.softening),
        "frontier": _frontier(solution.frontier),
        "certificate": solution.certificate,
        "weights": _weights(solution),
        "nbeta": estimate.susceptibility.nbeta,
        "sampler": sampler_document(pattern.queries.sampler),
        "diagnostics": [_diagnosis(item) for item in map(posterior_document, estimate.diagnostics)],
        "schedule": {
            "kind": pattern.schedule.kind,
            "arguments": dict(pattern.schedule.arguments),
        },
        **facts,
    }


def _direction(direction: Direction) -> dict[str, Any]:
    loadings = dict(zip(direction.observables, direction.loadings, strict=True))
    return {"reliability": direction.reliability, "loadings": loadings}


def _softening(softening: Softening | None) -> dict[str, Any] | None:
    """Return which directions of the binding goals the weights do not follow."""
    if softening is None:
        return None
    first = len(softening.directions) - softening.count
    return {
        "below": softening.at,
        "rest": softening.rest,
        "because": "asked" if softening.asked else "goal below noise",
        "goals_below_noise": [item.source for item in softening.below],
        "directions": [
            {**_direction(item), "kept": place < first}
            for place, item in enumerate(softening.directions)
        ],
    }


def _frontier(frontier: Frontier | None) -> dict[str, Any] | None:
    if frontier is None:
        return None
    return {
        "kind": frontier.kind,
        "largest": frontier.largest,
        "chosen": frontier.chosen,
        "units": dict(zip(frontier.observables, frontier.units, strict=True)),
        "points": [
            {
                "dose": point.dose,
                "effective_sample_size": point.ess,
                "objective": point.objective,
                "predicted": dict(zip(frontier.observables, point.predicted, strict=True)),
                "stderr": {
                    name: error if isfinite(error) else None
                    for name, error in zip(frontier.observables, point.stderr, strict=True)
                },
            }
            for point in frontier.points
        ],
    }


def _weights(solution: Solution) -> dict[str, float] | None:
    if solution.weights is None:
        return None
    return attrs.asdict(weight_figures(solution.weights))


def _diagnosis(document: dict[str, Any]) -> dict[str, Any]:
    keys: Sequence[str] = ("posterior", "r_hat", "effective_draws", "verdict", "sound")
    return {key: document[key] for key in keys}
