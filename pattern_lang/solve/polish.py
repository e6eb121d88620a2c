"""From an interior point to a point on the constraints: bounds exact, equalities to rounding.

An interior-point method stops near the faces of the feasible set. Weights whose multipliers say
that they sit on a bound are put there; the others move by the least weighted norm that makes the
equalities and the active linear inequalities hold.
"""

import numpy as np
import scipy.linalg
import scipy.sparse as sp
import scipy.sparse.linalg
from attrs import frozen

from pattern_lang.solve.box import Box
from pattern_lang.solve.engine import EngineResult
from pattern_lang.solve.linear import fits_densely, lengths_of, linear_rows
from pattern_lang.solve.normal import NormalProgram, Vector, size_of
from pattern_lang.solve.values import total, violation

ROUNDS = 8


@frozen(eq=False)
class Faces:
    """Linear rows that must hold with equality: `matrix · x = right`, rows of length 1."""

    matrix: sp.csr_array
    right: Vector

    def miss(self, x: Vector) -> Vector:
        """Return by how much each row is missed."""
        return np.asarray(self.right - self.matrix @ x)


def polish(program: NormalProgram, box: Box, result: EngineResult) -> Vector:
    """Return weights (n,) within the box, on the faces that the multipliers name.

    Of the candidates (the nearest point of the face, the nearest with no weight snapped, the
    interior point) the first that is feasible and no dearer wins.
    """
    faces = active_faces(program, result)
    start = box.clip(result.w)
    snapped = _snapped(box, result, start)
    candidates = [
        _onto(box, faces, snapped.copy(), start),
        _onto(box, faces, start.copy(), start),
    ]
    budget = _cost(program, start)
    allowance = 1e-7 * max(result.cost_unit, abs(budget))
    best, least = start, _worst(program, start)
    for w in candidates:
        if _cost(program, w) > budget + allowance:
            continue
        worst = _worst(program, w)
        if worst <= 1e-11:
            return w
        if worst < least:
            best, least = w, worst
    return best


def active_faces(program: NormalProgram, result: EngineResult) -> Faces:
    """Collect the equalities and the linear inequalities that an engine found active."""
    pieces, rights = [sp.csr_array((0, program.n))], [np.zeros(0)]
    for constraint, active in zip(program.constraints, result.active, strict=True):
        rows = linear_rows(constraint, program.n)
        if rows is None:
            continue
        matrix, constant = rows
        chosen = np.arange(constant.size) if constraint.equality else np.flatnonzero(active)
        pieces.append(matrix[chosen])
        rights.append(-constant[chosen])
    return _faces(pieces, rights)


def near_faces(program: NormalProgram, w: Vector, distance: float) -> Faces:
    """Collect the equalities, and the linear inequalities with little slack at w (n,).

    An inequality is taken where it stands: `right` is its value at w, not its limit.
    """
    pieces, rights = [sp.csr_array((0, program.n))], [np.zeros(0)]
    x = w - 1.0
    for constraint in program.constraints:
        rows = linear_rows(constraint, program.n)
        if rows is None:
            continue
        matrix, constant = rows
        values = matrix @ x
        close = values + constant >= -distance * lengths_of(matrix)
        chosen = np.flatnonzero(close | constraint.equality)
        pieces.append(matrix[chosen])
        rights.append((-constant if constraint.equality else values)[chosen])
    return _faces(pieces, rights)


def _faces(pieces: list[sp.csr_array], rights: list[Vector]) -> Faces:
    matrix, right = sp.csr_array(sp.vstack(pieces)), np.concatenate(rights)
    lengths = lengths_of(matrix)
    kept = np.flatnonzero(lengths > 0)
    scale = sp.diags_array(1.0 / lengths[kept])
    return Faces(sp.csr_array(scale @ matrix[kept]), right[kept] / lengths[kept])


def _snapped(box: Box, result: EngineResult, w: Vector) -> Vector:
    out = w.copy()
    low = result.at_lower | box.fixed
    out[low] = box.lower[low]
    high = result.at_upper & ~low
    out[high] = box.upper[high]
    return out


def _cost(program: NormalProgram, w: Vector) -> float:
    return float(total(program.cost, w, 1.0)[0])


def _worst(program: NormalProgram, w: Vector) -> float:
    return max((violation(c, w, 1.0) / size_of(c) for c in program.constraints), default=0.0)


def _onto(box: Box, faces: Faces, w: Vector, inside: Vector) -> Vector:
    """Move w onto the faces, each weight in proportion to its squared distance to its bounds."""
    for _ in range(ROUNDS):
        miss = faces.miss(w - 1.0)
        if np.max(np.abs(miss), initial=0.0) <= 1e-14:
            break
        room = np.minimum(1.0, np.minimum(w - box.lower, box.upper - w))
        w = box.clip(w + _step(faces, miss, np.maximum(room, 0.0) ** 2))
    return w


def _step(faces: Faces, miss: Vector, room: Vector) -> Vector:
    """Return the step d of least `Σ d² / room` with `matrix · d = miss`."""
    root = np.sqrt(room)
    scaled = sp.csr_array(faces.matrix @ sp.diags_array(root))
    if not miss.size:
        return np.zeros(room.size)
    if not fits_densely(*scaled.shape):
        solved = scipy.sparse.linalg.lsmr(scaled, miss, atol=1e-15, btol=1e-15, maxiter=2000)
        return np.asarray(root * solved[0])
    q, triangle, order = scipy.linalg.qr(scaled.toarray().T, mode="economic", pivoting=True)
    diagonal = np.abs(np.diag(triangle))
    rank = int(np.sum(diagonal > 1e-11 * max(float(diagonal[0]), 1e-300)))
    y = scipy.linalg.solve_triangular(triangle[:rank, :rank], miss[order][:rank], trans="T")
    return np.asarray(root * (q[:, :rank] @ y))
