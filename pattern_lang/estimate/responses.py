"""How the observables of one posterior respond to weights, from what its chains left.

A chain is cut into stretches, S over all chains. Replicate s takes its own stretch's moments,
centred at the means over ALL stretches,

    J_s = -[C_s + (L̄_s - L̄)(ℓ̄_s - ℓ̄)] + explicit part of stretch s,

so the plain mean over the replicates is the estimate over all draws, and slow drifts between
stretches and between chains count in full in the noise. Covariances divide by the number of draws:
against an unbiased estimate they are low by one part in the number of effective draws, far less
than their standard error. Where stretches differ by a draw, all weigh equally.

An observable that is restricted to a component C as published takes two chain sets, over C and over
all parameters (Baker et al. 2504.18274):

    J_j = -(⟨φ ℓ_j⟩_C - ⟨φ⟩_C ⟨ℓ_j⟩_full) = -Cov_C[φ, ℓ_j] - ⟨φ⟩_C (⟨ℓ_j⟩_C - ⟨ℓ_j⟩_full),

with φ relative to θ*. It is not the response of any one network; `posterior: "component"` leaves
the last product out, and is the exact response of a network in which only C moves. In replicate s
the product is `φ̄_s (ℓ̄_C - ℓ̄_full) + φ̄ (ℓ̄_C,s - ℓ̄_C) - φ̄ (ℓ̄_full,s - ℓ̄_full)`: its mean over the
replicates is the product of the means, and its spread carries, to first order, the noise of all
three means and so of both chain sets.

Every replicate is linear in a few vectors over the units, the stack: the covariances of single
stretches as each chain keeps them, mean unit losses of every stretch, and how chains differ. So the
noise is made of coefficients on these, and no (S, k, n) array exists (see `ir.noise`). The stack
itself is larger than χ where there are many data sets; it is read some units at a time, and so is
all else here.
"""

from itertools import pairwise

import numpy as np
from attrs import frozen

from pattern_lang.estimate.moments import Averager, ChainResult
from pattern_lang.estimate.readout import Readout
from pattern_lang.estimate.table import Array
from pattern_lang.ir.variances import blocks, widened


@frozen(eq=False)
class PosteriorResult:
    """Everything sampled from one posterior.

    anchor_units: (n,) unit losses at θ*. anchor_means: (q,) mean losses at θ*. stiffness: ε (nβ h
    + γ) for the sharpest curvature h at θ*, NaN where the step adapts. full: what was sampled over
    all parameters, where this is a component and an observable needs both. weights: (chains,
    draws) how much each draw counts, mean 1; None where all count the same. The chains' stretches
    all count the same, whatever their draws do (see `reweighing`). pathwise:
    covariances are derivatives along the chains, whole in each stretch: drifts between them are
    no part.
    """

    name: str
    readout: Readout
    averager: Averager
    anchor_units: Array
    anchor_means: Array
    chains: tuple[ChainResult, ...]
    stiffness: float
    full: "PosteriorResult | None" = None
    weights: Array | None = None
    pathwise: bool = False

    @property
    def trace(self) -> Array:
        """Return the data sets' mean losses relative to θ*, (chains, draws, q)."""
        return np.stack([chain.trace for chain in self.chains])

    @property
    def means(self) -> Array:
        """Return the data sets' mean losses over every stretch, (S, q)."""
        return np.concatenate([chain.means for chain in self.chains])

    @property
    def counts(self) -> list[int]:
        """Return the number of stretches of each chain."""
        return [chain.stretches for chain in self.chains]

    @property
    def owns(self) -> list[slice]:
        """Return which of all stretches are those of each chain."""
        ends = np.cumsum([0, *self.counts]).tolist()
        return [slice(a, b) for a, b in pairwise(ends)]


class Losses:
    """Mean unit losses of a part's rows over every stretch, (S, n) float32, read by blocks."""

    def __init__(self, result: PosteriorResult, part: int) -> None:
        self.result, self.part = result, part
        averager = result.averager
        self.summed: Array | None = None
        if averager.unit_of_row is not None:  # groups are few, and their rows anywhere
            rows = (row for chain in result.chains for row in np.asarray(chain.rows))
            found = [averager.part_losses(row, part) for row in rows]
            self.summed = np.stack(found).astype(np.float32)

    def of(self, units: slice) -> Array:
        """Return those of some units, (S, w) float32."""
        if self.summed is not None:
            return self.summed[:, units]
        rows = np.concatenate([chain.rows[:, units] for chain in self.result.chains])
        if self.part:
            rows *= self.result.averager.parts[self.part, units].numpy()
        return rows


@frozen(eq=False)
class Block:
    """Some units: the response (k', w) float64, the stack (R, w) and the residual (k', w)."""

    jacobian: Array
    stack: Array
    residual: Array | None


