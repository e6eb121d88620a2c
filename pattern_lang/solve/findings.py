"""Diagnostics on a solution: why there are no weights, or what to know about those there are."""

from collections.abc import Iterator
from math import floor, isfinite, log10

from pattern_lang.diagnostics import Diagnostic, Label, Problem
from pattern_lang.diagnostics.catalogue.verdicts import (
    BelowNoise,
    Inaccurate,
    Infeasible,
    MostlyNoise,
    NoMovement,
    NotFollowed,
    Unbounded,
)
from pattern_lang.ir.program import Amount, Goal, Move, WeightPattern
from pattern_lang.ir.solution import Direction, GoalOutcome, Softening, Solution
from pattern_lang.ir.susceptibility import Estimate
from pattern_lang.semantics.units import Unit
from pattern_lang.solve.statements import with_mass

NOISE = 2.0
# A goal of which less than this is signal is met by following noise mostly.
SIGNAL = 0.5


def verdicts(
    pattern: WeightPattern, estimate: Estimate, solution: Solution
) -> tuple[Diagnostic, ...]:
    """Return what the solution of a pattern gives cause to say, in source order.

    Errors with exit status 3 where there are no weights to trust, with 4 for goals below the noise
    of the estimate; warnings for a dose of zero.
    """
    problems: list[Problem] = []
    match solution.status:
        case "infeasible":
            problems.append(_infeasible(pattern, solution))
        case "unbounded":
            problems.append(_unbounded(pattern))
        case "inaccurate":
            problems.append(_inaccurate(pattern, solution))
        case _:
            problems.extend(_no_movement(pattern, estimate, solution))
    if solution.weights is not None:
        problems.extend(_noisy(solution))
    if solution.softening is not None:
        problems.append(_without_directions(pattern, solution.softening))
    elif solution.weights is not None and pattern.reliable is None:
        problems.extend(_mostly_noise(solution))
    return tuple(problem.diagnostic() for problem in problems)


def draws_wanted(solution: Solution, margin: float = 1.5) -> float | None:
    """Return how many times more draws would bring every goal above the noise.

    Standard errors fall with the root of the draws; `margin` is on them, as they have errors of
    their own. None where there are no weights to judge by.
    """
    if solution.weights is None:
        return None
    ratios = [0.0]
    below = solution.softening.below if solution.softening is not None else ()
    for goal, size in _sized((*solution.goals, *below)):
        ratios.append(margin * NOISE * (goal.stderr or 0.0) / size)
    return max(ratios) ** 2


def _infeasible(pattern: WeightPattern, solution: Solution) -> Infeasible:
    outcomes = solution.goals + solution.constraints
    clash = _distinct([outcomes[place] for place in solution.conflict])
    implied = {c.source for c in with_mass(pattern.constraints) if c.implied}
    written = [outcome for outcome in clash if outcome.source not in implied]
    first = next((o for o in written if o.kind != "require"), written[0] if written else None)
    others = [o for o in written if o is not first]
    return Infeasible(
        span=first.origin if first is not None else pattern.origin,
        reason=_reason(written, solution.dose),
        own=_demand(first) if first is not None else "this pattern",
        advice=_advice(pattern, first, others, solution.dose),
        others=tuple(Label(o.origin, _demand(o)) for o in others if o.origin is not None),
        facts=tuple(_why_implied(o) for o in clash if o.source in implied),
    )


def _why_implied(outcome: GoalOutcome) -> str:
    if "mean" in outcome.source:
        return f"{outcome.source} always holds: training divides by the total weight"
    return f"{outcome.source} holds because the pattern sets no lower bound on w of its own"


def _distinct(outcomes: list[GoalOutcome]) -> list[GoalOutcome]:
    """Keep the first outcome of each statement."""
    seen: dict[object, GoalOutcome] = {}
    for outcome in outcomes:
        seen.setdefault((outcome.source, outcome.origin, outcome.observable), outcome)
    return list(seen.values())


