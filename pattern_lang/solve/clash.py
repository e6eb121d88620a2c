"""What is said where no weights exist: who clashes, what each would have to say, what to write."""

from math import floor, isfinite, log10

from attrs import frozen

from pattern_lang.diagnostics import Label
from pattern_lang.diagnostics.catalogue.verdicts import Infeasible
from pattern_lang.ir import program as ir
from pattern_lang.ir.program import Amount, Goal, Move, WeightPattern
from pattern_lang.ir.solution import GoalOutcome, Relaxation, Solution
from pattern_lang.semantics.units import Unit
from pattern_lang.solve.statements import with_mass

NAMED = 3
DIGITS = 3
# A number this near to a round one is the round one: what is found is a little beyond the least.
SAME = 2e-5


@frozen(eq=False)
class Party:
    """A statement of a clash: its outcome, what it limits, and how it would have to give way."""

    outcome: GoalOutcome
    subject: str
    give: Relaxation | None

    @property
    def factor(self) -> float | None:
        """Return what the number that a goal asks for would be multiplied by."""
        if self.give is None:
            return None
        pairs = zip(self.outcome.requested, self.give.requested, strict=True)
        ratios = [new / old for old, new in pairs if old and new is not None]
        return ratios[0] if ratios else None


def infeasible(pattern: WeightPattern, solution: Solution) -> Infeasible:
    """Return the diagnostic on a solution that is infeasible."""
    parties = _parties(pattern, solution)
    implied = {c.source for c in with_mass(pattern.constraints) if c.implied}
    written = [p for p in parties if p.outcome.source not in implied]
    first = next((p for p in written if p.outcome.kind != "require"), None)
    first = first or (written[0] if written else None)
    others = [p for p in written if p is not first]
    facts = [_why_implied(p.outcome) for p in parties if p.outcome.source in implied]
    return Infeasible(
        span=first.outcome.origin if first is not None else pattern.origin,
        reason=_reason([p.outcome for p in written] or [p.outcome for p in parties], solution),
        own=_said(first) if first is not None else "this pattern",
        advice=_advice(pattern, solution, written),
        others=tuple(
            Label(p.outcome.origin, _said(p)) for p in others if p.outcome.origin is not None
        ),
        facts=(*facts, *_alone(solution, written), *_nearest(solution)),
    )


def _parties(pattern: WeightPattern, solution: Solution) -> list[Party]:
    outcomes = solution.goals + solution.constraints
    gives = {give.place: give for give in solution.relaxations}
    constraints = with_mass(pattern.constraints)
    seen: set[object] = set()
    parties: list[Party] = []
    for place in solution.conflict:
        outcome = outcomes[place]
        key = (outcome.source, outcome.origin, outcome.observable, outcome.requested)
        if key in seen:
            continue
        seen.add(key)
        if outcome.kind == "require":
            subject = _subject(constraints[place - len(solution.goals)])
        else:
            subject = f"the shift of {outcome.observable}"
        parties.append(Party(outcome, subject, gives.get(place)))
    return parties


def _subject(constraint: ir.Constraint) -> str:
    """Return what a constraint limits, where it is one thing that can be named."""
    terms = [atom for atom in constraint.expression.terms if not isinstance(atom[1], ir.UnitNumber)]
    if len(terms) != 1 or abs(terms[0][0]) != 1:
        return "this"
    match terms[0][1]:
        case ir.Entries():
            return "each weight" if constraint.only is None else "each of these weights"
        case ir.Maximum():
            return "the largest weight"
        case ir.Minimum():
            return "the smallest weight"
        case ir.Mean():
            return "mean(w)"
        case ir.EffectiveSampleSize():
            return "ess(w)"
        case ir.KL():
            return "kl(w)"
        case ir.Chi2():
            return "chi2(w)"
        case ir.GroupMass(field):
            return f"the relative mass of each row.{field}"
        case ir.ShareMass():
            return "this relative mass"
        case ir.Predicted(observable):
            return f"the shift of {observable}"
        case ir.Risk(observable):
            return f"the standard error of {observable}"
        case _:
            return "this"


def _why_implied(outcome: GoalOutcome) -> str:
    if "mean" in outcome.source:
        return f"`{outcome.source}` always holds: training divides by the total weight"
    return f"`{outcome.source}` holds because the pattern sets no lower bound on w of its own"


