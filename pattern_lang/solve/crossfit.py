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
from pattern_lang.ir.variances import blocks
from pattern_lang.solve.assemble import answer_of
from pattern_lang.solve.estimated import Estimated
from pattern_lang.solve.normal import Vector
from pattern_lang.solve.reliability import directions
from pattern_lang.solve.soften import HALF
from pattern_lang.solve.statements import statements_of

Judged = tuple[list[float], list[float]]
"""Shifts of some observables, and their standard errors, by one half of the draws."""

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
    asks = [ask for s in statements_of(pattern, Estimated(estimate)) for ask in s.asks]
    names = [ask.observable for ask in asks]
    # One half of the replicates at a time: its χ is as large as that of all.
    served = [_served(pattern, estimate, half, names, policy) for half in (0, 1)]
    chosen, own = zip(*served, strict=True)
    if chosen[0] is None or chosen[1] is None:
        return None
    crossed = [_judged(estimate, 1, chosen[0], names), _judged(estimate, 0, chosen[1], names)]
    return tuple(
        CrossFitted(
            observable=name,
            predicted=float(np.mean([shifts[place] for shifts, _ in crossed])),
            stderr=0.5 * float(np.linalg.norm([errors[place] for _, errors in crossed])),
            in_sample=float(np.mean([shifts[place] for shifts, _ in own])),
        )
        for place, name in enumerate(names)
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
    return _half(estimate, 0), _half(estimate, 1)


def _half(estimate: Estimate, number: int) -> Estimate:
    whole = estimate.susceptibility
    middle = whole.noise.count // 2
    own = whole.noise.loadings[middle:] if number else whole.noise.loadings[:middle]
    away = own.mean(axis=0) - whole.noise.loadings.mean(axis=0)
    if whole.widening is not None:
        away = away / whole.widening[:, None]
    residual = whole.noise.residual
    if residual is not None:
        share = whole.noise.count / len(own)
        residual = residual.scaled(np.full(len(whole.chi), share))
    chi, moved = np.empty_like(whole.chi), away.astype(np.float32)
    for units in blocks(chi.shape[1]):
        np.add(whole.chi[:, units], moved @ whole.noise.basis[:, units], out=chi[:, units])
    found = attrs.evolve(
        whole,
        chi=chi,
        noise=Noise(own - own.mean(axis=0), whole.noise.basis, residual),
    )
    return attrs.evolve(estimate, susceptibility=found)


def _weights(pattern: WeightPattern, data: Estimated, policy: Reliable | None) -> Vector | None:
    answer = answer_of(pattern, data, policy)
    return answer.w if answer.status == "optimal" else None


def _served(
    pattern: WeightPattern,
    estimate: Estimate,
    half: int,
    names: Sequence[str],
    policy: Reliable | None,
) -> tuple[Vector | None, Judged]:
    """Return the weights by one half of the draws, None where there are none, and their shifts."""
    data = Estimated(_half(estimate, half))
    w = _weights(pattern, data, policy)
    return w, ([], []) if w is None else _shifts(data, w, names)


def _judged(estimate: Estimate, half: int, w: Vector, names: Sequence[str]) -> Judged:
    return _shifts(Estimated(_half(estimate, half)), w, names)


def _shifts(data: Estimated, w: Vector, names: Sequence[str]) -> Judged:
    shifts = [float(data.row(name).read() @ (w - 1.0)) for name in names]
    return shifts, [data.stderr({name: 1.0}, w) or float("nan") for name in names]
