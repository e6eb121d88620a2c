"""Equality rows with an orthonormal basis: no scale, no dependence, contradictions in the open.

Duplicated or dependent goals would leave an interior-point method with a singular system.
A rank-revealing QR of the rows replaces `M x = d` by `Qᵀ x = y`; what is left of a dependent
row is `0 = residual`, which is dropped when it holds and kept when it is a contradiction.
"""

import numpy as np
import scipy.linalg
from attrs import frozen

from pattern_lang.solve.normal import Codes, Matrix, Vector

RANK_TOLERANCE = 1e-10
CONTRADICTION = 1e-8


@frozen(eq=False)
class OrthonormalRows:
    """`rows · x = right` for the rows (r, n) that remain, and the way back for multipliers."""

    rows: Matrix
    right: Vector
    order: Codes
    triangle: Matrix
    rank: int
    contradictions: Codes

    def multipliers(self, z: Vector) -> Vector:
        """Return multipliers of the original rows (k,) from those of the remaining ones (r,)."""
        result = np.zeros(self.order.size)
        r = self.rank
        told = z[r:]
        result[self.order[self.contradictions]] = told
        carried = z[:r] - self.triangle[:r, self.contradictions] @ told
        if r:
            result[self.order[:r]] = scipy.linalg.solve_triangular(self.triangle[:r, :r], carried)
        return result


def orthonormal(matrix: Matrix, right: Vector) -> OrthonormalRows:
    """Reduce `matrix · x = right` (k, n), whose rows have length about 1."""
    q, triangle, order = scipy.linalg.qr(matrix.T, mode="economic", pivoting=True)
    diagonal = np.abs(np.diag(triangle))
    rank = int(np.sum(diagonal > RANK_TOLERANCE * max(float(diagonal[0]), 1e-300)))
    sorted_right = right[order]
    y = scipy.linalg.solve_triangular(triangle[:rank, :rank], sorted_right[:rank], trans="T")
    left_over = sorted_right[rank:] - triangle[:rank, rank:].T @ y
    size = CONTRADICTION * np.maximum(1.0, np.abs(sorted_right[rank:]))
    against = np.flatnonzero(np.abs(left_over) > size)
    rows = np.vstack([q[:, :rank].T, np.zeros((against.size, matrix.shape[1]))])
    return OrthonormalRows(
        rows=rows,
        right=np.concatenate([y, left_over[against]]),
        order=np.asarray(order, dtype=np.int64),
        triangle=triangle,
        rank=rank,
        contradictions=np.asarray(against + rank, dtype=np.int64),
    )
