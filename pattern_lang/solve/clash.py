"""What is said where no weights exist: who clashes, what each would have to say, what to write."""

from collections.abc import Mapping
from math import floor, isfinite, log10
from types import MappingProxyType
from typing import Final

from attrs import frozen

from pattern_lang.diagnostics import Label
from pattern_lang.diagnostics.catalogue.verdicts import Infeasible
from pattern_lang.ir import program as ir
from pattern_lang.ir.program import Amount, Goal, Move, WeightPattern
from pattern_lang.ir.solution import GoalOutcome, Relaxation, Solution
from pattern_lang.semantics.units import Unit
from pattern_lang.solve.statements import with_mass

SUBJECTS: Final[Mapping[type, str]] = MappingProxyType(
    {
        ir.Maximum: "the largest weight",
        ir.Minimum: "the smallest weight",
        ir.Mean: "mean(w)",
        ir.EffectiveSampleSize: "ess(w)",
        ir.KL: "kl(w)",
        ir.Chi2: "chi2(w)",
        ir.ShareMass: "this relative mass",
    }
)
NAMED = 3
SHOWN = 6
# Beyond this many, how many standard errors a miss is says nothing.
BEYOND = 1000.0
DIGITS = 3
# A number this near to a round one is the round one: what is found is a little beyond the least.
SAME = 2e-5


@frozen
class Scale:
    """How numbers of an outcome are shown: times a factor, then a unit, as they were written."""

    factor: float
    unit: str

    def __call__(self, value: float) -> str:
        """Write a number with its unit."""
        return f"{plain(self.factor * value)}{self.unit}"

    def rounded(self, value: float, sense: float) -> str:
        """Write a number rounded up where `sense` > 0, and down where it is < 0."""
        return f"{plain(outward(self.factor * value, sense))}{self.unit}"


@frozen(eq=False)
class Party:
    """A statement of a clash: its outcome, what it limits, and how it would have to give way."""

    outcome: GoalOutcome
    subject: str
    give: Relaxation | None
    scale: Scale

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
        facts=(*facts, *_alone(written), *_nearest(pattern, solution)),
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
        parties.append(Party(outcome, subject, gives.get(place), _scale(pattern.goals, outcome)))
    return parties


def _subject(constraint: ir.Constraint) -> str:
    """Return what a constraint limits, where it is one thing that can be named."""
    terms = [atom for atom in constraint.expression.terms if not isinstance(atom[1], ir.UnitNumber)]
    if len(terms) != 1 or abs(terms[0][0]) != 1:
        return "this"
    match terms[0][1]:
        case ir.Entries():
            return "each weight" if constraint.only is None else "each of these weights"
        case ir.GroupMass(field):
            return f"the relative mass of each row.{field}"
        case ir.Predicted(observable):
            return f"the shift of {observable}"
        case ir.Risk(observable):
            return f"the standard error of {observable}"
        case other:
            return SUBJECTS.get(type(other), "this")


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
    demand = f"{party.subject} must {_wanted(party)}"
    if party.give is None:
        return demand
    if party.outcome.kind == "move":
        return f"{demand}; {down(100.0 * (party.factor or 0.0), DIGITS)} % of the move would do"
    return f"{demand}; {_instead(party)} would do"


def _wanted(party: Party) -> str:
    """Return what is demanded, as it was written, and in the observable's own unit beside it."""
    lower, upper = party.outcome.requested
    show, outcome = party.scale, party.outcome
    ends = [end for end in (lower, upper) if end is not None]
    if not ends:
        return "move along the direction"
    native = "" if outcome.unit == Unit.ONE.value else f" {outcome.unit}"
    two = lower is not None and upper is not None and lower != upper
    other = f" ({plain(ends[-1])}{native})" if show.factor != 1 and show.unit != " %" else ""
    if two and lower == -ends[-1]:
        return f"stay within ± {show(ends[-1])}{other}"
    if two:
        return f"stay within {show(ends[0])} and {show(ends[1])}"
    how = "" if lower == upper else "at least " if upper is None else "at most "
    return f"be {how}{show(ends[-1])}{other}"


def _instead(party: Party) -> str:
    """Return the number that would do, or the range around the one that several must equal."""
    assert party.give is not None
    old = _old(party.outcome) or 0.0
    if party.outcome.kind == "hold" and party.give.requested[1] is not None:
        return f"± {party.scale.rounded(party.give.requested[1], 1.0)}"
    if _is_range(party):
        return f"{party.scale(old)} ± {party.scale.rounded(party.give.amount, 1.0)}"
    return party.scale.rounded(*_new(party))