def _reason(clash: list[GoalOutcome], solution: Solution) -> str:
    names = list(dict.fromkeys(f"`{outcome.source}`" for outcome in clash))
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    together = "cannot hold together" if len(names) > 1 else "cannot hold"
    wanted = {goal.source for goal in solution.goals if goal.kind != "hold"}
    return f"{listed(names[:NAMED], more)} {together}{_part(solution.dose, len(wanted))}"


def _part(dose: float | None, goals: int) -> str:
    whole = "the goal" if goals == 1 else "every goal at once"
    if not goals:
        return ""
    if dose is None:
        return f"; no part of {whole} is feasible"
    if dose <= 0:
        return "; only goals of size 0 are feasible"
    return f"; {down(100.0 * dose)} % of {whole} is feasible"


def listed(items: list[str], more: str = "") -> str:
    """Join names: `a`, `a and b`, `a, b and c`, `a, b, c and 4 more`."""
    if more or len(items) < 2:
        return ", ".join(items) + more
    return f"{', '.join(items[:-1])} and {items[-1]}"


def _said(party: Party) -> str:
    """Say what a statement demands, and what it would have to say for weights to exist."""
    demand = f"{party.subject} must {_wanted(party.outcome, party.outcome.requested)}"
    if party.give is None:
        return demand
    if party.outcome.kind == "move":
        return f"{demand}; {down(100.0 * (party.factor or 0.0), DIGITS)} % of the move would do"
    return f"{demand}; {_instead(party)} would do"


def _instead(party: Party) -> str:
    """Return the number that would do, or the range around the one that several must equal."""
    outcome, percent = party.outcome, _is_percent(party.outcome)
    room = _room(party)
    if room is None:
        return f"{_number(_new(party), percent)}{_unit(outcome)}"
    return f"{_number(_old(outcome), percent)} ± {_number(room, percent)}{_unit(outcome)}"


def _room(party: Party) -> float | None:
    """Return by how much several numbers may differ from the one that they are to equal."""
    assert party.give is not None
    (lower, upper), (low, high) = party.outcome.requested, party.give.requested
    equal = lower is not None and lower == upper and low != high
    return outward(party.give.amount, 1.0) if equal else None


def _wanted(outcome: GoalOutcome, requested: tuple[float | None, float | None]) -> str:
    lower, upper = requested
    unit, percent = _unit(outcome), _is_percent(outcome)
    low, high = _number(lower, percent), _number(upper, percent)
    if lower is not None and lower == upper:
        return f"be {low}{unit}"
    if lower is not None and upper is not None:
        return f"stay within {low} and {high}{unit}"
    if lower is not None:
        return f"be at least {low}{unit}"
    if upper is not None:
        return f"be at most {high}{unit}"
    return "move along the direction"


def _unit(outcome: GoalOutcome) -> str:
    return "" if outcome.unit == Unit.ONE.value else f" {outcome.unit}"


def _is_percent(outcome: GoalOutcome) -> bool:
    return outcome.unit == Unit.ONE.value and "%" in outcome.source


def _new(party: Party) -> float:
    """Return the number that a statement would have to say, rounded to what is surely enough."""
    assert party.give is not None
    (old_low, old_high), (low, high) = party.outcome.requested, party.give.requested
    if high is not None and (low is None or old_high is None or low != high):
        return outward(high, 1.0)
    assert low is not None
    rising = low == high and old_low is not None and low > old_low
    return outward(low, 1.0 if rising else -1.0)


def _alone(solution: Solution, written: list[Party]) -> tuple[str, ...]:
    """Say what `would do` means, or that no statement alone can be changed."""
    if any(party.give is not None for party in written):
        return ("what would do is the nearest that does, with everything else as it stands",)
    if len({party.outcome.source for party in written}) > 1:
        return ("no change to one of these alone is enough",)
    return ()


def _nearest(solution: Solution) -> tuple[str, ...]:
    """Say what comes nearest to all goals, where that is not said already."""
    near = solution.nearest
    if near is None or len(near.goals) < 2:
        return ()
    parts = [_reached(goal) for goal in near.goals[:6]]
    more = f", and {len(near.goals) - 6} more" if len(near.goals) > 6 else ""
    return (f"nearest to all goals within the constraints: {', '.join(parts)}{more}",)


def _reached(goal: GoalOutcome) -> str:
    assert goal.predicted is not None
    value = f"{goal.observable} {_number(goal.predicted, False)}{_unit(goal)}"
    miss = goal.violation or 0.0
    ends = [abs(end) for end in goal.requested if end is not None]
    if miss <= 1e-5 * max([*ends, abs(goal.predicted)]):
        return f"{value} (met)"
    errors = goal.violation_in_stderr
    noise = "" if errors is None else f", {_number(errors, False)} standard errors"
    return f"{value} (misses by {_number(miss, False)}{_unit(goal)}{noise})"


