"""Weights of units as factors of losses, such that minibatches estimate Σ w ℓ / Σ w."""

import numpy as np
import torch
from attrs import frozen
from torch import Tensor

from pattern_lang.estimate.table import Array
from pattern_lang.estimate.units import Units


@frozen(eq=False)
class Shares:
    """How much each loss counts.

    even, steered: (rows,) or, where losses are per position, (rows, P), 0 where there is none. The
    mean over all rows of `Σ steered · losses` is the weighted objective `Σ w ℓ / Σ w` over entries,
    and that over a minibatch is an unbiased estimate of it. `even` is the same for w = 1.
    """

    even: Tensor
    steered: Tensor

    def at(self, progress: float) -> Tensor:
        """Return the factors for weights `1 + progress · (w - 1)`; weights of mean 1 keep it."""
        if progress >= 1:
            return self.steered
        return self.even + progress * (self.steered - self.even) if progress > 0 else self.even


def shares(weights: Array | None, units: Units, entries: Array | None, rows: int) -> Shares:
    """Spread the weights of units, (n,), over the losses of the re-weighted rows.

    entries: bool (rows, P), which positions count, None where the loss is one number per row.
    """
    even = _spread(np.ones(units.count), units, entries, rows)
    return Shares(even, even if weights is None else _spread(weights, units, entries, rows))


def _spread(weights: Array, units: Units, entries: Array | None, rows: int) -> Tensor:
    each = weights.astype(np.float64)
    if units.unit_of_row is not None:
        each = each[units.unit_of_row]
    each = each * (rows / each.sum())
    if entries is None:
        return torch.from_numpy(each.astype(np.float32))
    whole = np.zeros(entries.shape, dtype=np.float32)
    whole[entries] = each
    return torch.from_numpy(whole)


def weighted_loss(losses: Tensor, factors: Tensor) -> Tensor:
    """Return the objective of a batch: the mean over its rows of `Σ factors · losses`.

    Positions without a loss hold NaN, and are left out.
    """
    factors = factors.to(losses.dtype)
    if losses.ndim > 1:
        return torch.where(factors != 0, losses, 0.0).mul(factors).sum() / len(losses)
    return torch.dot(losses, factors) / len(losses)
