"""The Monte-Carlo noise of χ: replicates of every row, kept as a few directions over the units.

Errors of χ at different units come from the same draws, so entry-wise standard errors say little
about a predicted shift `β χ (w - 1)`, which adds up many of them: they can be too small by a factor
of tens. What carries the shared errors are replicates of χ from separate stretches of the chains.
There are (S, k, n) numbers of them, many times the size of χ; but all their rows lie in the span
of a few directions over the units as long as S·k is small, and near it otherwise. So they are kept
as loadings on a basis, exactly while the basis may have as many directions as there are rows, and
beyond that to the leading ones, the rest as a variance for each entry, to three digits.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from pattern_lang.ir.variances import Floats, Singles, Variances, blocks

# The share of a row's variance below which a direction is rounding.
_ROUNDING = 1e-12


@frozen(eq=False)
class Noise:
    """Deviations of S replicates of k rows of χ from their mean, of low rank, and what is left.

    loadings: (S, k, r) float64. basis: (r, n) float32. Replicate s of row i deviates by
    `loadings[s, i] @ basis`. residual: (k, n) variances of the means of what the basis leaves out,
    independent between units, kept to three digits; None where it leaves out nothing.

    The standard error of any linear function of χ is the standard deviation of that function over
    the replicates divided by √S, and the residual's share.
    """

    loadings: Floats
    basis: Singles
    residual: Variances | None = None

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
        wide, inside = np.asarray(x, dtype=np.float64), np.zeros(len(self.basis))
        for columns in blocks(self.units):
            inside += self.basis[:, columns] @ wide[columns]
        return np.asarray(self.loadings @ inside)

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
            counted = np.flatnonzero(c)
            variance += float(c[counted] ** 2 @ self.residual.times(square, counted))
        return float(np.sqrt(variance))

    def factor(self, row: int) -> Floats:
        """Return Z, (S, r), such that `‖Z (basis x)‖` is the basis's part of a row's error."""
        loadings = self.loadings[:, row]
        centred = loadings - loadings.mean(axis=0)
        return np.asarray(centred / np.sqrt(self.count * (self.count - 1)))

    def entries(self) -> Singles:
        """Return the standard error of every entry of χ, (k, n); NaN with one replicate."""
        found = np.empty((self.loadings.shape[1], self.units), dtype=np.float32)
        for columns, values in self.entries_by_units():
            found[:, columns] = values
        return found

    def entries_by_units(self) -> Iterator[tuple[slice, Singles]]:
        """Yield the standard errors of some units after the other, each (k, w)."""
        triangles = self.triangles() if self.count > 1 else None
        for columns in blocks(self.units):
            found = np.full((self.loadings.shape[1], columns.stop - columns.start), np.nan)
            if triangles is not None:
                found = squares(triangles, self.basis[:, columns])
            if self.residual is not None:
                found += self.residual.of(columns)
            yield columns, np.sqrt(found, dtype=np.float32)

    def triangles(self) -> Singles:
        """Return for every row T (at most r, r): ‖T b_j‖² is the square of an entry's error."""
        # Through the triangle of Z's QR, which is smaller than Z and has the same norms.
        rows = range(self.loadings.shape[1])
        return np.stack([_triangle(self.factor(row)) for row in rows]).astype(np.float32)

    def replicates(self, row: int) -> Floats:
        """Return the deviations of one row, (S, n)."""
        return np.asarray(self.loadings[:, row] @ self.basis.astype(np.float64))

    def combined(self, matrix: Floats) -> "Noise":
        """Return the noise of linear combinations, (m, k), of the rows."""
        loadings = np.einsum("mk,skr->smr", matrix, self.loadings)
        residual = self.residual
        if residual is not None:
            residual = residual.combined(matrix**2)
        return Noise(np.asarray(loadings), self.basis, residual)

    def centred(self) -> "Noise":
        """Return the same noise with loadings whose mean over the replicates is 0."""
        return evolve(self, loadings=self.loadings - self.loadings.mean(axis=0))

    def widened(self, factors: Floats) -> "Noise":
        """Return the noise of rows whose errors are larger by factors (k,)."""
        residual = self.residual
        if residual is not None:
            residual = residual.scaled(factors**2)
        return Noise(factors[None, :, None] * self.loadings, self.basis, residual)

    def less(self, share: NDArray[Any]) -> "Noise":
        """Return the noise of `χ_j - share_j Σ_k χ_k`; share (n,) sums to 1."""
        total = self.basis.sum(axis=1, dtype=np.float64)
        basis = np.empty_like(self.basis)
        for row, value in enumerate(total):
            np.subtract(self.basis[row], share * value, out=basis[row], casting="unsafe")
        return evolve(self, basis=basis)

    def __add__(self, other: "Noise") -> "Noise":
        """Return the noise of a sum of independent or paired replicates: pair s adds to pair s."""
        loadings = np.concatenate([self.loadings, other.loadings], axis=2)
        basis = np.concatenate([self.basis, other.basis])
        return Noise(loadings, basis, _sum(self.residual, other.residual))

    def compressed(self, rank: int) -> "Noise":
        """Return the same noise on at most `rank` directions, those that carry most of it.

        The errors of entries stay what they are, or grow: a direction that is left out may have
        cancelled another. Each row counts relative to its own size, as rows of χ may differ
        a thousand-fold.
        """
        centred = self.loadings - self.loadings.mean(axis=0)
        turn = directions(centred, gram_of(self.basis), rank)
        made = Noise(self.loadings @ turn.inverse, turn.kept(self.basis), self.residual)
        if turn.is_whole:
            return made
        rest = Variances.zeros(self.loadings.shape[1], self.units)
        before, after = self.triangles(), made.triangles()
        for columns in blocks(self.units):
            lost = squares(before, self.basis[:, columns])
            lost -= squares(after, made.basis[:, columns])
            np.maximum(lost, 0.0, out=lost)
            if self.residual is not None:
                lost += self.residual.of(columns)
            rest.put(columns, lost)
        return evolve(made, residual=rest)


