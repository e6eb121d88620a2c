"""How much of what goals can move is signal, direction by direction, and how much the draws' noise.

Weights are combinations of rows of χ, so they follow its errors as they follow χ. With `S = χ χᵀ`
over the units and N what noise adds to it on average, a combination `c` of rows keeps the share
`1 - cᵀNc / cᵀSc` of a shift: its reliability. The stationary combinations are the generalised
eigenvectors of N and S; a goal that needs one of reliability below a half is met by noise mostly.
"""

import numpy as np
import scipy.linalg
from attrs import frozen

from pattern_lang.ir.noise import gram_of
from pattern_lang.ir.solution import Direction
from pattern_lang.ir.susceptibility import Susceptibility
from pattern_lang.solve.normal import Matrix, Vector

# Directions in which rows repeat each other, relative to the largest.
SAME = 1e-10


def directions(chi: Susceptibility, observables: tuple[str, ...]) -> tuple[Direction, ...]:
    """Return the directions of some observables, most reliable first.

    There are as many as rows of χ that do not repeat each other; none where the noise is unknown.
    """
    rows = [chi.row(name) for name in observables]
    found = combinations(chi, rows)
    if found is None:
        return ()
    length = np.sqrt(np.diag(gram_of(chi.chi, rows)))
    return tuple(
        Direction(
            reliability=float(share),
            observables=observables,
            loadings=tuple((loading / np.linalg.norm(loading)).tolist()),
        )
        for share, loading in zip(found.reliability, found.on_rows * length, strict=True)
    )


@frozen(eq=False)
class Combinations:
    """The stationary combinations of some rows, most reliable first.

    reliability: (q,) each from 0 to 1. on_rows: (q, m) coefficients on the m rows of χ; `on_rows χ`
    has rows of length 1 that are orthogonal to each other.
    """

    reliability: Vector
    on_rows: Matrix


def combinations(chi: Susceptibility, rows: list[int]) -> Combinations | None:
    """Return the stationary combinations of some rows of χ; None where the noise is unknown."""
    if not rows or chi.noise.count < 2:
        return None
    whole, noise = gram_of(chi.chi, rows), noise_gram(chi)[np.ix_(rows, rows)]
    length = np.sqrt(np.diag(whole))
    if not np.all(np.isfinite(whole)) or not np.all(np.isfinite(noise)):
        return None
    scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    values, vectors = scipy.linalg.eigh(scale[:, None] * whole * scale)
    kept = values > SAME * max(float(values[-1]), 1e-300)
    basis = vectors[:, kept] / np.sqrt(values[kept])
    shares, turned = scipy.linalg.eigh(basis.T @ (scale[:, None] * noise * scale) @ basis)
    return Combinations(np.clip(1.0 - shares, 0.0, 1.0), (basis @ turned).T * scale)


def noise_gram(chi: Susceptibility) -> Matrix:
    """Return what noise adds to `χ χᵀ` on average, (k, k); NaN with one replicate.

    Replicates count as far as they deviated, without the factor that makes intervals of them.
    """
    noise = chi.noise
    loadings = noise.loadings - noise.loadings.mean(axis=0)
    if chi.widening is not None:
        loadings = loadings / chi.widening[:, None]
    gram = gram_of(noise.basis)
    total = np.einsum("sir,rt,sjt->ij", loadings, gram, loadings, optimize=True)
    found: Matrix = total / (noise.count * (noise.count - 1) or np.nan)
    if noise.residual is not None:
        found = found + np.diag(noise.residual.totals())
    return found
