"""χ, its noise and its standard errors, from the moments of every posterior.

With `J` the un-centred response of an observable per unit of β (covariance and explicit part),
`χ_j = J_j - s_j Σ_k J_k`, where `s_j` is the unit's share of the rows (1/n for samples). This is
the derivative for the normalised training objective `Σ w ℓ / Σ w`, in which weights matter only
relative to their mean: rows of χ sum to zero.

Posteriors of different models, or of different components of one, are sampled independently:
responses add, replicates add with stretches paired in order, means add, variances add.
"""

from collections.abc import Sequence

import numpy as np
from attrs import evolve

from pattern_lang.estimate.mixing import effective_draws
from pattern_lang.estimate.pooling import Into, most_directions, respond
from pattern_lang.estimate.readout import Readout
from pattern_lang.estimate.responses import Pooled, PosteriorResult, combine
from pattern_lang.estimate.segments import widening
from pattern_lang.estimate.table import Array
from pattern_lang.ir.noise import Noise, directions, no_noise, without
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.susceptibility import Susceptibility
from pattern_lang.ir.variances import Variances, blocks

Halves = dict[int, float]
"""By row, how χ from the even stretches of a posterior correlates with χ from the odd ones."""


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


def centred(jacobian: Array, share: Array) -> Array:
    """Return `J_j - s_j Σ_k J_k` along the last axis; `share` (n,) sums to 1."""
    centre: Array = jacobian - share * jacobian.sum(axis=-1, keepdims=True)
    return centre


def susceptibility(
    queries: Queries, results: Sequence[PosteriorResult], size: Array, constants: Array
) -> tuple[Susceptibility, list[Halves]]:
    """Put the posteriors together, one after the other; say how the halves of each agree.

    size: (n,) the number of rows of each unit. constants: (k,) added to the observables' means.
    """
    share = size / size.sum()
    k, n = len(queries.observables), len(size)
    pools = [Pooled(result) for result in results]
    rows = sum(pooled.loadings.shape[2] for pooled in pools)
    is_whole = rows <= most_directions(n) and not any(pooled.has_residual for pooled in pools)
    into = Into(np.zeros((k, n), np.float32), None if is_whole else Variances.zeros(k, n))
    noise, halves = None, []
    mean, error, least = constants, np.zeros(k), np.full(k, np.inf)
    for result, pooled in zip(results, pools, strict=True):
        factors = widenings(result)[pooled.rows]
        least[pooled.rows] = np.minimum(least[pooled.rows], factors)
        own, agreed = respond(pooled, share, factors, into)
        noise = own if noise is None else _sum(noise, own, is_whole)
        halves.append(dict(zip(pooled.rows.tolist(), agreed.tolist(), strict=True)))
        means = combine(result.readout.slopes, _trace_means(result)[:, None])[:, 0]
        mean = mean + result.readout.offset + means
        error = error + _mean_variances(result)
    found = Susceptibility(
        observables=tuple(observable.name for observable in queries.observables),
        observable_units=tuple(o.unit.canonical.value for o in queries.observables),
        chi=into.chi,
        mean=mean,
        sd=np.sqrt(variances(results, k)),
        noise=_with_rest(no_noise(k, n) if noise is None else noise, into.variances),
        mean_stderr=np.where(np.isnan(mean), np.nan, np.sqrt(error)),
        nbeta=queries.sampler.nbeta,
        widening=np.where(np.isfinite(least), least, 1.0),
    )
    return found, halves


def _sum(one: Noise, other: Noise, is_whole: bool) -> Noise:
    """Return the noise of a sum, on no more directions than there may be, written over `one`."""
    loadings = np.concatenate([one.loadings, other.loadings], axis=2)
    if is_whole:
        return Noise(loadings, np.concatenate([one.basis, other.basis]))
    n, gram = one.units, np.zeros((loadings.shape[2], loadings.shape[2]))
    for units in blocks(n):
        beside = np.concatenate([one.basis[:, units], other.basis[:, units]]).astype(np.float64)
        gram += beside @ beside.T
    turn = directions(loadings, gram, most_directions(n))
    forward = turn.forward.astype(np.float32)
    basis = one.basis
    if len(forward) > len(basis):
        basis = np.empty((len(forward), n), np.float32)
    for units in blocks(n):
        beside = np.concatenate([one.basis[:, units], other.basis[:, units]])
        basis[: len(forward), units] = forward @ beside
    return Noise(loadings @ turn.inverse, basis[: len(forward)])