def _reason(clash: list[GoalOutcome], dose: float | None) -> str:
    named = " and ".join(f"`{o.source}`" for o in clash[:3])
    more = f" and {len(clash) - 3} more" if len(clash) > 3 else ""
    both = "cannot hold together" if len(clash) > 1 else "cannot hold"
    if dose is None:
        tail = "; no fraction of the goals is feasible"
    elif dose <= 0:
        tail = "; only goals of size 0 are feasible"
    else:
        tail = f"; {down(100.0 * dose)} % of every goal at once is feasible"
    return f"{named}{more} {both}{tail}"


def _demand(outcome: GoalOutcome) -> str:
    lower, upper = outcome.requested
    what = f"the shift of {outcome.observable}" if outcome.kind != "require" else "this"
    unit = "" if outcome.unit == Unit.ONE.value else f" {outcome.unit}"
    if lower is not None and lower == upper:
        return f"{what} must be {lower:.4g}{unit}"
    if lower is not None and upper is not None:
        return f"{what} must lie between {lower:.4g} and {upper:.4g}{unit}"
    if lower is not None:
        return f"{what} must be at least {lower:.4g}{unit}"
    if upper is not None:
        return f"{what} must be at most {upper:.4g}{unit}"
    return f"{what} must move along the direction"


def _advice(
    pattern: WeightPattern,
    first: GoalOutcome | None,
    others: list[GoalOutcome],
    dose: float | None,
) -> str:
    relax = next((o.source for o in others if o.kind == "require"), None)
    relax = relax or next((o.source for o in others), None)
    smaller = _smaller(pattern, first, dose) if first is not None else None
    if smaller and relax:
        return f"write `{smaller}`, or relax `{relax}`"
    if smaller:
        return f"write `{smaller}`"
    target = relax or (first.source if first is not None else None)
    return f"relax `{target}`" if target else "relax one of the constraints"


def _smaller(pattern: WeightPattern, outcome: GoalOutcome, dose: float | None) -> str | None:
    """Return the statement of a goal with its amount scaled down to what is feasible."""
    if dose is None or dose <= 0:
        return None
    for goal in pattern.goals:
        if goal.source != outcome.source or goal.origin is not outcome.origin:
            continue
        if isinstance(goal, Goal) and goal.kind != "hold":
            amount = _amount(goal.amount, dose)
            return f"{goal.kind} {goal.observable} by {amount}"
        if isinstance(goal, Move) and goal.amount is not None:
            head = goal.source.rsplit(" by ", 1)[0]
            return f"{head} by {_amount(goal.amount, dose)}"
    return None


def _amount(amount: Amount, dose: float) -> str:
    unit = "" if amount.unit is Unit.ONE else f" {amount.unit.value}"
    return f"{down(amount.value * dose)}{unit}"


def down(value: float, digits: int = 2) -> str:
    """Write a number with a few digits, rounded towards zero, so that it stays feasible."""
    if value == 0 or not isfinite(value):
        return f"{value:g}"
    step = 10.0 ** (floor(log10(abs(value))) - digits + 1)
    whole = floor(abs(value) / step + 1e-9)
    return f"{whole * step * (1 if value > 0 else -1):.{digits}g}"


def _unbounded(pattern: WeightPattern) -> Unbounded:
    free = next((g for g in pattern.goals if isinstance(g, Move) and g.amount is None), None)
    if free is not None:
        return Unbounded(span=free.origin, what=f"the dose of `{free.source}`")
    objective = pattern.objective
    return Unbounded(span=objective.origin or pattern.origin, what=f"`{objective.source}`")


def _inaccurate(pattern: WeightPattern, solution: Solution) -> Inaccurate:
    keys = ("gap", "primal_residual", "dual_residual")
    worst = max((float(solution.certificate.get(key, 0.0)) for key in keys), default=0.0)
    return Inaccurate(span=pattern.origin, residual=f"{worst:.1e} (relative)")


