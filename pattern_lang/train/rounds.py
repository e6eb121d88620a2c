"""One round of `online`: the pattern's program within a trust region, and how the trust adapts.

A round asks the goals anew, of the estimate at the present parameters. All amounts are multiplied
by one share, at most 1, such that no goal asks for more than the trust; and what a goal leaves open
(`raise`, `lower`, `hold`, a `move` without `by`) is kept within it.
"""

from collections.abc import Iterator, Mapping

import attrs
import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.diagnostics import Span
from pattern_lang.ir import program as ir
from pattern_lang.ir.program import Amount, Constraint, Goal, Move, WeightPattern
from pattern_lang.ir.solution import Solution
from pattern_lang.ir.susceptibility import Estimate
from pattern_lang.semantics.units import Unit
from pattern_lang.solve import solve_pattern
from pattern_lang.solve.estimated import Estimated

GOOD, BAD = 0.75, 0.25
"""How well a prediction has to hold for the trust to grow, and how badly for it to shrink."""
GROWTH, SHRINKAGE, LARGEST = 2.0, 0.5, 4.0
"""By what the trust is multiplied; it never exceeds LARGEST times what the schedule says."""
NEAR = 0.99  # of the trust: a round that went so far was held back by it
BACKED_OFF = 1 - 1e-3  # of the largest feasible dose, where a single point may be feasible


@frozen(eq=False)
class Decision:
    """What a round decided.

    status: `optimal`; `reduced`, where the goals were not feasible together and the largest common
    share of them that is was taken; else why there are no new weights, which are None then.
    weights: float32 (n,) of mean 1. dose: the share of the amounts that was asked for, times the
    dose of a `move` without `by`. predicted, stderr, sd: by observable, in its own unit.
    """

    status: str
    weights: NDArray[np.float32] | None = None
    dose: float | None = None
    predicted: Mapping[str, float] = attrs.field(factory=dict)
    stderr: Mapping[str, float | None] = attrs.field(factory=dict)
    sd: Mapping[str, float] = attrs.field(factory=dict)
    reason: str = ""


def decide(pattern: WeightPattern, estimate: Estimate, trust: float) -> Decision:
    """Solve a pattern's program within `trust` posterior standard deviations.

    Raises PatternError as `solve_pattern` does; UnknownSpread for a goal on an observable that has
    no standard deviation.
    """
    data = Estimated(estimate)
    names = dict.fromkeys(steered(pattern))
    sd = {name: data.factor(Unit.SD, name, _origin(pattern, name)) for name in names}
    share = _share(pattern, sd, trust)
    solution = solve_pattern(within(pattern, sd, trust, share), estimate)
    status = "optimal"
    if solution.status == "infeasible" and solution.dose:
        status, share = "reduced", share * solution.dose * BACKED_OFF
        solution = solve_pattern(within(pattern, sd, trust, share), estimate)
    if solution.weights is None or solution.status != "optimal":
        return Decision(solution.status, reason=_clash(solution))
    w = solution.weights.astype(np.float64)
    return Decision(
        status=status,
        weights=solution.weights,
        dose=share * (1.0 if solution.dose is None else solution.dose),
        predicted={name: float(data.row(name).read() @ (w - 1.0)) for name in sd},
        stderr={name: data.stderr({name: 1.0}, w) for name in sd},
        sd=sd,
    )


def _origin(pattern: WeightPattern, observable: str) -> Span | None:
    asks = (goal.origin for goal in pattern.goals if observable in observables_of(goal))
    return next(asks, pattern.objective.origin)


def _clash(solution: Solution) -> str:
    both = (*solution.goals, *solution.constraints)
    return " and ".join(dict.fromkeys(f"`{both[index].source}`" for index in solution.conflict))


def steered(pattern: WeightPattern) -> Iterator[str]:
    """Yield the observables that a trust region is about: of the goals, and of the objective."""
    for goal in pattern.goals:
        yield from observables_of(goal)
    yield from _predicted(pattern.objective.expression)


def observables_of(goal: Goal | Move) -> tuple[str, ...]:
    """Return the observables of one goal."""
    return (goal.observable,) if isinstance(goal, Goal) else goal.observables


def _predicted(expression: ir.Expression) -> Iterator[str]:
    for _, atom in expression.terms:
        if isinstance(atom, ir.Predicted):
            yield atom.observable
        elif isinstance(atom, ir.Joined):
            for part in atom.parts:
                yield from _predicted(part)


