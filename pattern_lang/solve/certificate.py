"""Figures that say how good weights are, recomputed from the weights and the multipliers."""

import numpy as np
from attrs import asdict, frozen

from pattern_lang.solve.engine import EngineResult, Proof
from pattern_lang.solve.normal import NormalConstraint, Vector, size_of
from pattern_lang.solve.optimize import Answer
from pattern_lang.solve.values import (
    divergence,
    effective_sample_size,
    left_side,
    total,
    violation,
)


@frozen
class Certificate:
    """KKT residuals of weights and figures about them.

    primal_cost, dual_cost: values of what is minimised (minus the objective when maximising);
    the dual is a lower bound, and `gap` the difference relative to the cost, or to the largest
    coefficient of the cost where that is more. primal_residual: the largest violation of a
    constraint, relative to the length of its row. dual_residual: what the
    gradient of the Lagrangian, which should be 0, amounts to over the size of w - 1, relative
    like the gap. complementarity: the largest multiplier times slack, relative like the gap.
    box_violation: in w, 0 exactly.
    Cost, gap, dual and complementarity are those of the weights before rounding; `rounding` is
    the largest change that it made, and the other figures are those of the final weights.
    """

    primal_cost: float
    dual_cost: float
    gap: float
    primal_residual: float
    dual_residual: float
    complementarity: float
    mass_error: float
    box_violation: float
    ess: float
    kl: float
    share_at_lower: float
    share_at_upper: float
    max_weight: float
    min_weight: float
    rounding: float
    iterations: int
    solver: str

    @property
    def worst(self) -> float:
        """Return the largest of the relative residuals."""
        return max(self.gap, self.primal_residual, self.dual_residual)

    def figures(self) -> dict[str, float | int | str]:
        """Return the figures as JSON values; what is not finite is left out."""
        items = asdict(self).items()
        return {k: v for k, v in items if isinstance(v, str) or np.isfinite(v)}


def certify(answer: Answer, final: Vector) -> Certificate:
    """Compute the certificate of an answer whose final weights, perhaps rounded, are (n,).

    Raises ValueError for an answer without a point.
    """
    result = answer.result
    if result is None or answer.w is None:
        raise ValueError("an answer without a point has no certificate")
    if result.proof is not None and final is answer.w:
        return _of_proof(result, result.proof)
    program, box, w = answer.program, answer.box, final
    x = answer.w - 1.0
    proof = result.proof
    if proof is None:
        cost = float(total(program.cost, answer.w, answer.dose)[0])
    else:
        cost = proof.primal_cost
    size = max(result.cost_unit, abs(cost))
    off = np.abs(result.gradient(x)) @ (np.abs(x) + np.linalg.norm(x) / x.size**0.5)
    worst = max(
        (violation(c, w, answer.dose) / size_of(c) for c in program.constraints), default=0.0
    )
    if proof is not None:
        products = [proof.complementarity]
    else:
        products = [
            _product(c, m, answer.w)
            for c, m in zip(program.constraints, result.multipliers, strict=True)
        ]
    return Certificate(
        primal_cost=cost,
        dual_cost=result.dual_cost,
        gap=abs(cost - result.dual_cost) / size,
        primal_residual=float(worst),
        dual_residual=float(off + result.residual) / size,
        complementarity=max(products, default=0.0) / size,
        mass_error=float(abs(np.mean(w - 1.0))),
        box_violation=float(np.max(np.maximum(box.lower - w, w - box.upper), initial=0.0)),
        ess=effective_sample_size(w),
        kl=divergence(w),
        share_at_lower=float(np.mean(w <= box.lower)),
        share_at_upper=float(np.mean(w >= box.upper)),
        max_weight=float(np.max(w)),
        min_weight=float(np.min(w)),
        rounding=float(np.max(np.abs(w - answer.w))),
        iterations=result.iterations,
        solver=result.name,
    )


def _of_proof(result: EngineResult, proof: Proof) -> Certificate:
    """Read the figures off the pass that proved them."""
    n = result.x.size
    size = max(result.cost_unit, abs(proof.primal_cost))
    whole = n + proof.mass
    return Certificate(
        primal_cost=proof.primal_cost,
        dual_cost=proof.dual_cost,
        gap=abs(proof.primal_cost - proof.dual_cost) / size,
        primal_residual=proof.worst,
        dual_residual=0.0,
        complementarity=proof.complementarity / size,
        mass_error=abs(proof.mass) / n,
        box_violation=0.0,
        ess=whole * whole / (n * (n + 2.0 * proof.mass + proof.square)),
        kl=proof.entropy / n,
        share_at_lower=float(np.mean(result.at_lower)),
        share_at_upper=float(np.mean(result.at_upper)),
        max_weight=proof.most,
        min_weight=proof.least,
        rounding=0.0,
        iterations=result.iterations,
        solver=result.name,
    )


def _product(constraint: NormalConstraint, multiplier: Vector, w: Vector) -> float:
    slack = left_side(constraint, w, 1.0)
    # Where a bound is infinite the multiplier is 0, and so is the product.
    return float(np.max(np.abs(multiplier * np.where(multiplier == 0, 0.0, slack)), initial=0.0))
