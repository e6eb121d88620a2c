"""Covariances of the stretches of a chain, gathered one stretch after the other.

A chain is cut into S stretches; each leaves a (q, n) matrix, and all of them are wanted twice: for
their mean, which is the estimate, and for how they differ, which is its noise. S matrices are kept
as they are while they fit in `_NUMBERS`. Beyond that only their mean is kept, the leading
directions of their differences, and a variance for each entry of what those leave out.

Differences are taken from the mean of the stretches before, `d_t = C_t - (C_0 + … + C_{t-1})/t`, so
that no stretch has to be remembered: `C_s - C_0 = d_s + Σ_{0<t<s} d_t / (t + 1)` is linear in them.
"""

import numpy as np
import torch
from torch import Tensor

from pattern_lang.estimate.table import Array
from pattern_lang.ir.noise import Noise, directions

_NUMBERS = 2**23  # 32 MB of float32
_FEWEST = 16


class Stretches:
    """Takes `count` matrices (q, n), one at a time; float32, as their noise is far above that."""

    def __init__(self, count: int, q: int, n: int) -> None:
        self.count, self.q, self.n, self.done = count, q, n, 0
        self.exact = count * q * n <= _NUMBERS
        self.rank = count * q if self.exact else max(_FEWEST, _NUMBERS // max(n, 1))
        self.mean = torch.zeros(q, n)
        self.basis = np.zeros((0, n), dtype=np.float32)
        self.loadings = np.zeros((0, q, 0))
        self.residual = np.zeros((0 if self.exact else q, n), dtype=np.float32)

    def add(self, matrix: Tensor) -> None:
        """Take the next one, (q, n)."""
        step = matrix.to(torch.float32) - self.mean
        self.mean.add_(step, alpha=1 / (self.done + 1))
        if self.exact or self.done:
            self.loadings = np.concatenate([self.loadings, np.zeros((1, *self.loadings.shape[1:]))])
            for start in range(0, self.q, self.rank):
                self._push(step[start : start + self.rank].numpy(), start)
        self.done += 1

    def _push(self, rows: Array, first: int) -> None:
        """Add some rows of the last difference to the basis; shorten it where it is too long."""
        t, q, r = self.loadings.shape
        wider = np.zeros((t, q, r + len(rows)))
        wider[:, :, :r] = self.loadings
        wider[-1, first : first + len(rows), r:] = np.eye(len(rows))
        self.loadings, self.basis = wider, np.concatenate([self.basis, rows])
        if not self.exact and len(self.basis) > self.rank:
            self._shorten()

    def _shorten(self) -> None:
        # What a row of d_t counts for in the variance of the mean over all stretches.
        matters = np.sqrt(self._shares()[1 : len(self.loadings) + 1])[:, None, None]
        turn = directions(matters * self.loadings, self.basis, self.rank, self.residual)
        self.loadings, self.basis = self.loadings @ turn.inverse, turn.kept(self.basis)

    def _unfolded(self) -> Array:
        """Return T (S, S) with `C_s - C_0 = Σ_t T[s, t] d_t`; d_0 counts as C_0 itself."""
        number = np.arange(self.count)
        below = np.tril(np.ones((self.count, self.count)), -1) / (number + 1)
        matrix = below + np.eye(self.count)
        matrix[:, 0] = 1.0
        return np.asarray(matrix)

    def _shares(self) -> Array:
        """Return what each d_t's square adds to the variance of the mean, (S,)."""
        matrix = self._unfolded()
        centred = matrix - matrix.mean(axis=0)
        scale = max(self.count * (self.count - 1), 1)
        return np.asarray((centred**2).sum(axis=0) / scale)

    def scale(self, factor: float) -> None:
        """Multiply all matrices so far by a factor."""
        self.mean *= factor
        self.basis *= np.float32(factor)
        self.residual *= np.float32(factor**2)

    def result(self) -> tuple[Array, Noise]:
        """Return the mean (q, n) and how the stretches deviate from it."""
        matrix = self._unfolded() if self.exact else self._unfolded()[:, 1:]
        loadings = np.einsum("st,tqr->sqr", matrix - matrix.mean(axis=0), self.loadings)
        residual = None if self.exact else self.residual
        return self.mean.numpy(), Noise(loadings, self.basis, residual)

    def state(self) -> dict[str, Tensor]:
        """Return all that has been gathered."""
        return {
            "done": torch.tensor(self.done),
            "mean": self.mean,
            "basis": torch.from_numpy(np.ascontiguousarray(self.basis)),
            "loadings": torch.from_numpy(np.ascontiguousarray(self.loadings)),
            "residual": torch.from_numpy(self.residual),
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self.done, self.mean = int(state["done"]), state["mean"].clone()
        self.basis, self.loadings = state["basis"].numpy(), state["loadings"].numpy()
        self.residual = state["residual"].clone().numpy()
