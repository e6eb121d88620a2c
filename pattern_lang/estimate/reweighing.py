"""From weighted draws to moments of equal stretches, and how even the weights are.

A weighted mean `m = Σ M_s m_s / Σ M_s` over stretches s of total weights M_s is, to first order,
the plain mean of `m + u_s (m_s - m)`, `u_s = M_s / mean M`: exactly in its value, and its spread
is that of the delta method for a ratio. In the same way covariances are the mean of

    C + u_s (C_s + (L_s - L)(ℓ_s - ℓ) - C).

So weighted chains become chains of equal stretches, which everything after them reads. The last
product is formed there from the means, with u_s² where u_s is due: the difference is made up here.

Whether weights can be trusted: Kish's effective size `(Σ W)² / Σ W²`, over pairs, and the tail
index k̂ of the largest pairs' weights (Vehtari, Simpson, Gelman, Yao & Gabry, Pareto smoothed
importance sampling, 1507.02646; fitted as by Zhang & Stephens, Technometrics 51, 2009).
"""

from collections.abc import Sequence

import numpy as np
from attrs import evolve

from pattern_lang.estimate.moments import Averager, ChainResult
from pattern_lang.estimate.table import Array
from pattern_lang.ir.noise import Noise, scaled

_PRIOR_TAIL, _PRIOR_COUNT = 0.5, 10  # of k̂, which few weights do not tell
_FEWEST_IN_TAIL = 5
_ROUNDING = 1e-9


def weights_of(chains: Sequence[ChainResult]) -> Array | None:
    """Return the weights of all draws, (chains, draws), mean 1; None where all count the same."""
    if not chains or chains[0].weighting is None:
        return None
    logs = np.stack([chain.weighting.logs for chain in chains if chain.weighting is not None])
    found = np.exp(logs - logs.max())
    return np.asarray(found / found.mean())


def equalised(chains: Sequence[ChainResult], averager: Averager) -> tuple[ChainResult, ...]:
    """Return weighted chains as chains whose stretches all count the same."""
    weightings = [chain.weighting for chain in chains if chain.weighting is not None]
    if not weightings:
        return tuple(chains)
    origins = np.array([float(weighting.origin[0]) for weighting in weightings])
    factors = np.exp(origins - origins.max())
    masses = [f * weighting.masses for f, weighting in zip(factors, weightings, strict=True)]
    whole = np.concatenate(masses)
    # In memory as a whole: weighted draws are few where units are many.
    stored = [(np.asarray(chain.rows), np.asarray(chain.cross)) for chain in chains]
    share, scales = [mass / whole.mean() for mass in masses], factors / whole.mean()
    means = _mean([_sum(u, c.means) for u, c in zip(share, chains, strict=True)], len(whole))
    rows = _mean([_sum(u, own) for u, (own, _) in zip(share, stored, strict=True)], len(whole))
    apart = [np.stack([averager.part_losses(row - rows, 0) for row in own]) for own, _ in stored]
    cross = _mean(
        [
            scale * len(u) * own + _products(u[:, None] * (chain.means - means), away)
            for scale, u, chain, (_, own), away in zip(
                scales, share, chains, stored, apart, strict=True
            )
        ],
        len(whole),
    )
    found = []
    for scale, u, chain, (own_rows, own_cross), away in zip(
        scales, share, chains, stored, apart, strict=True
    ):
        drift = (u - u**2)[:, None] * (chain.means - means)
        noise = _noise(chain.noise, scale, u, cross, drift, away)
        own = scale * own_cross + (1 - u.mean()) * cross + _products(drift, away) / len(u)
        found.append(
            evolve(
                chain,
                means=means + u[:, None] * (chain.means - means),
                rows=(rows + u[:, None] * (own_rows - rows)).astype(np.float32),
                cross=own.astype(np.float32),
                loadings=noise.loadings,
                basis=noise.basis,
                residual=None if noise.residual is None else noise.residual.kept,
                weighting=None,
            )
        )
    return tuple(found)


# Without a library's products: equal estimates have to have equal bits (see `responses`).
def _sum(weights: Array, rows: Array) -> Array:
    return np.asarray(np.einsum("s,sn->n", weights, rows))


def _products(left: Array, right: Array) -> Array:
    return np.stack([np.einsum("s,sn->n", column, right) for column in left.T])


def _mean(sums: list[Array], count: int) -> Array:
    total = sums[0]
    for other in sums[1:]:
        total = total + other
    return np.asarray(total / count)


def _noise(noise: Noise, scale: float, u: Array, cross: Array, drift: Array, away: Array) -> Noise:
    """Return how a chain's stretches deviate: `u_s (C_s - C) + (u_s - u_s²)(L_s - L)(ℓ_s - ℓ)`."""
    own = scaled(noise, scale)
    ratio = -(u - u.mean())[:, None, None] * np.eye(len(cross))
    centre = np.eye(len(u)) - 1 / len(u)
    products = np.einsum("sq,ts->tqs", drift, centre)
    return own + Noise(ratio, cross.astype(np.float32)) + Noise(products, away.astype(np.float32))


def pair_weights(weights: Array) -> Array:
    """Return the weights of pairs, flat, of those of draws, (chains, draws)."""
    return np.asarray(weights.reshape(len(weights), -1, 2).sum(axis=2).ravel())


def effective_pairs(weights: Array) -> float:
    """Return Kish's effective number of pairs."""
    pairs = pair_weights(weights)
    return float(pairs.sum() ** 2 / (pairs**2).sum())


def pareto_k(weights: Array) -> float:
    """Return k̂ of the largest pairs' weights: variances are finite below ½, errors bad above .7.

    Weights that are all the same have none: -inf. Of fewer than 25 pairs the tail tells too little,
    and what is returned is NaN.
    """
    pairs = np.sort(pair_weights(weights))
    tail = int(min(len(pairs) / 5, 3 * np.sqrt(len(pairs))))
    if tail < _FEWEST_IN_TAIL:
        return float("nan")
    excess = pairs[-tail:] - pairs[-tail - 1]
    if excess[-1] <= _ROUNDING * pairs[-1]:
        return float("-inf")
    return _fitted(np.maximum(excess, _ROUNDING * excess[-1]))


def _fitted(excess: Array) -> float:
    """Return the shape of a generalised Pareto law, by Zhang & Stephens' quasi-posterior mean."""
    n = len(excess)
    count = 30 + int(np.sqrt(n))
    quarter = excess[int(n / 4 + 0.5) - 1]
    place = 1 - np.sqrt(count / (np.arange(1, count + 1) - 0.5))
    b = place / (3 * quarter) + 1 / excess[-1]
    k = np.log1p(-b[:, None] * excess).mean(axis=1)
    likelihood = n * (np.log(-b / k) - k - 1)
    share = 1 / np.exp(likelihood - likelihood[:, None]).sum(axis=1)
    value = float(np.log1p(-(share * b).sum() / share.sum() * excess).mean())
    return (n * value + _PRIOR_COUNT * _PRIOR_TAIL) / (n + _PRIOR_COUNT)
