"""Covariances of the stretches of a chain, gathered one stretch after the other.

A chain is cut into S stretches; each leaves a (q, n) matrix, and all of them are wanted twice: for
their mean, which is the estimate, and for how they differ, which is its noise. S matrices are kept
as they are while they fit in `_NUMBERS`. Beyond that only their mean is kept, the variance of each
entry, and the leading directions of their differences. Then no third matrix is ever there as a
whole: stretches are asked for their covariances some units at a time.

Differences are taken from the mean of the stretches before, `d_t = C_t - (C_0 + … + C_{t-1})/t`, so
that no stretch has to be remembered: `C_s - C_0 = d_s + Σ_{0<t<s} d_t / (t + 1)` is linear in them.
The squares `Σ_s (C_s - C̄)²` are `Σ_t d_t² t/(t + 1)` (Welford 1962). They are kept to three digits,
in bfloat16: some tens of stretches do not say more of a variance than a fifth of it.
"""

from collections.abc import Callable

import numpy as np
import torch
from attrs import evolve
from torch import Tensor

from pattern_lang.estimate.table import Array
from pattern_lang.ir.noise import Noise, directions, without
from pattern_lang.ir.variances import Variances, blocks

_NUMBERS = 2**23  # 32 MB of float32
_FEWEST = 16

Matrix = Callable[[slice], Tensor]
"""Returns columns of a (q, n) matrix, as float32."""


class Stretches:
    """Takes `count` matrices (q, n), one at a time; float32, as their noise is far above that."""

    def __init__(self, count: int, q: int, n: int) -> None:
        self.count, self.q, self.n, self.done = count, q, n, 0
        self.exact = count * q * n <= _NUMBERS
        self.rank = count * q if self.exact else max(_FEWEST, _NUMBERS // max(n, 1))
        self.mean = torch.zeros(q, n)
        self.variance = Variances.zeros(0 if self.exact else q, n)
        self.basis = torch.zeros(0 if self.exact else self.rank, n)
        self.loadings = np.zeros((0, q, 0))

    def add(self, matrix: Matrix) -> None:
        """Take the next one, which has to say the same columns whenever it is asked."""
        if self.exact:
            step = matrix(slice(0, self.n)) - self.mean
            self._widen(self.q)
            self.basis = torch.cat([self.basis, step])
            self.mean.add_(step, alpha=1 / (self.done + 1))
        elif self.done:
            self._stream(matrix)
        else:
            for columns in blocks(self.n):
                self.mean[:, columns] = matrix(columns)
        self.done += 1

    def _widen(self, more: int) -> None:
        """Make room for the rows of the next difference, each a direction of its own."""
        t, q, r = self.loadings.shape
        wider = np.zeros((t + 1, q, r + more))
        wider[:t, :, :r] = self.loadings
        wider[t, :, r:] = np.eye(q)
        self.loadings = wider

    def _stream(self, matrix: Matrix) -> None:
        """Take a difference in: once for its products with the basis, once for all the rest."""
        held = self.loadings.shape[2]
        self._widen(self.q)
        gram = np.zeros((held + self.q, held + self.q))
        for columns in blocks(self.n):
            wide = self._beside(matrix, columns, held).double().numpy()
            gram += wide @ wide.T
        # What a row of d_t counts for in the variance of the mean over all stretches.
        matters = np.sqrt(self._shares()[1 : self.done + 1])[:, None, None]
        turn = directions(matters * self.loadings, gram, self.rank)
        self.loadings = self.loadings @ turn.inverse
        forward = torch.from_numpy(turn.forward.astype(np.float32)).clone()
        weight, share = self.done / (self.done + 1), 1 / (self.done + 1)
        for columns in blocks(self.n):
            both = self._beside(matrix, columns, held)
            self.basis[: len(forward), columns] = forward @ both
            step = both[held:]
            self.mean[:, columns].add_(step, alpha=share)
            squares = self.variance.of(columns)
            squares += np.float32(weight) * step.square().numpy()
            self.variance.put(columns, squares)

    def _beside(self, matrix: Matrix, columns: slice, held: int) -> Tensor:
        """Return some columns of the basis, and below them of the difference from the mean."""
        step = matrix(columns) - self.mean[:, columns]
        return torch.cat([self.basis[:held, columns], step])

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
        self.basis *= factor
        square = np.float32(factor**2)
        for columns in blocks(self.n):
            self.variance.put(columns, square * self.variance.of(columns))

    def result(self) -> tuple[Array, Noise]:
        """Return the mean (q, n) and how the stretches deviate from it; nothing goes on after.

        What the basis leaves out of an entry's variance is written over the variance, and is the
        residual of the noise where there is any.
        """
        matrix = self._unfolded() if self.exact else self._unfolded()[:, 1:]
        loadings = np.einsum("st,tqr->sqr", matrix - matrix.mean(axis=0), self.loadings)
        noise = Noise(loadings, self.basis[: loadings.shape[2]].numpy())
        if self.exact:
            return self.mean.numpy(), noise
        without(noise, self.variance, 1 / max(self.count * (self.count - 1), 1))
        return self.mean.numpy(), evolve(noise, residual=self.variance)

    def state(self) -> dict[str, Tensor]:
        """Return all that has been gathered."""
        return {
            "done": torch.tensor(self.done),
            "mean": self.mean,
            "basis": self.basis[: self.loadings.shape[2]],
            "loadings": torch.from_numpy(np.ascontiguousarray(self.loadings)),
            "variance": torch.from_numpy(self.variance.kept.view(np.uint8)),
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self.done, self.mean = int(state["done"]), state["mean"].clone()
        self.loadings = state["loadings"].numpy()
        self.variance = Variances(state["variance"].numpy().view(np.uint16).copy())
        if self.exact:
            self.basis = state["basis"].clone()
        else:
            self.basis[: len(state["basis"])] = state["basis"]
