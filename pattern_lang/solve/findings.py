"""Diagnostics on a solution: why there are no weights, or what to know about those there are."""

from collections.abc import Iterator

from pattern_lang.diagnostics import Diagnostic, Problem
from pattern_lang.diagnostics.catalogue.verdicts import (
    BelowNoise,
    Inaccurate,
    NoMovement,
    Unbounded,
)
from pattern_lang.ir.program import Move, WeightPattern
from pattern_lang.ir.solution import GoalOutcome, Solution
from pattern_lang.ir.susceptibility import Estimate
from pattern_lang.solve.clash import infeasible, outward, plain

NOISE = 2.0
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
            problems.append(_unbounded(pattern))
        case "inaccurate":
            problems.append(_inaccurate(pattern, solution))
        case _:
            problems.extend(_no_movement(pattern, estimate, solution))
    if solution.weights is not None:
        problems.extend(_noisy(pattern, solution))
    return tuple(problem.diagnostic() for problem in problems)


def draws_wanted(solution: Solution, margin: float = 1.5) -> float | None:
    """Return how many times more draws would bring every goal above the noise.

    Standard errors fall with the root of the draws; `margin` is on them, as they have errors of
    their own. None where there are no weights to judge by.
    """
    if solution.weights is None:
        return None
    ratios = [0.0]
    for goal, size in _sized(solution):
        ratios.append(margin * NOISE * (goal.stderr or 0.0) / size)
    return max(ratios) ** 2


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


def _noisy(pattern: WeightPattern, solution: Solution) -> list[BelowNoise]:
    found: list[BelowNoise] = []
    for goal, size in _sized(solution):
        stderr = goal.stderr or 0.0
        if size < NOISE * stderr:
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


def _sized(solution: Solution) -> Iterator[tuple[GoalOutcome, float]]:
    """Yield the goals that ask for a shift of some size with a known error, and that size."""
    for goal in solution.goals:
        sizes = [abs(limit) for limit in goal.requested if limit is not None]
        if goal.kind != "hold" and sizes and sizes[0] and goal.stderr is not None:
            yield goal, sizes[0]
