"""χ, its replicates and its standard errors, from the moments of every segment.

With `J` the un-centred response of an observable per unit of β (covariance and explicit part),
`χ_j = J_j - s_j Σ_k J_k`, where `s_j` is the unit's share of the rows (1/n for samples). This is
the derivative for the normalised training objective `Σ w ℓ / Σ w`, in which weights matter only
relative to their mean: rows of χ sum to zero.

Replicate b takes its own segment's moments, centred at the GLOBAL means,
`J_b = -[C_b + (L̄_b - L̄)(ℓ̄_b - ℓ̄)] + explicit part of segment b`, so the plain mean over the
replicates is the estimate over all draws and slow drifts between segments count in full.
Replicates are then spread about their mean by `segments.widening`, so that their plain standard
error, and that of any linear function of them, is calibrated: intervals of ±1.96 cover 95 %.
Covariances divide by the number of draws: against an unbiased estimate they are low by one part
in the number of effective draws, far less than their standard error. Where lengths of segments
differ by a draw, all means weigh segments equally.

Posteriors of different models, or of different components of one, are sampled independently:
replicates add with segments paired in order, means add, variances add.

An observable that is restricted to a component C as published takes two chain sets, over C and over
all parameters (Baker et al. 2504.18274):

    J_j = -(⟨φ ℓ_j⟩_C - ⟨φ⟩_C ⟨ℓ_j⟩_full) = -Cov_C[φ, ℓ_j] - ⟨φ⟩_C (⟨ℓ_j⟩_C - ⟨ℓ_j⟩_full),

with φ relative to θ*. It is not the response of any one network; `posterior: "component"` leaves
the last product out, and is the exact response of a network in which only C moves. In replicate b
the product is `φ̄_b (ℓ̄_C - ℓ̄_full) + φ̄ (ℓ̄_C,b - ℓ̄_C) - φ̄ (ℓ̄_full,b - ℓ̄_full)`: its mean over the
replicates is the product of the means, and its spread carries, to first order, the noise of all
three means and so of both chain sets.
"""

from collections.abc import Sequence

import numpy as np
from attrs import evolve, frozen

from pattern_lang.estimate.mixing import effective_draws
from pattern_lang.estimate.moments import ChainResult, SegmentMoments
from pattern_lang.estimate.readout import Readout
from pattern_lang.estimate.segments import widening
from pattern_lang.estimate.table import Array
from pattern_lang.ir.noise import noise_of
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.susceptibility import Susceptibility


@frozen(eq=False)
class PosteriorResult:
    """Everything sampled from one posterior.

    parts: (S, P, n) mean unit losses of the rows of each part alone, segment by segment.
    anchor_units: (n,) unit losses at θ*. anchor_means: (q,) mean losses at θ*. stiffness: ε (nβ h
    + γ) for the sharpest curvature h at θ*, NaN where the step adapts. full: what was sampled over
    all parameters, where this is a component and an observable needs both.
    """

    name: str
    readout: Readout
    anchor_units: Array
    anchor_means: Array
    chains: tuple[ChainResult, ...]
    parts: Array
    stiffness: float
    full: "PosteriorResult | None" = None

    @property
    def segments(self) -> list[SegmentMoments]:
        """Return the segments of all chains, chain after chain."""
        return [segment for chain in self.chains for segment in chain.segments]

    @property
    def trace(self) -> Array:
        """Return the data sets' mean losses relative to θ*, (chains, draws, q)."""
        return np.stack([chain.trace for chain in self.chains])


def jacobian_replicates(result: PosteriorResult) -> Array:
    """Return J of every segment, (S, k, n) float64: the response before centring."""
    segments, readout = result.segments, result.readout
    mean = np.mean([segment.means for segment in segments], axis=0)
    units = np.mean([segment.units for segment in segments], axis=0)
    still = readout.anchored[:, None] * result.anchor_units
    replicates = np.stack(
        [
            still
            + combine(readout.explicit, parts)
            - combine(readout.slopes, segment.cross)
            - combine(readout.slopes, np.outer(segment.means - mean, segment.units - units))
            for segment, parts in zip(segments, result.parts, strict=True)
        ]
    )
    if readout.mixed.any():
        replicates -= _mixed_replicates(result, mean, units)
    return replicates


def _mixed_replicates(result: PosteriorResult, mean: Array, units: Array) -> Array:
    """Return `⟨φ⟩_C (⟨ℓ_j⟩_C - ⟨ℓ_j⟩_full)` of every segment, (S, k, n), linearised."""
    assert result.full is not None  # sampled wherever an observable is mixed
    others = result.full.segments
    away = units - np.mean([segment.units for segment in others], axis=0)
    level = combine(result.readout.mixed, mean[:, None])[:, 0]
    return np.stack(
        [
            combine(result.readout.mixed, np.outer(segment.means, away))
            + np.outer(level, segment.units - units)
            - np.outer(level, other.units - (units - away))
            for segment, other in zip(result.segments, others, strict=True)
        ]
    )


