"""Constraints that are linear in w, as rows of a matrix."""

import numpy as np
import scipy.sparse as sp

from pattern_lang.solve.box import Box
from pattern_lang.solve.normal import Affine, Grouped, NormalConstraint, Vector, width

# Rows are handled densely while they fit in this many numbers (160 MB).
DENSE_LIMIT = 20_000_000
# A dense factorisation of k rows of n numbers costs k² n; beyond this an iterative one is better.
DENSE_WORK = 1_000_000_000


def fits_densely(rows: int, n: int) -> bool:
    """Tell whether rows of n numbers are few enough for a dense factorisation."""
    return rows <= n and rows * n <= DENSE_LIMIT and rows * rows * n <= DENSE_WORK


def linear_rows(constraint: NormalConstraint, n: int) -> tuple[sp.csr_array, Vector] | None:
    """Return `matrix · x + constant` of a linear constraint, or None where that is not small.

    Bounds on single weights are not among them: they belong to the box.
    """
    atoms = [atom for _, atom in constraint.terms]
    if not atoms or not all(isinstance(atom, Affine | Grouped) for atom in atoms):
        return None
    rows = width(constraint.terms, n)
    if rows > 1 and any(_dense(atom) for atom in atoms) and rows * n > DENSE_LIMIT:
        return None
    matrix = sp.csr_array((rows, n))
    for coefficient, atom in constraint.terms:
        matrix = matrix + coefficient * _repeated(_matrix(atom, n), rows)
    constant = np.asarray(constraint.constant, dtype=np.float64) - constraint.target
    return sp.csr_array(matrix), np.broadcast_to(constant, (rows,)).copy()


def lengths_of(matrix: sp.csr_array) -> Vector:
    """Return the Euclidean length of each row, (rows,)."""
    return np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1), dtype=np.float64).reshape(-1))


def redundant(constraint: NormalConstraint, box: Box) -> bool:
    """Tell whether every point of the box satisfies an inequality on one linear combination.

    A limit far beyond reach, such as `hold O within 1e9 nats`, would only spoil the scaling.
    """
    if constraint.equality or not constraint.terms:
        return False
    row = np.zeros(box.lower.size)
    for coefficient, atom in constraint.terms:
        if not isinstance(atom, Affine):
            return False
        row += coefficient * atom.row
    with np.errstate(invalid="ignore"):
        most = np.where(row > 0, row * (box.upper - 1.0), row * (box.lower - 1.0))
    highest = float(np.sum(np.where(row == 0, 0.0, most)))
    level = highest + float(np.max(np.asarray(constraint.constant - constraint.target)))
    return level < -1e-9 * abs(highest)


def _dense(atom: object) -> bool:
    return isinstance(atom, Affine) or (isinstance(atom, Grouped) and atom.groups == 1)


def _matrix(atom: object, n: int) -> sp.csr_array:
    match atom:
        case Affine(row):
            return sp.csr_array(row[None, :])
        case Grouped(codes, coefficients, groups):
            inside = np.flatnonzero(codes >= 0)
            return sp.csr_array((coefficients[inside], (codes[inside], inside)), shape=(groups, n))
        case _:
            raise TypeError(type(atom).__name__)


def _repeated(matrix: sp.csr_array, rows: int) -> sp.csr_array:
    if matrix.shape[0] == rows:
        return matrix
    return sp.csr_array(sp.csr_array(np.ones((rows, 1))) @ matrix)
