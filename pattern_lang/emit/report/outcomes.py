"""Goals and constraints as table rows, and the outcome of the whole in one sentence."""

import math

from attrs import evolve, frozen

from pattern_lang.emit.documents import span_location
from pattern_lang.emit.report.noise import softened
from pattern_lang.emit.report.words import NONE, fixed, line, number, percent, quoted, with_error
from pattern_lang.ir.solution import GoalOutcome, Solution

# A promise that is broken by less than this share of its size is the solver's rounding.
_TOLERANCE = 1e-3
_REMARKS = 6
_ACTIVE = frozenset({"shift", "raise", "lower", "move"})


@frozen
class OutcomeRow:
    """One row of the goals or constraints table."""

    source: str
    location: str
    observable: str
    unit: str
    asked: str
    predicted: str
    in_sd: str
    price: str
    state: str
    tone: str
    noise: str
    crossed: str
    signal: str


@frozen
class Headline:
    """The badge, the sentence and the remarks at the top of the page."""

    status: str
    tone: str
    sentence: str
    remarks: tuple[str, ...]


def outcome_rows(outcomes: tuple[GoalOutcome, ...], clash: frozenset[int]) -> list[OutcomeRow]:
    """Return table rows; `clash` holds the indices that cannot hold together."""
    return [_row(outcome, index in clash) for index, outcome in enumerate(outcomes)]


def _row(outcome: GoalOutcome, clashes: bool) -> OutcomeRow:
    state, tone = _state(outcome, clashes)
    price = outcome.dual if outcome.binding else None
    return OutcomeRow(
        source=line(outcome.source),
        location=span_location(outcome.origin) or _unwritten(outcome),
        observable=line(outcome.observable or "", 80),
        unit="" if outcome.unit == "1" else outcome.unit,
        asked=asked(outcome),
        predicted=with_error(outcome.predicted, outcome.stderr, signed=outcome.kind in _signed()),
        in_sd=fixed(outcome.in_sd, 2, signed=True),
        price=number(price),
        state=state,
        tone=tone,
        noise=_noise(outcome),
        crossed=_crossed(outcome),
        signal=_signal(outcome),
    )


def _unwritten(outcome: GoalOutcome) -> str:
    """Mark a constraint that no one wrote, such as that mass is conserved."""
    return "implied" if outcome.kind == "require" else ""


def _signed() -> frozenset[str]:
    return _ACTIVE | {"hold"}


def asked(outcome: GoalOutcome) -> str:
    """Return what was asked for, in the observable's unit, without the unit."""
    lower, upper = outcome.requested
    signed = outcome.kind in _signed()
    if lower is None and upper is None:
        return number(None)
    if lower is None or upper is None:
        relation, value = ("≥", lower) if upper is None else ("≤", upper)
        return f"{relation} {number(value, signed=signed)}"
    if lower == upper:
        return number(lower, signed=signed)
    if lower == -upper:
        return f"within ± {number(upper)}"
    return f"{number(lower, signed=signed)} to {number(upper, signed=signed)}"


def is_met(outcome: GoalOutcome) -> bool | None:
    """Tell whether the prediction lies in the range that was asked for, None without one."""
    value = outcome.predicted
    if value is None or not math.isfinite(value):
        return None
    ends = [end for end in outcome.requested if end is not None]
    slack = _TOLERANCE * max([abs(end) for end in ends], default=0.0) + 1e-9
    lower, upper = outcome.requested
    above = lower is None or value >= lower - slack
    return above and (upper is None or value <= upper + slack)


def _state(outcome: GoalOutcome, clashes: bool) -> tuple[str, str]:
    if clashes:
        return "clashes", "bad"
    match is_met(outcome):
        case None:
            return NONE, "quiet"
        case False:
            return ("softened", "warn") if outcome.softened else ("missed", "bad")
        case True:
            return ("binds", "binds") if outcome.binding else ("slack", "quiet")


def _noise(outcome: GoalOutcome) -> str:
    """Say so when a wanted shift cannot be told from the noise of its own prediction."""
    value, error = outcome.predicted, outcome.stderr
    if outcome.kind not in _ACTIVE or value is None or not error:
        return ""
    return "within its noise" if abs(value) < 2 * error else ""


def _crossed(outcome: GoalOutcome) -> str:
    """Return what the half of the draws says that weights were not chosen on, with the unit."""
    if outcome.crossed is None:
        return ""
    unit = "" if outcome.unit == "1" else f" {outcome.unit}"
    return f"{with_error(outcome.crossed, outcome.crossed_stderr, signed=True)}{unit}"


def _signal(outcome: GoalOutcome) -> str:
    """Say which share of what is asked for is signal, where the goal drives the weights."""
    if outcome.reliability is None or outcome.kind not in _ACTIVE:
        return ""
    return f"{percent(min(max(outcome.reliability, 0.0), 1.0))} signal"