def _no_movement(
    pattern: WeightPattern, estimate: Estimate, solution: Solution
) -> list[NoMovement]:
    found: list[NoMovement] = []
    for goal in pattern.goals:
        if not isinstance(goal, Move) or goal.amount is not None or solution.dose != 0:
            continue
        chi = estimate.susceptibility
        flat = [o for o in goal.observables if not chi.chi[chi.row(o)].any()]
        why = f"the susceptibility of `{flat[0]}` is zero" if flat else "the constraints hold it"
        found.append(NoMovement(span=goal.origin, why=why))
    return found


def _noisy(solution: Solution) -> list[BelowNoise]:
    found: list[BelowNoise] = []
    goals = solution.goals
    if solution.softening is not None and not solution.softening.asked:
        goals = solution.softening.below
    for goal, size in _sized(below_noise(goals)):
        stderr = goal.stderr or 0.0
        found.append(
            BelowNoise(
                span=goal.origin,
                observable=goal.observable or "",
                requested=f"{size:.3g} {goal.unit}",
                stderr=f"{stderr:.3g} {goal.unit}",
                twice=f"{NOISE * stderr:.3g} {goal.unit}",
            )
        )
    return found


def below_noise(goals: tuple[GoalOutcome, ...]) -> tuple[GoalOutcome, ...]:
    """Return the goals that ask for less than two standard errors of what is predicted."""
    return tuple(goal for goal, size in _sized(goals) if size < NOISE * (goal.stderr or 0.0))


def _mostly_noise(solution: Solution) -> list[MostlyNoise]:
    """Say which goals are met by following noise.

    That is no part of the standard error of a prediction, which is of weights as they are.
    """
    return [
        MostlyNoise(
            span=goal.origin,
            observable=goal.observable or "",
            share=f"{100 * min(max(goal.reliability, 0.0), 1.0):.0f} %",
        )
        for goal, _ in _sized(solution.goals)
        if goal.reliability is not None and goal.reliability < SIGNAL
    ]


def _without_directions(pattern: WeightPattern, softening: Softening) -> NotFollowed:
    """Say which directions of the goals the weights do not follow."""
    dropped = softening.directions[len(softening.directions) - softening.count :]
    least = dropped[-1]
    asked = pattern.reliable if softening.asked else None
    done = "softened" if softening.rest == "soft" else "dropped"
    return NotFollowed(
        span=asked.origin if asked else next(g.origin for g in softening.below),
        count=_directions(softening.count, len(softening.directions)),
        done=done,
        worst=" ".join(_loading(*item) for item in _largest(least)).removeprefix("+ "),
        reliability=f"{100 * least.reliability:.0f} %",
        at=f"{100 * softening.at:g} %",
        why="as the spec asks" if asked else "as a goal lies below the noise",
        advice="ask for less precision with `hold … within`, or estimate with more draws"
        if asked
        else "estimate with more draws, or meet every goal exactly: `require reliable(0 %)`",
    )


def _directions(count: int, total: int) -> str:
    if count == total:
        return "the direction of the goals is" if total == 1 else f"all {total} directions are"
    return f"{count} of {total} directions of the goals " + ("is" if count == 1 else "are")


def _largest(direction: Direction) -> list[tuple[str, float]]:
    """Return the three observables with the largest loadings, positive ones first."""
    pairs = sorted(
        zip(direction.observables, direction.loadings, strict=True), key=lambda p: -abs(p[1])
    )
    sign = 1.0 if pairs[0][1] > 0 else -1.0
    return [(name, sign * loading) for name, loading in pairs[:3] if abs(loading) >= 0.05]


def _loading(name: str, loading: float) -> str:
    return f"{'+' if loading > 0 else '-'} {abs(loading):.2f} {name}"


def _sized(goals: tuple[GoalOutcome, ...]) -> Iterator[tuple[GoalOutcome, float]]:
    """Yield the goals that ask for a shift of some size with a known error, and that size."""
    for goal in goals:
        sizes = [abs(limit) for limit in goal.requested if limit is not None]
        if goal.kind != "hold" and sizes and sizes[0] and goal.stderr is not None:
            yield goal, sizes[0]