class Pooled:
    """The chains of one posterior together, read for the k' observables that have a part in it.

    loadings: (S, k', R), how far each replicate of J is from their mean, on the stack.
    """

    def __init__(self, result: PosteriorResult) -> None:
        readout = result.readout
        self.result, self.owns = result, result.owns
        self.rows = np.flatnonzero(readout.present)
        self.used = np.flatnonzero(readout.slopes.any(axis=0))
        self.slopes = readout.slopes[np.ix_(self.rows, self.used)]
        self.explicit, self.mixed = readout.explicit[self.rows], readout.mixed[self.rows]
        self.anchored = readout.anchored[self.rows]
        self.parts = [int(part) for part in np.flatnonzero(self.explicit.any(axis=0)) if part]
        self.units = {part: Losses(result, part) for part in (0, *self.parts)}
        self.others = None
        if self.mixed.any():
            assert result.full is not None  # sampled wherever an observable is mixed
            self.others = Losses(result.full, 0)
        mean = result.means.mean(axis=0)
        self.drift = (result.means - mean)[:, self.used]
        if result.pathwise:
            self.drift = np.zeros_like(self.drift)
        self.level = combine(self.mixed, mean[:, None])[:, 0]
        self.chains = [chain.following(self.used.tolist()) for chain in result.chains]
        self.loadings = self._loadings()

    @property
    def count(self) -> int:
        """Return S."""
        return len(self.drift)

    @property
    def has_residual(self) -> bool:
        """Tell whether chains left out some of how their stretches deviate."""
        return any(chain.residual is not None for chain in self.chains)

    def _loadings(self) -> Array:
        """Return the loadings on what `block` stacks, in its order."""
        each, rows = np.eye(self.count)[:, None, :], len(self.rows)
        drift = self.drift @ self.slopes.T
        found = [(self.explicit[:, 0] - drift)[:, :, None] * each]
        found += [self.explicit[None, :, part, None] * each for part in self.parts]
        for own, chain in zip(self.owns, self.chains, strict=True):
            turned = np.zeros((self.count, rows, chain.loadings.shape[2]))
            turned[own] = -np.einsum("kq,sqr->skr", self.slopes, chain.loadings)
            found.append(turned)
            if len(self.chains) > 1:
                away = np.zeros((self.count, rows, len(self.used)))
                away[own] = -self.slopes
                found.append(away)
        if self.others is not None:
            moved = combine(self.mixed, self.result.means.T).T
            found += [-moved[:, :, None], -self.level[None, :, None] * each]
        return np.concatenate(found, axis=2)

    def block(self, units: slice) -> Block:
        """Return what there is about some units."""
        losses = self.units[0].of(units)
        crosses = [chain.cross[:, units] for chain in self.chains]
        whole = np.zeros_like(crosses[0])
        for count, cross in zip(self.result.counts, crosses, strict=True):
            whole += np.float32(count / self.count) * cross
        jacobian = self.anchored[:, None] * self.result.anchor_units[units]
        jacobian -= combine(self.slopes, whole + self._drifts(losses))
        stack = [_centred(losses)]
        if self.explicit[:, 0].any():
            jacobian += np.outer(self.explicit[:, 0], _mean(losses))
        for part in self.parts:
            own = self.units[part].of(units)
            jacobian += np.outer(self.explicit[:, part], _mean(own))
            stack.append(_centred(own))
        for chain, cross in zip(self.chains, crosses, strict=True):
            stack.append(chain.basis[:, units])
            if len(self.chains) > 1:
                stack.append(cross - whole)
        if self.others is not None:
            others = self.others.of(units)
            gap = _mean(losses) - _mean(others)
            jacobian -= np.outer(self.level, gap)
            stack += [gap[None].astype(np.float32), _centred(losses - others)]
        return Block(jacobian, np.concatenate(stack), self._residual(units))

    def _drifts(self, losses: Array) -> Array:
        """Return Σ_s (L̄_s - L̄)(ℓ̄_s - ℓ̄) / S, (q', w), of mean losses (S, w).

        The means of the first factor are 0, so the second needs no centre. Row by row and without
        a library's product: equal estimates have to have equal bits.
        """
        found = np.zeros((len(self.used), losses.shape[1]), dtype=np.float32)
        for into, row in zip(found, (self.drift.T / self.count).astype(np.float32), strict=True):
            np.einsum("s,sn->n", row, losses, out=into)
        return found

    def _residual(self, units: slice) -> Array | None:
        if not self.has_residual:
            return None
        found = np.zeros((len(self.rows), units.stop - units.start))
        for count, chain in zip(self.result.counts, self.chains, strict=True):
            if chain.residual is not None:
                share = (count / self.count) ** 2
                found += combine(share * self.slopes**2, widened(chain.residual[:, units]))
        return found


def _mean(losses: Array) -> Array:
    return np.asarray(losses.mean(axis=0, dtype=np.float64))


def _centred(losses: Array) -> Array:
    return (losses - _mean(losses)).astype(np.float32)


def jacobian(result: PosteriorResult) -> Array:
    """Return J (k, n) float64, the response before centring, without its noise."""
    found = np.zeros((len(result.readout.present), len(result.anchor_units)))
    pooled = Pooled(result)
    for units in blocks(found.shape[1]):
        found[pooled.rows, units] = pooled.block(units).jacobian
    return found


def combine(coefficients: Array, rows: Array) -> Array:
    """Return `coefficients @ rows`, added up in the order of the rows.

    A library's product may round differently with the place of its operands in memory, and equal
    estimates have to have equal bits. Coefficients are few and mostly 0.
    """
    total = np.zeros((len(coefficients), rows.shape[1]))
    for into, own in zip(total, coefficients, strict=True):
        for number in np.flatnonzero(own):
            into += own[number] * rows[number]
    return total
