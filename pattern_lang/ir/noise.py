"""The Monte-Carlo noise of χ: replicates of every row, kept as a few directions over the units.

Errors of χ at different units come from the same draws, so entry-wise standard errors say little
about a predicted shift `β χ (w - 1)`, which adds up many of them: they can be too small by a factor
of tens. What carries the shared errors are replicates of χ from separate stretches of the chains.
There are (S, k, n) numbers of them, many times the size of χ; but all their rows lie in the span
of a few directions over the units as long as S·k is small, and near it otherwise. So they are kept
as loadings on a basis, exactly while the basis may have as many directions as there are rows, and
beyond that to the leading ones, the rest as a variance for each entry.
"""

from typing import Any

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

# Columns at a time: blocks of a basis that stay in cache.
_COLUMNS = 8192
# The share of a row's variance below which a direction is rounding.
_ROUNDING = 1e-12


@frozen(eq=False)
class Noise:
    """Deviations of S replicates of k rows of χ from their mean, of low rank, and what is left.

    loadings: (S, k, r) float64. basis: (r, n) float32. Replicate s of row i deviates by
    `loadings[s, i] @ basis`. residual: (k, n) float32 variances of the means of what the basis
    leaves out, independent between units; None where it leaves out nothing.

    The standard error of any linear function of χ is the standard deviation of that function over
    the replicates divided by √S, and the residual's share.
    """

    loadings: Floats
    basis: Singles
    residual: Singles | None = None

    @property
    def count(self) -> int:
        """Return the number S of replicates."""
        return int(self.loadings.shape[0])

    @property
    def units(self) -> int:
        """Return the number n of units."""
        return int(self.basis.shape[1])

    def along(self, x: NDArray[Any]) -> Floats:
        """Return every replicate's deviation of `χ x`, (S, k); x: (n,)."""
        return np.asarray(self.loadings @ (self.basis @ np.asarray(x, dtype=np.float64)))

    def stderr(self, coefficients: NDArray[Any], x: NDArray[Any]) -> float:
        """Return the standard error of `coefficients · χ x`; coefficients: (k,), x: (n,).

        What the basis leaves out counts as independent between rows. NaN with one replicate.
        """
        c = np.asarray(coefficients, dtype=np.float64)
        if self.count < 2:
            return float("nan")
        variance = float(np.var(self.along(x) @ c, ddof=1)) / self.count
        if self.residual is not None:
            square = np.asarray(x, dtype=np.float64) ** 2
            variance += float(c**2 @ (self.residual @ square))
        return float(np.sqrt(variance))

    def factor(self, row: int) -> Floats:
        """Return Z, (S, r), such that `‖Z (basis x)‖` is the basis's part of a row's error."""
        loadings = self.loadings[:, row]
        centred = loadings - loadings.mean(axis=0)
        return np.asarray(centred / np.sqrt(self.count * (self.count - 1)))

    def entries(self) -> Singles:
        """Return the standard error of every entry of χ, (k, n); NaN with one replicate."""
        found = self._squares()
        if self.residual is not None:
            found += self.residual
        return np.sqrt(found, out=found)

    def _squares(self) -> Singles:
        """Return the basis's part of every entry's squared standard error, (k, n)."""
        k = self.loadings.shape[1]
        found = np.empty((k, self.units), dtype=np.float32)
        if self.count < 2:
            found.fill(np.nan)
            return found
        for row in range(k):
            # ‖Z b_j‖ for every column b_j at once: through the triangle of Z's QR.
            triangle = _triangle(self.factor(row)).astype(np.float32)
            for start in range(0, self.units, _COLUMNS):
                block = triangle @ self.basis[:, start : start + _COLUMNS]
                found[row, start : start + _COLUMNS] = np.einsum("rj,rj->j", block, block)
        return found

    def replicates(self, row: int) -> Floats:
        """Return the deviations of one row, (S, n)."""
        return np.asarray(self.loadings[:, row] @ self.basis.astype(np.float64))

    def combined(self, matrix: Floats) -> "Noise":
        """Return the noise of linear combinations, (m, k), of the rows."""
        loadings = np.einsum("mk,skr->smr", matrix, self.loadings)
        residual = self.residual
        if residual is not None:
            residual = ((matrix**2).astype(np.float32)) @ residual
        return Noise(np.asarray(loadings), self.basis, residual)

    def __add__(self, other: "Noise") -> "Noise":
        """Return the noise of a sum of independent or paired replicates: pair s adds to pair s."""
        loadings = np.concatenate([self.loadings, other.loadings], axis=2)
        basis = np.concatenate([self.basis, other.basis])
        return Noise(loadings, basis, _sum(self.residual, other.residual))

    def compressed(self, rank: int) -> "Noise":
        """Return the same noise on an orthonormal basis of at most `rank` directions.

        The directions that carry most of the replicates' variance are kept. The errors of entries
        stay what they are, or grow: a direction that is left out may have cancelled another.
        """
        triangle, ortho = _orthonormal(self.basis)
        loadings = self.loadings @ triangle
        s, k, r = loadings.shape
        flat = loadings.reshape(s * k, r)
        # The leading directions of the rows, each row scaled to the same length: rows of χ may
        # differ in size a thousand-fold, and small ones need their errors as well.
        size = np.sqrt(np.mean(np.sum(loadings**2, axis=2), axis=0))
        scale = 1.0 / np.where(size > 0, size, 1.0)
        scaled = (loadings * scale[None, :, None]).reshape(s * k, r)
        _, values, right = np.linalg.svd(scaled, full_matrices=False)
        whole = float(np.sum(values**2))
        meant = int(np.sum(values**2 > _ROUNDING * whole)) if whole > 0 else 0
        kept = max(1, min(rank, meant))
        made = Noise(
            np.ascontiguousarray((flat @ right[:kept].T).reshape(s, k, kept)),
            (right[:kept] @ ortho).astype(np.float32),
            self.residual,
        )
        if meant <= kept:
            return made
        rest = np.maximum(self.entries() ** 2 - made._squares(), 0.0)
        return evolve(made, residual=rest)