def _share(pattern: WeightPattern, sd: Mapping[str, float], trust: float) -> float:
    """Return the largest share of all amounts, at most 1, that is within the trust."""
    asked = [abs(size) for goal in pattern.goals for size in _sizes(goal, sd)]
    return min(1.0, trust / max(asked, default=trust)) if any(asked) else 1.0


def _sizes(goal: Goal | Move, sd: Mapping[str, float]) -> Iterator[float]:
    """Yield what a goal asks its observables to shift by, in sd; nothing where it is open."""
    if isinstance(goal, Goal):
        if goal.kind != "hold":
            yield _in_sd(goal.amount, sd[goal.observable])
    elif goal.amount is not None:
        for name, step in zip(goal.observables, goal.direction, strict=True):
            unit = Unit.SD if Unit.SD in (step.unit, goal.amount.unit) else step.unit
            yield _in_sd(Amount(step.value * goal.amount.value, unit), sd[name])


def _in_sd(amount: Amount, sd: float) -> float:
    return amount.value if amount.unit is Unit.SD else amount.value / sd


def within(
    pattern: WeightPattern, sd: Mapping[str, float], trust: float, share: float
) -> WeightPattern:
    """Return a pattern with its amounts times `share`, and its predictions within the trust."""
    goals = tuple(_scaled(goal, sd, trust, share) for goal in pattern.goals)
    fixed = {name for goal in goals if _is_exact(goal) for name in observables_of(goal)}
    limits = tuple(c for name in sd if name not in fixed for c in _limits(name, trust))
    return attrs.evolve(pattern, goals=goals, constraints=(*pattern.constraints, *limits))


def _scaled(goal: Goal | Move, sd: Mapping[str, float], trust: float, share: float) -> Goal | Move:
    if goal.amount is None or (isinstance(goal, Goal) and goal.kind == "hold"):
        return goal
    amount = attrs.evolve(goal.amount, value=share * goal.amount.value)
    if isinstance(goal, Move):
        return attrs.evolve(goal, amount=amount)
    if goal.kind in ("raise", "lower") and _in_sd(amount, sd[goal.observable]) >= NEAR * trust:
        # At least so much, and no more than the trust: one number, rather than two limits that
        # leave nothing between them.
        sign = 1.0 if goal.kind == "raise" else -1.0
        amount = attrs.evolve(amount, value=sign * amount.value)
        return attrs.evolve(goal, kind="shift", amount=amount)
    return attrs.evolve(goal, amount=amount)


def _is_exact(goal: Goal | Move) -> bool:
    return goal.amount is not None and (isinstance(goal, Move) or goal.kind == "shift")


def _limits(observable: str, trust: float) -> Iterator[Constraint]:
    source = f"predicted({observable}) within the trust of {trust:g} sd"
    for sign in (1.0, -1.0):
        shift = ir.Predicted(observable, Unit.SD)
        yield Constraint(ir.Expression(((sign, shift),), -trust), "<=", source, implied=True)


def held(
    predicted: Mapping[str, float], realised: Mapping[str, float], sd: Mapping[str, float]
) -> float | None:
    """Return how much of a prediction came true: the slope of realised on predicted shifts.

    Least squares through the origin, each observable in units of its sd. 1 is all of it. None where
    nothing was predicted, or nothing that can be read off the network.
    """
    known = [name for name in predicted if name in realised]
    one = np.array([predicted[name] / sd[name] for name in known])
    other = np.array([realised[name] / sd[name] for name in known])
    square = float(one @ one)
    slope = float(one @ other) / square if square > 0 else float("nan")
    return slope if np.isfinite(slope) else None


def adapted(trust: float, given: float, reach: float, ratio: float | None) -> float:
    """Return the trust of the next round, in sd (Nocedal & Wright 2006, algorithm 4.1).

    reach: the largest predicted shift of the last round, in sd. ratio: how much of it came true.
    Twice as much as was predicted is as wrong as half of it, so the limits are symmetric.
    """
    if ratio is None:
        return trust
    if ratio < BAD or ratio > 1.0 / BAD:
        return trust * SHRINKAGE
    if GOOD <= ratio <= 1.0 / GOOD and reach >= NEAR * trust:
        return min(trust * GROWTH, given * LARGEST)
    return trust