def _advice(pattern: WeightPattern, solution: Solution, written: list[Party]) -> str:
    """Return the one next step: the least relative change of one statement that is enough."""
    places = {id(give): rank for rank, give in enumerate(solution.relaxations)}
    able = [party for party in written if party.give is not None]
    for party in sorted(able, key=lambda p: places[id(p.give)]):
        step = _rewritten(pattern, party)
        if step is not None:
            return step
    smaller = [made for goal in pattern.goals if (made := _smaller(goal, solution.dose))]
    if smaller:
        return f"ask for less of every goal: {listed([f'`{made}`' for made in smaller])}"
    sources = list(dict.fromkeys(party.outcome.source for party in written))
    if len(sources) == 1:
        return f"relax `{sources[0]}`"
    return "leave out one of the statements that are marked"


def _rewritten(pattern: WeightPattern, party: Party) -> str | None:
    outcome, factor = party.outcome, party.factor
    for goal in pattern.goals:
        if goal.source == outcome.source and goal.origin is outcome.origin:
            made = _smaller(goal, factor) if factor is not None and factor > SAME else None
            return f"write `{made}`" if made is not None else _held(goal, party)
    old, percent = _old(outcome), _is_percent(outcome)
    if old is None:
        return None
    room = _room(party)
    if room is not None:
        return f"in `{outcome.source}`, allow a range of ± {_number(room, percent)}"
    new = _new(party)
    return f"in `{outcome.source}`, write {_number(new, percent)} instead of {_number(old, percent)}"


def _held(goal: Goal | Move, party: Party) -> str | None:
    """Return how to widen a `hold`, which is as wide on both sides."""
    if not isinstance(goal, Goal) or goal.kind != "hold" or party.give is None:
        return None
    width = party.give.requested[1]
    if width is None:
        return None
    unit = _unit(party.outcome)
    return f"write `hold {goal.observable} within {_number(outward(width, 1.0), False)}{unit}`"


def _old(outcome: GoalOutcome) -> float | None:
    lower, upper = outcome.requested
    return upper if upper is not None else lower


def _smaller(goal: Goal | Move, share: float | None) -> str | None:
    """Return the statement of a goal with its amount times a share, rounded to less."""
    if share is None or share <= 0:
        return None
    if isinstance(goal, Goal) and goal.kind == "hold" and goal.amount.value:
        return f"hold {goal.observable} within {_amount(goal.amount, share)}" if share > 1 else None
    if isinstance(goal, Goal) and goal.kind != "hold":
        return f"{goal.kind} {goal.observable} by {_amount(goal.amount, share)}"
    if isinstance(goal, Move) and goal.amount is not None:
        head = goal.source.rsplit(" by ", 1)[0]
        return f"{head} by {_amount(goal.amount, share)}"
    return None


def _amount(amount: Amount, share: float) -> str:
    unit = "" if amount.unit is Unit.ONE else f" {amount.unit.value}"
    value = amount.value * share
    return f"{plain(outward(value, 1.0 if (value > 0) == (share > 1) else -1.0))}{unit}"


def _number(value: float | None, percent: bool) -> str:
    if value is None:
        return "nothing"
    return f"{plain(100.0 * value)} %" if percent else plain(value)


def plain(value: float) -> str:
    """Write a number with four digits, without an exponent where that stays short."""
    value = value or 0.0  # no -0
    if value == 0 or not isfinite(value) or not 1e-4 <= abs(value) < 1e7:
        return f"{value:.4g}"
    digits = max(0, 3 - floor(log10(abs(value))))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def outward(value: float, sense: float) -> float:
    """Round to a few digits, up where `sense` > 0 and down where it is < 0."""
    if value == 0 or not isfinite(value):
        return value
    step = 10.0 ** (floor(log10(abs(value))) - DIGITS + 1)
    near = round(value / step)
    if abs(near * step - value) <= SAME * abs(value):
        return near * step
    return (floor(value / step) + (1 if sense > 0 else 0)) * step


def down(value: float, digits: int = 2) -> str:
    """Write a number with a few digits, rounded towards zero, so that it stays feasible."""
    if value == 0 or not isfinite(value):
        return f"{value:g}"
    step = 10.0 ** (floor(log10(abs(value))) - digits + 1)
    whole = floor(abs(value) / step + 1e-9)
    return f"{whole * step * (1 if value > 0 else -1):.{digits}g}"
