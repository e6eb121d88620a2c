"""The Hessian of the dual over rows: dense, or with groups an arrow whose tail is diagonal."""

import attrs
import numpy as np
import scipy.linalg
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.solve.normal import Matrix, Vector
from pattern_lang.solve.structured.form import Rows
from pattern_lang.solve.structured.sums import Sums

# Keeps steps short along rows that depend on others.
PROXIMAL = 1e-11
# And this, relative to the Hessian of the first pass, where no unit is free.
FLOOR = 1e-10
# A step along which less than this share of the expected curvature was seen corrects nothing.
LEAST_SEEN = 1e-3


@frozen(eq=False)
class Curvature:
    """A Hessian over rows: dense (k, k), and with groups `[[dense, cross], [crossᵀ, diagonal]]`.

    With groups, corrections `bows diag(signs) bowsᵀ` are kept beside it. bows: (rows, q).
    """

    dense: Matrix
    cross: Matrix | None = None
    diagonal: Vector | None = None
    bows: Matrix | None = None
    signs: Vector | None = None

    @classmethod
    def of(cls, rows: Rows, sums: Sums) -> "Curvature":
        """Take the Hessian over base rows to the rows of the program."""
        assert sums.hessian is not None
        if not rows.arrow:
            combine = rows.combine.toarray()
            return cls(combine @ _full(sums) @ combine.T)
        assert sums.cross is not None
        assert sums.diagonal is not None
        width = sums.hessian.shape[0]
        head = rows.combine[: rows.dense, :width].toarray()
        scale = rows.combine[rows.dense :].tocsr().data
        return cls(
            head @ sums.hessian @ head.T, (head @ sums.cross) * scale, sums.diagonal * scale**2
        )

    def with_floor(self, scale: float) -> "Curvature":
        """Add a small multiple of the diagonal, and of `scale`."""
        extra = PROXIMAL * np.diag(self.dense) + FLOOR * scale
        more = None
        if self.diagonal is not None:
            more = (1.0 + PROXIMAL) * self.diagonal + FLOOR * scale
        return attrs.evolve(self, dense=self.dense + np.diag(extra), diagonal=more)

    def with_scalars(self, scalars: Matrix) -> "Curvature":
        """Add `scalars scalarsᵀ`; groups have none."""
        if not scalars.shape[1]:
            return self
        head = scalars[: self.dense.shape[0]]
        return attrs.evolve(self, dense=self.dense + head @ head.T)

    def updated(self, moved: Vector, fallen: Vector) -> "Curvature":
        """Return the nearest Hessian that takes `moved` to `fallen`, (rows,) both.

        That of Broyden, Fletcher, Goldfarb and Shanno (Nocedal & Wright, 6.19); none where the
        curvature along the step is not positive.
        """
        before = self.times(moved)
        expected, seen = float(np.dot(moved, before)), float(np.dot(moved, fallen))
        if not (expected > 0 and seen > LEAST_SEEN * expected):
            return self
        pair = np.column_stack([fallen / seen**0.5, before / expected**0.5])
        if self.cross is None:
            more = np.outer(pair[:, 0], pair[:, 0]) - np.outer(pair[:, 1], pair[:, 1])
            return attrs.evolve(self, dense=self.dense + more)
        signs = np.array([1.0, -1.0])
        if self.bows is None or self.signs is None:
            return attrs.evolve(self, bows=pair, signs=signs)
        bows = np.hstack([self.bows, pair])
        return attrs.evolve(self, bows=bows, signs=np.append(self.signs, signs))

    def times(self, y: Vector) -> Vector:
        """Multiply with prices."""
        if self.cross is None or self.diagonal is None:
            return self.dense @ y
        k = self.dense.shape[0]
        made = np.concatenate(
            [self.dense @ y[:k] + self.cross @ y[k:], self.cross.T @ y[:k] + self.diagonal * y[k:]]
        )
        if self.bows is not None and self.signs is not None:
            made += self.bows @ (self.signs * (self.bows.T @ y))
        return made

    def solve(self, chosen: NDArray[np.bool_], right: Vector, bend: Vector) -> Vector:
        """Solve `(H + diag(bend)) y = right` over the chosen rows, 0 elsewhere."""
        if self.bows is None or self.signs is None:
            return self._solve(chosen, right[:, None], bend)[:, 0]
        # Sherman, Morrison and Woodbury.
        found = self._solve(chosen, np.column_stack([right, self.bows]), bend)
        bows = np.where(chosen[:, None], self.bows, 0.0)
        small = np.diag(self.signs) + bows.T @ found[:, 1:]
        back = np.linalg.lstsq(small, bows.T @ found[:, 0], rcond=None)[0]
        return np.asarray(found[:, 0] - found[:, 1:] @ back)

    def _solve(self, chosen: NDArray[np.bool_], right: Matrix, bend: Vector) -> Matrix:
        """Solve without corrections, for several right sides (rows, q)."""
        y = np.zeros(right.shape)
        k = self.dense.shape[0]
        head = np.flatnonzero(chosen[:k])
        block = self.dense[np.ix_(head, head)] + np.diag(bend[head])
        if self.cross is None or self.diagonal is None:
            y[head] = _solved(block, right[head])
            return y
        tail = np.flatnonzero(chosen[k:])
        beside = self.cross[np.ix_(head, tail)]
        own = (self.diagonal[tail] + bend[k + tail])[:, None]
        reduced = block - (beside / own.T) @ beside.T
        y[head] = _solved(reduced, right[head] - beside @ (right[k + tail] / own))
        y[k + tail] = (right[k + tail] - beside.T @ y[head]) / own
        return y


def _full(sums: Sums) -> Matrix:
    assert sums.hessian is not None
    if sums.cross is None or sums.diagonal is None:
        return sums.hessian
    return np.block([[sums.hessian, sums.cross], [sums.cross.T, np.diag(sums.diagonal)]])


def _solved(matrix: Matrix, right: Matrix) -> Matrix:
    """Solve for several right sides (k, q), where the matrix is singular by its largest part."""
    if not right.size:
        return right
    root = np.sqrt(np.maximum(np.diag(matrix), 1e-300))[:, None]
    scaled = matrix / root / root.T
    try:
        factor = scipy.linalg.cho_factor(scaled, check_finite=False)
        return np.asarray(scipy.linalg.cho_solve(factor, right / root, check_finite=False)) / root
    except (np.linalg.LinAlgError, ValueError):
        values, vectors = np.linalg.eigh(scaled)
        kept = values > 1e-13 * max(float(values[-1]), 1e-300)
        along = (vectors.T @ (right / root))[kept] / values[kept][:, None]
        return np.asarray(vectors[:, kept] @ along) / root
