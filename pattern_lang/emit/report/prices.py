"""What limits the weights: shadow prices as what a little more of each statement would cost."""

from attrs import frozen

from pattern_lang.emit.report.words import line, number, percent, quoted
from pattern_lang.ir.program import WeightPattern
from pattern_lang.ir.solution import GoalOutcome, Solution

_SHOWN = 8
# A price that moves the objective by less than this share of it is not worth a line.
_LEAST = 1e-4
STEP = 0.01


@frozen
class PriceRow:
    """One binding statement: what a hundredth of its limit is, and what it costs or saves."""

    text: str
    change: str
    effect: float


def price_rows(pattern: WeightPattern, solution: Solution) -> list[PriceRow]:
    """Return the binding statements, dearest first; none without a cost to compare with.

    Prices are slopes: they hold for a little more or less, here a hundredth of the limit.
    """
    cost = solution.certificate.get("primal_cost")
    if not isinstance(cost, float) or not cost or solution.status != "optimal":
        return []
    if any(goal.kind == "move" for goal in solution.goals) and _as_far_as_possible(pattern):
        return []
    rows = [
        row
        for outcome in (*solution.goals, *solution.constraints)
        if (row := _row(outcome, abs(cost))) is not None
    ]
    return sorted(rows, key=lambda row: -row.effect)[:_SHOWN]


def _as_far_as_possible(pattern: WeightPattern) -> bool:
    """Tell whether the dose is the largest: its price has no meaning beyond."""
    return any(getattr(goal, "amount", None) is None for goal in pattern.goals)


def _row(outcome: GoalOutcome, cost: float) -> PriceRow | None:
    limits = [end for end in outcome.requested if end is not None and end]
    if not outcome.binding or not outcome.dual or not limits:
        return None
    lower, upper = outcome.requested
    if outcome.kind == "require" and lower is not None and lower == upper:
        return None  # no one asks what another mean of the weights would cost
    limit = _nearest(limits, outcome.predicted)
    effect = abs(outcome.dual) * STEP * abs(limit) / cost
    if effect < _LEAST:
        return None
    size = _size(outcome, STEP * abs(limit))
    gives = outcome.kind in ("require", "hold")
    what = f"{'Loosening' if gives else 'Asking more of'} {quoted(line(outcome.source))}"
    about = outcome.observable
    if about is not None and outcome.kind == "move":
        what += f" for {quoted(about)}"
    verb = "saves" if gives or outcome.dual < 0 else "costs"
    return PriceRow(f"{what} by {size}", f"{verb} {percent(effect)}", effect)


def _size(outcome: GoalOutcome, step: float) -> str:
    """Return a step of a limit, in posterior standard deviations where there are any."""
    if outcome.in_sd and outcome.predicted:
        return f"{number(step * outcome.in_sd / outcome.predicted, 2)} sd"
    return f"{number(step, 2)}{'' if outcome.unit == '1' else ' ' + outcome.unit}"


def _nearest(limits: list[float], value: float | None) -> float:
    return limits[0] if value is None else min(limits, key=lambda end: abs(end - value))
