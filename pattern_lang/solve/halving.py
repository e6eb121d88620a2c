"""Cross-fitted predictions of a `WeightProgram`: each half of the draws judges the other's weights.

The halves are two responses from separate draws, or made from replicates of the response. See
`crossfit` for what they tell; there the same is done for patterns.
"""

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from pattern_lang.ir.noise import Noise
from pattern_lang.solve.normal import Matrix, Vector
from pattern_lang.solve.response import Response

# Two replicates in each half, or there is no standard error.
FEWEST = 4
# A response and what is known of its noise.
Half = tuple[Any, Any]


def halves_of(response: Response, halves: Any, stderr: Any) -> tuple[Half, Half] | None:
    """Return two responses with their noise; None where nothing tells them apart.

    halves: two responses from separate draws, or None. stderr: replicates (S, m, n) or a `Noise` of
    the response, whose first half of the replicates makes one and whose second the other.
    """
    if halves is not None:
        one, other = halves
        return (one, None), (other, None)
    if isinstance(stderr, Noise):
        count = stderr.count
    else:
        count = int(np.shape(stderr)[0]) if np.ndim(stderr) == 3 else 0
    if count < FEWEST:
        return None
    chi = np.stack([response.read(row) for row in range(response.shape[0])])
    parts = (slice(0, count // 2), slice(count // 2, count))
    of = _of_noise if isinstance(stderr, Noise) else _of_replicates
    one, other = (of(chi, stderr, part) for part in parts)
    return one, other


def _of_replicates(chi: Matrix, replicates: Any, part: slice) -> Half:
    own: NDArray[Any] = np.asarray(replicates, dtype=np.float64)
    return chi + own[part].mean(axis=0) - own.mean(axis=0), own[part]


def _of_noise(chi: Matrix, noise: Noise, part: slice) -> Half:
    own = noise.loadings[part]
    away = own.mean(axis=0) - noise.loadings.mean(axis=0)
    residual = noise.residual
    if residual is not None:
        residual = residual.scaled(np.full(len(chi), noise.count / len(own)))
    return chi + away @ noise.basis, attrs.evolve(noise, loadings=own, residual=residual)


def stderr_of(stderr: Any, x: Vector) -> Vector | None:
    """Return the standard error of `χ x`, (m,), from what is known of the noise of χ (m, n).

    stderr: of the entries (m, n), taken as independent; replicates (S, m, n); or a `Noise`.
    """
    if stderr is None:
        return None
    if isinstance(stderr, Noise):
        variance = np.var(stderr.along(x), axis=0, ddof=1) / stderr.count
        if stderr.residual is not None:
            variance = variance + stderr.residual.times(x**2)
        return np.asarray(np.sqrt(variance))
    errors: NDArray[np.float64] = np.asarray(stderr, dtype=np.float64)
    if errors.ndim == 2:
        return np.asarray(np.sqrt(errors**2 @ x**2))
    return np.asarray(np.std(errors @ x, axis=0, ddof=1) / errors.shape[0] ** 0.5)