def no_noise(k: int, n: int) -> Noise:
    """Return the noise of what is known exactly: two replicates that do not deviate."""
    return Noise(np.zeros((2, k, 1)), np.zeros((1, n), dtype=np.float32))


def noise_of(replicates: NDArray[Any], rank: int | None = None) -> Noise:
    """Return the noise of replicates (S, k, n), exact unless a `rank` is given."""
    s, k, n = replicates.shape
    values = np.asarray(replicates, dtype=np.float64)
    flat = (values - values.mean(axis=0)).reshape(s * k, n)
    eye = np.eye(s * k).reshape(s, k, s * k)
    if s * k <= n and rank is None:
        return Noise(eye, flat.astype(np.float32))
    return Noise(eye, flat.astype(np.float32)).compressed(rank or min(s * k, n))


def _triangle(matrix: Floats) -> Floats:
    """Return the triangle of a QR factorisation: products with it have the same norm."""
    return np.asarray(np.linalg.qr(matrix, mode="r"), dtype=np.float64)


def _orthonormal(basis: Singles) -> tuple[Floats, Floats]:
    """Return (triangle, ortho): `basis = triangle @ ortho`, rows of ortho orthonormal, float64."""
    q, r = np.linalg.qr(basis.T.astype(np.float64))
    return np.asarray(r.T), np.asarray(q.T)


def _sum(one: Singles | None, other: Singles | None) -> Singles | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other


def scaled(noise: Noise, factor: float) -> Noise:
    """Return the noise of χ times a factor."""
    residual = noise.residual
    return evolve(
        noise,
        loadings=factor * noise.loadings,
        residual=None if residual is None else np.float32(factor**2) * residual,
    )
