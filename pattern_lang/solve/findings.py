"""Diagnostics on a solution: why there are no weights, or what to know about those there are."""

from collections.abc import Iterator

import numpy as np

from pattern_lang.diagnostics import Diagnostic, Label, Problem, Span
from pattern_lang.diagnostics.catalogue.verdicts import (
    BelowNoise,
    Inaccurate,
    MostlyNoise,
    NoMovement,
    NotFollowed,
    Repeated,
    Unbounded,
)
from pattern_lang.ir.noise import gram_of
from pattern_lang.ir.program import Move, WeightPattern
from pattern_lang.ir.solution import Direction, Escape, GoalOutcome, Softening, Solution
from pattern_lang.ir.susceptibility import Estimate
from pattern_lang.solve.clash import infeasible, outward, plain
from pattern_lang.solve.dependence import dependent

NOISE = 2.0
# A goal of which less than this is signal is met by following noise mostly.
SIGNAL = 0.5
# More draws than this, times what was taken, are no advice.
MOST_DRAWS = 1000.0


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
            problems.append(infeasible(pattern, solution))
        case "unbounded":
            problems.append(_unbounded(pattern, estimate, solution))
        case "inaccurate":
            problems.append(_inaccurate(pattern, solution))
        case _:
            problems.extend(_no_movement(pattern, estimate, solution))
    problems.extend(_repeated(pattern, estimate))
    if solution.weights is not None:
        problems.extend(_noisy(pattern, solution))
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


def _unbounded(pattern: WeightPattern, estimate: Estimate, solution: Solution) -> Unbounded:
    free = next((g for g in pattern.goals if isinstance(g, Move) and g.amount is None), None)
    objective = pattern.objective
    span = free.origin if free is not None else objective.origin or pattern.origin
    what = f"the dose of `{free.source}`" if free is not None else f"`{objective.source}`"
    away = solution.escape
    bound = (away.bound if away is not None else None) or "0 <= w <= 4"
    how = "" if away is None else _running(away, int(estimate.units.unit_id[away.fastest]))
    return Unbounded(span=span, what=what, how=how, bound=bound)


def _running(away: Escape, fastest: int) -> str:
    """Say which weights run away."""
    up = f"{away.rising} of the weights grow" if away.rising else ""
    down = f"{away.falling} shrink below any number" if away.falling else ""
    return f"{' and '.join(filter(None, (up, down)))}, fastest that of unit {fastest}"


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


def _repeated(pattern: WeightPattern, estimate: Estimate) -> list[Repeated]:
    """Name the goals whose rows of χ repeat those of goals before them."""
    chi = estimate.susceptibility
    origin: dict[str, Span | None] = {}
    for goal in pattern.goals:
        names = goal.observables if isinstance(goal, Move) else (goal.observable,)
        for name in names:
            origin.setdefault(name, goal.origin)
    names = tuple(origin)
    rows = chi.chi[[chi.row(name) for name in names]]
    if len(names) < 2 or not np.all(np.isfinite(rows)):
        return []
    means = rows.mean(axis=1, dtype=np.float64)
    gram = gram_of(rows) - rows.shape[1] * np.outer(means, means)
    found: list[Repeated] = []
    for item in dependent(gram):
        if not item.on:
            continue
        own, others = names[item.row], [names[i] for i in item.on]
        labels = [Label(o, "moves with it") for name in others if (o := origin[name]) is not None]
        found.append(
            Repeated(
                span=origin[own],
                observable=own,
                combination=combination(others, item.coefficients),
                others=tuple(dict.fromkeys(labels)),
            )
        )
    return found


def combination(names: list[str], coefficients: tuple[float, ...]) -> str:
    """Write a combination of observables: `2 a - 0.5 b`."""
    text = ""
    for name, number in zip(names, coefficients, strict=True):
        sign = (" - " if number < 0 else " + ") if text else ("-" if number < 0 else "")
        size = plain(abs(number))
        text += f"{sign}{'' if size == '1' else size + ' '}{name}"
    return text


def _noisy(pattern: WeightPattern, solution: Solution) -> list[BelowNoise]:
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
                requested=f"{plain(size)} {goal.unit}",
                stderr=f"{plain(stderr)} {goal.unit}",
                ratio=f"{size / stderr:.2g}",
                advice=_more_draws(pattern, solution),
            )
        )
    return found


def _more_draws(pattern: WeightPattern, solution: Solution) -> str:
    """Say how long a run would have to be for all goals to stand out of the noise."""
    times = draws_wanted(solution)
    sampler = pattern.queries.sampler
    if times is None or sampler.kind == "laplace" or times > MOST_DRAWS:
        return "ask for what the data moves more, or re-weight data that moves this more"
    needed = int(outward(times * sampler.draws, 1.0))
    return f"take about {plain(outward(times, 1.0))} times the draws: write `draws: {needed}`"


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
