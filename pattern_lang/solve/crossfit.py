"""Cross-fitted predictions: what weights do by draws that had no part in choosing them.

Weights that meet a target on an estimate of χ meet it in part through the errors of that estimate,
so in-sample predictions are too good: at few draws by a quarter and more. Here the replicates of χ
are divided in two halves, the earlier chains and the later ones; the program is solved on each, and
its weights are judged by the other. Each half has half of the draws, so what is kept of a shift is
a little less than the weights on all draws keep.
"""

from collections.abc import Sequence

import attrs
import numpy as np
from attrs import frozen

from pattern_lang.ir.noise import Noise
from pattern_lang.ir.program import Reliable, WeightPattern
from pattern_lang.ir.solution import Solution
from pattern_lang.ir.susceptibility import Estimate
from pattern_lang.solve.assemble import answer_of
from pattern_lang.solve.estimated import Estimated
from pattern_lang.solve.normal import Vector
from pattern_lang.solve.reliability import directions
from pattern_lang.solve.soften import HALF
from pattern_lang.solve.statements import statements_of

# Two replicates in each half, or there is no standard error.
FEWEST = 4


@frozen
class CrossFitted:
    """The predicted shift of an observable by both halves, on average, in its own unit.

    predicted: by the draws that the weights were not chosen on; stderr: its standard error.
    in_sample: by the draws that they were chosen on.
    """

    observable: str
    predicted: float
    stderr: float
    in_sample: float

    @property
    def kept(self) -> float | None:
        """Return the share of the in-sample shift that is left, None where there is no shift."""
        return self.predicted / self.in_sample if self.in_sample else None


def cross_fit(
    pattern: WeightPattern, estimate: Estimate, policy: Reliable | None = None
) -> tuple[CrossFitted, ...] | None:
    """Return the cross-fitted prediction of every observable of a goal, in order of the goals.

    policy: what becomes of directions that are mostly noise, on each half by its own noise.
    None where there are too few replicates of χ, or one half has no weights. What the noise's
    basis leaves out is the same in both halves, and counts as if it were known. Raises
    PatternError where the pattern cannot be served, as `solve_pattern` does.
    """
    if estimate.susceptibility.noise.count < FEWEST:
        return None
    one, other = (Estimated(half) for half in halves(estimate))
    chosen = [_weights(pattern, data, policy) for data in (one, other)]
    if chosen[0] is None or chosen[1] is None:
        return None
    asks = [ask for s in statements_of(pattern, Estimated(estimate)) for ask in s.asks]
    own, crossed = [(one, chosen[0]), (other, chosen[1])], [(other, chosen[0]), (one, chosen[1])]
    return tuple(
        CrossFitted(
            observable=ask.observable,
            predicted=_mean_shift(ask.observable, crossed),
            stderr=_stderr(ask.observable, crossed),
            in_sample=_mean_shift(ask.observable, own),
        )
        for ask in asks
    )


def with_cross_fit(pattern: WeightPattern, estimate: Estimate, solution: Solution) -> Solution:
    """Return a solution with the cross-fitted predictions of its goals, and their directions."""
    names = tuple(dict.fromkeys(goal.observable for goal in solution.goals if goal.observable))
    known = directions(estimate.susceptibility, names)
    solution = attrs.evolve(solution, directions=known) if known else solution
    if solution.status != "optimal" or not solution.goals:
        return solution
    found = cross_fit(pattern, estimate, policy_of(pattern, solution))
    if found is None:
        return solution
    goals = (
        attrs.evolve(goal, crossed=item.predicted, crossed_stderr=item.stderr)
        for goal, item in zip(solution.goals, found, strict=True)
    )
    return attrs.evolve(solution, goals=tuple(goals))


def policy_of(pattern: WeightPattern, solution: Solution) -> Reliable | None:
    """Return what a solution did about directions that are mostly noise."""
    return pattern.reliable or (HALF if solution.softening is not None else None)


def halves(estimate: Estimate) -> tuple[Estimate, Estimate]:
    """Return two estimates, from the first and the second half of the replicates of χ."""
    count = estimate.susceptibility.noise.count
    middle = count // 2
    return _part(estimate, slice(0, middle)), _part(estimate, slice(middle, count))


def _part(estimate: Estimate, part: slice) -> Estimate:
    whole = estimate.susceptibility
    own = whole.noise.loadings[part]
    away = own.mean(axis=0) - whole.noise.loadings.mean(axis=0)
    if whole.widening is not None:
        away = away / whole.widening[:, None]
    residual = whole.noise.residual
    if residual is not None:
        share = whole.noise.count / len(own)
        residual = residual.scaled(np.full(len(whole.chi), share))
    found = attrs.evolve(
        whole,
        chi=whole.chi + away.astype(np.float32) @ whole.noise.basis,
        noise=Noise(own - own.mean(axis=0), whole.noise.basis, residual),
    )
    return attrs.evolve(estimate, susceptibility=found)


def _weights(pattern: WeightPattern, data: Estimated, policy: Reliable | None) -> Vector | None:
    answer = answer_of(pattern, data, policy)
    return answer.w if answer.status == "optimal" else None


def _mean_shift(observable: str, pairs: Sequence[tuple[Estimated, Vector]]) -> float:
    return float(np.mean([data.row(observable).read() @ (w - 1.0) for data, w in pairs]))


def _stderr(observable: str, pairs: Sequence[tuple[Estimated, Vector]]) -> float:
    """Return the standard error of the mean of two shifts by separate draws."""
    errors = [data.stderr({observable: 1.0}, w) or float("nan") for data, w in pairs]
    return 0.5 * float(np.linalg.norm(errors))