def _with_rest(noise: Noise, variances: Variances | None) -> Noise:
    """Return noise with what its basis leaves out of the squared errors of all entries."""
    if variances is None:
        return noise
    without(noise, variances)
    return evolve(noise, residual=variances)


def widenings(result: PosteriorResult) -> Array:
    """Return by how much errors are larger than the replicates' own, (k,), see `widening`.

    A pathwise derivative follows where the chain has been: of an autoregression ρ it has two poles
    for one, and so (1 + ρ)² / (1 + ρ²) times the autocorrelation time, at most twice.
    """
    length = result.trace.shape[1] / result.chains[0].stretches
    count = sum(result.counts)
    times = autocorrelation_times(result)
    if result.pathwise:
        slopes = np.stack([chain.slopes for chain in result.chains])
        times = np.maximum(2 * times, _times_of(slopes, result.readout.slopes))
    return np.array([widening(tau, length, count) for tau in times])


def response(result: PosteriorResult) -> tuple[Array, Noise]:
    """Return J (k, n) float64, the response before centring, and the noise of its replicates."""
    k, n = len(result.readout.present), len(result.anchor_units)
    pooled = Pooled(result)
    is_whole = pooled.loadings.shape[2] <= most_directions(n) and not pooled.has_residual
    into = Into(np.zeros((k, n)), None if is_whole else Variances.zeros(k, n))
    noise, _ = respond(pooled, None, np.ones(len(pooled.rows)), into)
    return into.chi, _with_rest(noise, into.variances)


def calibrated_response(result: PosteriorResult) -> tuple[Array, Noise]:
    """Return J and its noise, with the replicates spread about their mean as `widening` says."""
    jacobian, noise = response(result)
    return jacobian, noise.widened(widenings(result))


def variances(results: Sequence[PosteriorResult], k: int) -> Array:
    """Return the posterior variances of the k observables, in the squares of their units."""
    total = np.zeros(k)
    for result in results:
        total = total + _spreads(result)
    return total


def _trace_means(result: PosteriorResult) -> Array:
    """Return the means of what is followed, (q,)."""
    values = result.trace.reshape(-1, result.trace.shape[-1])
    if result.weights is None:
        return np.asarray(values.mean(axis=0))
    return np.asarray((result.weights.reshape(-1, 1) * values).mean(axis=0))


def _spreads(result: PosteriorResult) -> Array:
    """Return the variance of each observable's part in one posterior, (k,)."""
    values = combine(result.readout.spread, result.trace.reshape(-1, result.trace.shape[-1]).T)
    if result.weights is None:
        return np.asarray(values.var(axis=1))
    weights = result.weights.ravel()
    centred_values = values - (weights * values).mean(axis=1, keepdims=True)
    return np.asarray((weights * centred_values**2).mean(axis=1))


def _mean_variances(result: PosteriorResult) -> Array:
    """Return the squared standard error of each observable's mean, (k,).

    Of weighted pairs by the delta method for a ratio.
    """
    size = result.trace[:, :, 0].size
    if result.weights is None:
        return _spreads(result) * autocorrelation_times(result) / size
    values = combine(result.readout.spread, result.trace.reshape(-1, result.trace.shape[-1]).T)
    weights = result.weights.ravel()
    away = weights * (values - (weights * values).mean(axis=1, keepdims=True))
    pairs = away.reshape(len(values), -1, 2).sum(axis=2)
    return np.asarray((pairs**2).sum(axis=1) / size**2)


def autocorrelation_times(result: PosteriorResult) -> Array:
    """Return τ of each observable's part in a posterior, in draws, (k,); 1 where it has none."""
    if result.weights is not None:  # pairs are independent of each other
        return np.ones(len(result.readout.spread))
    return _times_of(result.trace, result.readout.spread)


def _times_of(trace: Array, coefficients: Array) -> Array:
    """Return τ of some combinations (k, q) of what is traced, (chains, draws, q)."""
    chains, draws, q = trace.shape
    rows = combine(coefficients, trace.reshape(-1, q).T)
    return np.array([row.size / effective_draws(row.reshape(chains, draws)) for row in rows])