def headline(solution: Solution, ess_share: float | None, unsound: tuple[str, ...]) -> Headline:
    """Return the outcome in one sentence, with what a reader must know beside it."""
    remarks = [f"The estimate of {quoted(name)} is not sound." for name in unsound[:_REMARKS]]
    match solution.status:
        case "infeasible":
            remarks += [*_changes(solution), *_nearest(solution)]
            return Headline("infeasible", "bad", _infeasible(solution), tuple(remarks))
        case "unbounded":
            sentence = (
                "Nothing limits the dose: every larger one is feasible too. "
                f"Add a budget such as `require {_budget(solution)}`."
            )
            return Headline("unbounded", "bad", sentence, tuple(remarks))
    if solution.status != "optimal":
        remarks.insert(0, "The solver stopped short of its accuracy; see the certificate.")
    faint = [
        f"The shift of {quoted(goal.observable or goal.source)} "
        "is smaller than twice its standard error."
        for goal in solution.goals
        if _noise(goal)
    ]
    remarks += [text] if (text := softened(solution)) else []
    remarks += faint[:_REMARKS]
    if len(faint) > _REMARKS:
        remarks.append(f"So are those of {len(faint) - _REMARKS} more.")
    sound = solution.status == "optimal" and not unsound and solution.softening is None
    tone = "good" if sound else "warn"
    return Headline(solution.status, tone, _sentence(solution, ess_share), tuple(remarks))


def _sentence(solution: Solution, ess_share: float | None) -> str:
    active = [
        goal for goal in solution.goals if goal.kind in _ACTIVE and goal.predicted is not None
    ]
    parts = [_movement(goal) for goal in active[:3]]
    if len(active) > 3:
        parts.append(f"{len(active) - 3} more are predicted to move")
    held = [goal for goal in solution.goals if goal.kind == "hold"]
    if held:
        kept = sum(is_met(goal) is True for goal in held)
        parts.append(_held(kept, len(held)))
    if ess_share is not None:
        parts.append(f"effective sample size {percent(ess_share)}")
    text = "; ".join(parts) or "the weights satisfy every constraint"
    return text + "."


def _held(kept: int, held: int) -> str:
    if held == 1:
        return "the held observable " + ("stays in range" if kept else "leaves its range")
    if kept == held:
        return ("both" if held == 2 else f"all {held}") + " held observables stay in range"
    return f"{kept} of {held} held observables stay in range"


def _movement(goal: GoalOutcome) -> str:
    value = goal.predicted or 0.0
    verb = "fall" if value < 0 else "rise"
    error = goal.stderr
    amount = with_error(abs(value), error, signed=False)
    unit = "" if goal.unit == "1" else f" {goal.unit}"
    name = quoted(goal.observable or goal.source)
    if goal.in_sd is None or goal.unit == "sd":
        return f"{name} is predicted to {verb} by {amount}{unit}"
    return f"{name} is predicted to {verb} by {fixed(abs(goal.in_sd))} sd ({amount}{unit})"


def _infeasible(solution: Solution) -> str:
    both = (*solution.goals, *solution.constraints)
    clashing = [both[i].source for i in solution.conflict if 0 <= i < len(both)]
    clash = [quoted(source) for source in dict.fromkeys(clashing)]
    first = "No weights meet these goals"
    if clash:
        first += ": " + _listed(clash) + " cannot hold together"
    if solution.dose is None:
        return first + ". No fraction of the targets is feasible."
    return first + f". The largest feasible dose is {percent(solution.dose)} of what was asked."


def _budget(solution: Solution) -> str:
    away = solution.escape
    return (away.bound if away is not None else None) or "ess(w) >= 50 %"


def _changes(solution: Solution) -> list[str]:
    """Say how each statement of the clash alone would have to give way, the least change first."""
    both = (*solution.goals, *solution.constraints)
    found = []
    for item in solution.relaxations[:_REMARKS]:
        outcome = both[item.place]
        changed = evolve(outcome, requested=item.requested)
        unit = "" if outcome.unit == "1" else f" {outcome.unit}"
        now, then = asked(outcome), asked(changed)
        found.append(
            f"Enough by itself: {quoted(outcome.source)} with {then}{unit} instead of {now}."
        )
    if not found and len({both[i].source for i in solution.conflict if i < len(both)}) > 1:
        found.append("No change to one of these statements alone is enough.")
    return found


def _nearest(solution: Solution) -> list[str]:
    """Say what comes nearest to all goals within the constraints."""
    near = solution.nearest
    if near is None:
        return []
    parts = []
    for goal in near.goals[:_REMARKS]:
        unit = "" if goal.unit == "1" else f" {goal.unit}"
        value = with_error(goal.predicted, goal.stderr, signed=True)
        short = "met" if is_met(goal) else f"misses by {number(goal.violation)}{unit}"
        parts.append(f"{quoted(goal.observable or goal.source)} {value}{unit} ({short})")
    more = f"; and {len(near.goals) - _REMARKS} more" if len(near.goals) > _REMARKS else ""
    share = percent(near.ess)
    return [
        f"Nearest to all goals within the constraints: {'; '.join(parts)}{more}; "
        f"effective sample size {share}."
    ]


def _listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]