@frozen(eq=False)
class Turn:
    """A change of basis: `basis ≈ inverse @ (forward @ basis)`, forward @ basis orthonormal.

    forward: (r', r). inverse: (r, r'). is_whole: nothing but rounding is left out.
    """

    forward: Floats
    inverse: Floats
    is_whole: bool

    def kept(self, basis: Singles) -> Singles:
        """Return the new basis, (r', n)."""
        found = np.empty((len(self.forward), basis.shape[1]), dtype=np.float32)
        forward = self.forward.astype(np.float32)
        for columns in blocks(basis.shape[1]):
            found[:, columns] = forward @ basis[:, columns]
        return found


def directions(loadings: Floats, gram: Floats, rank: int) -> Turn:
    """Return the leading directions of rows `loadings @ basis`, at most `rank` of them.

    loadings: (S, k, r). gram: (r, r), `basis @ basis.T`, float64: its small eigenvalues are what
    rows that differ a thousand-fold in size are made of. Rows count relative to their size over
    the S.
    """
    s, k, r = loadings.shape
    values, vectors = np.linalg.eigh(gram)
    real = values > _ROUNDING * max(float(values[-1]), 1e-300) if r else values > 0
    values, vectors = values[real], vectors[:, real]
    # basis = vectors √values Q, with the rows of Q orthonormal.
    up, down = vectors * np.sqrt(values), (vectors / np.sqrt(values)).T
    inside = loadings @ up
    size = np.sqrt(np.mean(np.sum(inside**2, axis=2), axis=0))
    weighted = inside / np.where(size > 0, size, 1.0)[:, None]
    flat = weighted.reshape(s * k, -1)
    spread, turned = np.linalg.eigh(flat.T @ flat)
    order = np.argsort(spread)[::-1]
    meant = order[: max(1, int(np.sum(spread > _ROUNDING * float(spread.sum()))))]
    kept = meant[:rank]
    return Turn(turned[:, kept].T @ down, up @ turned[:, kept], len(meant) <= rank)


def squares(triangles: Singles, basis: Singles) -> Singles:
    """Return ‖T b_j‖² for T of each row, (k, m, r), and each column of a basis, (r, n): (k, n)."""
    found = np.empty((len(triangles), basis.shape[1]), dtype=np.float32)
    for into, triangle in zip(found, triangles, strict=True):
        turned = triangle @ basis
        np.einsum("mj,mj->j", turned, turned, out=into)
    return found


def without(noise: Noise, variances: Variances, share: float = 1.0) -> None:
    """Take the basis's part off the squared errors of all entries, (k, n), in place.

    What is left of a share of these, never below 0, is the residual of that noise. There is none
    with one replicate.
    """
    if noise.count < 2:
        return
    triangles = noise.triangles()
    for columns in blocks(noise.units):
        rest = np.float32(share) * variances.of(columns)
        rest -= squares(triangles, noise.basis[:, columns])
        variances.put(columns, np.maximum(rest, 0.0))


def gram_of(basis: Singles, rows: list[int] | None = None) -> Floats:
    """Return basis @ basis.T in float64, or that of some rows, in blocks of columns."""
    chosen = list(range(len(basis))) if rows is None else rows
    total = np.zeros((len(chosen), len(chosen)))
    for columns in blocks(basis.shape[1]):
        block = basis[chosen, columns].astype(np.float64)
        total += block @ block.T
    return total


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


def _sum(one: Variances | None, other: Variances | None) -> Variances | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other


def scaled(noise: Noise, factor: float) -> Noise:
    """Return the noise of χ times a factor."""
    residual = noise.residual
    if residual is not None:
        residual = residual.scaled(np.full(residual.shape[0], factor**2))
    return evolve(noise, loadings=factor * noise.loadings, residual=residual)
