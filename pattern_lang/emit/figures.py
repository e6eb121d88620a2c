"""Figures about a weight vector that several outputs state."""

import numpy as np
from attrs import frozen
from numpy.typing import NDArray


@frozen
class WeightFigures:
    """Effective sample size (as a share of n, and in units), KL to the uniform, and the range."""

    n: int
    ess_share: float
    ess_units: float
    kl: float
    low: float
    high: float
    mean: float


def weight_figures(weights: NDArray[np.float32]) -> WeightFigures:
    """Return the figures of some weights; in float64, whatever the weights are."""
    w = weights.astype(np.float64)
    n = len(w)
    squares = float(w @ w)
    share = float(w.sum()) ** 2 / (n * squares) if squares > 0 else 0.0
    positive = w[w > 0]
    kl = float(positive @ np.log(positive)) / n if n else 0.0
    return WeightFigures(
        n=n,
        ess_share=share,
        ess_units=share * n,
        kl=kl,
        low=float(w.min(initial=np.inf)) if n else 0.0,
        high=float(w.max(initial=-np.inf)) if n else 0.0,
        mean=float(w.mean()) if n else 0.0,
    )
