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

Every replicate is linear in a few vectors over the units: the covariances of single stretches as
each chain keeps them, mean unit losses of every stretch, and how chains differ. So the noise is
made of coefficients on these, and no (S, k, n) array exists (see `ir.noise`).
"""

import numpy as np
from attrs import frozen

from pattern_lang.estimate.moments import Averager, ChainResult
from pattern_lang.estimate.readout import Readout
from pattern_lang.estimate.table import Array
from pattern_lang.ir.noise import Noise

_NUMBERS = 2**24  # of a basis, 64 MB of float32
_FEWEST = 32


@frozen(eq=False)
class PosteriorResult:
    """Everything sampled from one posterior.

    anchor_units: (n,) unit losses at θ*. anchor_means: (q,) mean losses at θ*. stiffness: ε (nβ h
    + γ) for the sharpest curvature h at θ*, NaN where the step adapts. full: what was sampled over
    all parameters, where this is a component and an observable needs both. weights: (chains,
    draws) how much each draw counts, mean 1; None where all count the same. The chains' stretches
    all count the same, whatever their draws do (see `reweighing`).
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

    @property
    def trace(self) -> Array:
        """Return the data sets' mean losses relative to θ*, (chains, draws, q)."""
        return np.stack([chain.trace for chain in self.chains])

    @property
    def means(self) -> Array:
        """Return the data sets' mean losses over every stretch, (S, q)."""
        return np.concatenate([chain.means for chain in self.chains])

    def part_losses(self, part: int) -> Array:
        """Return the mean unit losses of a part's rows over every stretch, (S, n) float32."""
        found = [
            self.averager.part_losses(rows, part) for chain in self.chains for rows in chain.rows
        ]
        return np.stack(found).astype(np.float32)


def response(result: PosteriorResult) -> tuple[Array, Noise]:
    """Return J (k, n), the response before centring, and its noise."""
    readout, units = result.readout, result.part_losses(0)
    mean, unit_mean = result.means.mean(axis=0), units.mean(axis=0, dtype=np.float64)
    cross, noise = _covariances(result, units)
    jacobian = readout.anchored[:, None] * result.anchor_units - combine(readout.slopes, cross)
    noise = noise.combined(-readout.slopes)
    for part in np.flatnonzero(readout.explicit.any(axis=0)):
        losses = units if part == 0 else result.part_losses(int(part))
        jacobian += np.outer(readout.explicit[:, part], losses.mean(axis=0, dtype=np.float64))
        noise = noise + _rows(losses, readout.explicit[:, part])
    if readout.mixed.any():
        assert result.full is not None  # sampled wherever an observable is mixed
        others = result.full.part_losses(0)
        away = unit_mean - others.mean(axis=0, dtype=np.float64)
        level = combine(readout.mixed, mean[:, None])[:, 0]
        jacobian -= np.outer(level, away)
        moved = combine(readout.mixed, result.means.T).T
        noise = noise + Noise(-moved[:, :, None], away[None].astype(np.float32))
        noise = noise + _rows(units - others, -level)
    return jacobian, _settled(noise)


def _covariances(result: PosteriorResult, units: Array) -> tuple[Array, Noise]:
    """Return the covariances (q, n) over all draws, and their noise; units: (S, n)."""
    chains, means = result.chains, result.means
    counts = [chain.stretches for chain in chains]
    total = sum(counts)
    whole = np.zeros_like(chains[0].cross)
    for count, chain in zip(counts, chains, strict=True):
        whole += np.float32(count / total) * chain.cross
    drift = means - means.mean(axis=0)
    # Σ_s (L̄_s - L̄)(ℓ̄_s - ℓ̄): the means of the first factor are 0, so the second needs no centre.
    # Row by row and without a library's product: equal estimates have to have equal bits.
    away = (np.einsum("s,sn->n", row, units) for row in (drift.T / total).astype(np.float32))
    cross = whole + np.stack(list(away))
    centre = np.eye(total) - 1 / total
    noise = Noise(drift[:, :, None] * centre[:, None, :], units)
    start = 0
    for count, chain in zip(counts, chains, strict=True):
        own = slice(start, start + count)
        noise = _grown(noise, _spread(chain.noise, own, total))
        if len(chains) > 1:
            noise = _grown(noise, _chain_mean(chain.cross - whole, own, total))
        start += count
    return cross, noise


def _spread(noise: Noise, own: slice, total: int) -> Noise:
    """Return a chain's noise as that of its stretches among all."""
    count, q, r = noise.loadings.shape
    loadings = np.zeros((total, q, r))
    loadings[own] = noise.loadings
    residual = noise.residual
    if residual is not None:
        residual = np.float32((count / total) ** 2) * residual
    return Noise(loadings, noise.basis, residual)


def _chain_mean(away: Array, own: slice, total: int) -> Noise:
    """Return what a chain's own covariances (q, n), less all, add to those of its stretches."""
    q = len(away)
    loadings = np.zeros((total, q, q))
    loadings[own] = np.eye(q)
    return Noise(loadings, away.astype(np.float32))


def _rows(rows: Array, coefficients: Array) -> Noise:
    """Return the noise of `coefficients (k,) · row s`, for rows (S, n)."""
    eye = np.eye(len(rows)) - 1 / len(rows)
    return Noise(coefficients[None, :, None] * eye[:, None, :], rows.astype(np.float32))


def _grown(noise: Noise, more: Noise) -> Noise:
    """Add noise a few directions at a time, so that no basis gets much larger than it may."""
    step = max(_FEWEST, _NUMBERS // max(noise.units, 1))
    for start in range(0, len(more.basis), step):
        part = slice(start, start + step)
        residual = more.residual if start == 0 else None
        noise = _settled(noise + Noise(more.loadings[:, :, part], more.basis[part], residual))
    return noise


def _settled(noise: Noise) -> Noise:
    """Return noise on a basis that is not too large, its loadings centred."""
    centred = noise.centred()
    n = max(noise.units, 1)
    if len(noise.basis) * n <= _NUMBERS:
        return centred
    return centred.compressed(max(_FEWEST, _NUMBERS // n))


def combine(coefficients: Array, rows: Array) -> Array:
    """Return `coefficients @ rows`, added up in the order of the rows.

    A library's product may round differently with the place of its operands in memory, and equal
    estimates have to have equal bits. Coefficients are few and mostly 0.
    """
    total = np.zeros((len(coefficients), rows.shape[1]))
    for number in np.flatnonzero(coefficients.any(axis=0)):
        total += coefficients[:, number, None] * rows[number]
    return total