def _is_range(party: Party) -> bool:
    """Tell whether several numbers are to equal one, and may differ from it instead."""
    assert party.give is not None
    (lower, upper), (low, high) = party.outcome.requested, party.give.requested
    return lower is not None and lower == upper and low != high


def _new(party: Party) -> tuple[float, float]:
    """Return the number that a statement would have to say, and to which side it may be rounded."""
    assert party.give is not None
    (old_low, old_high), (low, high) = party.outcome.requested, party.give.requested
    if high is not None and (low is None or old_high is None or low != high):
        return high, 1.0
    assert low is not None
    rising = low == high and old_low is not None and low > old_low
    return low, 1.0 if rising else -1.0


def _scale(goals: tuple[Goal | Move, ...], outcome: GoalOutcome) -> Scale:
    """Return how the numbers of an outcome were written: in sd, or in its own unit."""
    unit = "" if outcome.unit == Unit.ONE.value else f" {outcome.unit}"
    if outcome.kind == "require":
        return Scale(100.0, " %") if not unit and "%" in outcome.source else Scale(1.0, unit)
    size = max((abs(end) for end in outcome.requested if end is not None), default=0.0)
    for goal in goals:
        if goal.source == outcome.source and goal.origin is outcome.origin:
            in_sd = isinstance(goal, Goal) and goal.amount.unit is Unit.SD and size > 0
            if in_sd and isinstance(goal, Goal):
                return Scale(abs(goal.amount.value) / size, " sd")
    return Scale(1.0, unit)


def _alone(written: list[Party]) -> tuple[str, ...]:
    """Say what `would do` means, or that no statement alone can be changed."""
    able = sum(party.give is not None for party in written)
    if able:
        change = "that change" if able == 1 else "any one of these changes"
        return (f"{change} is enough, with everything else as it stands",)
    if len({party.outcome.source for party in written}) > 1:
        return ("no change to one of these alone is enough",)
    return ()


def _nearest(pattern: WeightPattern, solution: Solution) -> tuple[str, ...]:
    """Say what comes nearest to all goals, where that is not said already."""
    near = solution.nearest
    if near is None or len(near.goals) < 2:
        return ()
    shown = [_reached(goal, _scale(pattern.goals, goal)) for goal in near.goals[:SHOWN]]
    more = f", and {len(near.goals) - SHOWN} more" if len(near.goals) > SHOWN else ""
    return (f"nearest to all goals within the constraints: {', '.join(shown)}{more}",)


def _reached(goal: GoalOutcome, show: Scale) -> str:
    assert goal.predicted is not None
    miss = goal.violation or 0.0
    ends = [abs(end) for end in goal.requested if end is not None]
    value = f"{goal.observable} {show(goal.predicted)}"
    if miss <= SAME * max([*ends, abs(goal.predicted)]):
        return f"{value} (met)"
    errors = goal.violation_in_stderr
    noise = (
        ""
        if errors is None or errors > BEYOND
        else f", {plain(float(f'{errors:.2g}'))} standard errors"
    )
    return f"{value} (misses by {show(miss)}{noise})"


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
    outcome, factor, show = party.outcome, party.factor, party.scale
    assert party.give is not None
    for goal in pattern.goals:
        if goal.source == outcome.source and goal.origin is outcome.origin:
            if isinstance(goal, Goal) and goal.kind == "hold":
                return f"write `hold {goal.observable} within {_instead(party).removeprefix('± ')}`"
            made = _smaller(goal, factor) if factor is not None and factor > SAME else None
            return f"write `{made}`" if made is not None else None
    old = _old(outcome)
    if old is None:
        return None
    if _is_range(party):
        return f"in `{outcome.source}`, allow ± {show.rounded(party.give.amount, 1.0)}"
    return f"in `{outcome.source}`, write {show.rounded(*_new(party))} instead of {show(old)}"


def _old(outcome: GoalOutcome) -> float | None:
    lower, upper = outcome.requested
    return upper if upper is not None else lower


def _smaller(goal: Goal | Move, share: float | None) -> str | None:
    """Return the statement of a goal with its amount times a share, rounded to less."""
    if share is None or share <= 0:
        return None
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
