"""How well chains mix: R-hat and effective draws.

Source: Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), Rank-normalization, folding, and
localization: an improved R-hat (arXiv 1903.08008). Traces are (chains, draws).
"""

from statistics import NormalDist

import numpy as np

from pattern_lang.estimate.table import Array


def split(trace: Array) -> Array:
    """Return the halves of each chain as chains of their own; an odd middle draw is left out."""
    half = trace.shape[1] // 2
    return np.concatenate([trace[:, :half], trace[:, -half:]])


def r_hat(trace: Array) -> float:
    """Return the rank-normalised split R-hat, the larger of bulk and tail.

    A trace that never moves has R-hat 1.
    """
    halves = split(trace)
    if np.ptp(halves) == 0:
        return 1.0
    folded = np.abs(halves - np.median(halves))
    return max(_plain_r_hat(_normal_scores(halves)), _plain_r_hat(_normal_scores(folded)))


def _normal_scores(trace: Array) -> Array:
    """Replace each value by the normal quantile of its rank among all chains; ties share one."""
    flat = trace.ravel()
    _, inverse, counts = np.unique(flat, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    rank = last - (counts - 1) / 2
    quantile = NormalDist().inv_cdf
    scores = np.array([quantile(p) for p in (rank - 0.375) / (len(flat) + 0.25)])
    return scores[inverse].reshape(trace.shape)


def _plain_r_hat(trace: Array) -> float:
    draws = trace.shape[1]
    within = trace.var(axis=1, ddof=1).mean()
    between = draws * trace.mean(axis=1).var(ddof=1)
    if within == 0:
        return float("inf") if between > 0 else 1.0
    return float(np.sqrt((draws - 1) / draws + between / within / draws))


def between_within(trace: Array) -> float:
    """Return the variance of the chains' means over the mean variance within a chain.

    For one chain, of its halves. 0 for a trace that never moves.
    """
    chains = trace if len(trace) > 1 else split(trace)
    within = float(chains.var(axis=1).mean())
    between = float(chains.mean(axis=1).var(ddof=1))
    return between / within if within > 0 else 0.0


def effective_draws(trace: Array) -> float:
    """Return the effective number of independent draws, for the mean of the trace.

    Geyer's initial monotone sequence over all (split) chains; at most `N log10 N`, as antithetic
    chains would otherwise claim more than can be checked. Of fewer than 4 draws a chain nothing
    can be said, and each counts.
    """
    halves = split(trace)
    chains, draws = halves.shape
    total = chains * draws
    if np.ptp(halves) == 0 or draws < 2:
        return float(total)
    within = halves.var(axis=1, ddof=1).mean()
    pooled = (draws - 1) / draws * within + halves.mean(axis=1).var(ddof=1)
    covariance = _autocovariance(halves).mean(axis=0)
    rho = 1 - (within - covariance) / pooled
    rho[0] = 1.0
    pairs = rho[: 2 * (draws // 2)].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs < 0)
    kept = np.minimum.accumulate(pairs[: negative[0] if negative.size else None])
    tau = max(-1 + 2 * float(kept.sum()), 1 / np.log10(total))
    return float(total / tau)


def _autocovariance(trace: Array) -> Array:
    """Return the autocovariance of each chain at every lag, (chains, draws), by FFT."""
    draws = trace.shape[1]
    moved = np.fft.rfft(trace - trace.mean(axis=1, keepdims=True), n=2 * draws, axis=1)
    product: Array = np.fft.irfft(np.abs(moved) ** 2, n=2 * draws, axis=1)[:, :draws] / draws
    return product