def mean_jacobian(result: PosteriorResult) -> Array:
    """Return the mean over the replicates of J, (k, n), without making them."""
    segments, readout = result.segments, result.readout
    mean = np.mean([segment.means for segment in segments], axis=0)
    units = np.mean([segment.units for segment in segments], axis=0)
    cross = np.mean([s.cross + np.outer(s.means - mean, s.units - units) for s in segments], axis=0)
    found = readout.anchored[:, None] * result.anchor_units
    found += combine(readout.explicit, result.parts.mean(axis=0)) - combine(readout.slopes, cross)
    if readout.mixed.any():
        assert result.full is not None  # sampled wherever an observable is mixed
        whole = np.mean([segment.units for segment in result.full.segments], axis=0)
        found -= combine(readout.mixed, np.outer(mean, units - whole))
    return found


def combined(result: PosteriorResult, matrix: Array) -> PosteriorResult:
    """Return a posterior read for linear combinations, (m, k), of its k observables."""
    one = result.readout
    unknown = np.isnan(one.offset)
    offset = combine(matrix, np.where(unknown, 0.0, one.offset)[:, None])[:, 0]
    readout = Readout(
        slopes=combine(matrix, one.slopes),
        spread=combine(matrix, one.spread),
        mixed=combine(matrix, one.mixed),
        offset=np.where((matrix[:, unknown] != 0).any(axis=1), np.nan, offset),
        explicit=combine(matrix, one.explicit),
        anchored=combine(matrix, one.anchored[:, None])[:, 0],
        present=(matrix[:, one.present] != 0).any(axis=1),
    )
    return evolve(result, readout=readout)


def combine(coefficients: Array, rows: Array) -> Array:
    """Return `coefficients @ rows`, added up in the order of the rows.

    A library's product may round differently with the place of its operands in memory, and equal
    estimates have to have equal bits. Coefficients are few and mostly 0.
    """
    total = np.zeros((len(coefficients), rows.shape[1]))
    for number in np.flatnonzero(coefficients.any(axis=0)):
        total += coefficients[:, number, None] * rows[number]
    return total


def centred(jacobian: Array, share: Array) -> Array:
    """Return `J_j - s_j Σ_k J_k` along the last axis; `share` (n,) sums to 1."""
    centre: Array = jacobian - share * jacobian.sum(axis=-1, keepdims=True)
    return centre


def susceptibility(
    queries: Queries, results: Sequence[PosteriorResult], size: Array, constants: Array
) -> Susceptibility:
    """Put the posteriors together.

    size: (n,) the number of rows of each unit. constants: (k,) added to the observables' means.
    """
    share = size / size.sum()
    k = len(queries.observables)
    replicates = centred(sum_replicates(results, (2, k, len(size))), share)
    count = len(replicates)
    stderr = replicates.std(axis=0, ddof=1) / np.sqrt(count)
    mean, error = constants, np.zeros(k)
    for result in results:
        values = result.trace.reshape(-1, result.trace.shape[-1])
        means = combine(result.readout.slopes, values.mean(axis=0)[:, None])[:, 0]
        mean = mean + result.readout.offset + means
        own = combine(result.readout.spread, values.T).var(axis=1)
        error = error + own * autocorrelation_times(result) / len(values)
    return Susceptibility(
        observables=tuple(observable.name for observable in queries.observables),
        observable_units=tuple(o.unit.canonical.value for o in queries.observables),
        chi=replicates.mean(axis=0).astype(np.float32),
        stderr=stderr.astype(np.float32),
        mean=mean,
        sd=np.sqrt(variances(results, k)),
        noise=noise_of(replicates),
        mean_stderr=np.where(np.isnan(mean), np.nan, np.sqrt(error)),
        nbeta=queries.sampler.nbeta,
    )


def variances(results: Sequence[PosteriorResult], k: int) -> Array:
    """Return the posterior variances of the k observables, in the squares of their units."""
    total = np.zeros(k)
    for result in results:
        values = result.trace.reshape(-1, result.trace.shape[-1])
        total = total + combine(result.readout.spread, values.T).var(axis=1)
    return total


def sum_replicates(results: Sequence[PosteriorResult], empty: tuple[int, int, int]) -> Array:
    """Return the un-centred replicates summed over independent posteriors, (S, k, n).

    Without any posterior they are zeros of the shape `empty`.
    """
    if not results:
        return np.zeros(empty)
    total = calibrated_replicates(results[0])
    for result in results[1:]:
        total += calibrated_replicates(result)
    return total


def calibrated_replicates(result: PosteriorResult) -> Array:
    """Return J of every segment, (S, k, n), spread about the mean as `widening` says."""
    replicates = jacobian_replicates(result)
    length = len(result.chains[0].trace) / len(result.chains[0].segments)
    factors = [widening(tau, length, len(replicates)) for tau in autocorrelation_times(result)]
    mean = replicates.mean(axis=0)
    spread: Array = mean + np.array(factors)[:, None] * (replicates - mean)
    return spread


def autocorrelation_times(result: PosteriorResult) -> Array:
    """Return τ of each observable's part in a posterior, in draws, (k,); 1 where it has none."""
    chains, draws, q = result.trace.shape
    traces = combine(result.readout.spread, result.trace.reshape(-1, q).T)
    return np.array(
        [trace.size / effective_draws(trace.reshape(chains, draws)) for trace in traces]
    )
