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

from pattern_lang.ir.program import Chi2, SumSquares
from pattern_lang.solve.box import Box
from pattern_lang.solve.engine import EngineResult
from pattern_lang.solve.normal import (
    Affine,
    Grouped,
    NormalConstraint,
    NormalProgram,
    Terms,
    Vector,
    size_of,
    width,
)
from pattern_lang.solve.values import total, violation

DENSE_LIMIT = 20_000_000
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

    Of the candidates (the exact minimiser on the face for a quadratic cost, the nearest point
    of the face, the nearest point with no weight snapped, the interior point) the first that is
    feasible and no dearer wins.
    """
    faces = active_faces(program, result)
    start = box.clip(result.w)
    snapped = _snapped(box, result, start)
    candidates = [
        _exact(program, box, faces, snapped),
        _onto(box, faces, snapped.copy(), start),
        _onto(box, faces, start.copy(), start),
    ]
    budget = _cost(program, start)
    allowance = 1e-7 * max(result.cost_unit, abs(budget))
    best, least = start, _worst(program, start)
    for w in candidates:
        if w is None or _cost(program, w) > budget + allowance:
            continue
        worst = _worst(program, w)
        if worst <= 1e-11:
            return w
        if worst < least:
            best, least = w, worst
    return best


def active_faces(program: NormalProgram, result: EngineResult) -> Faces:
    """Collect the equalities and the active linear inequalities of a program as rows."""
    pieces, rights = [sp.csr_array((0, program.n))], [np.zeros(0)]
    for constraint, active in zip(program.constraints, result.active, strict=True):
        rows = linear_rows(constraint, program.n)
        if rows is None:
            continue
        matrix, constant = rows
        chosen = np.arange(constant.size) if constraint.equality else np.flatnonzero(active)
        pieces.append(matrix[chosen])
        rights.append(-constant[chosen])
    matrix, right = sp.csr_array(sp.vstack(pieces)), np.concatenate(rights)
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).reshape(-1))
    kept = np.flatnonzero(lengths > 0)
    scale = sp.diags_array(1.0 / lengths[kept])
    return Faces(sp.csr_array(scale @ matrix[kept]), right[kept] / lengths[kept])


def linear_rows(constraint: NormalConstraint, n: int) -> tuple[sp.csr_array, Vector] | None:
    """Return `matrix · x + constant` of a linear constraint, or None where that is not small."""
    atoms = [atom for _, atom in constraint.terms]
    if not atoms or not all(isinstance(atom, Affine | Grouped) for atom in atoms):
        return None
    rows = width(constraint.terms, n)
    if rows > 1 and any(_dense(atom) for atom in atoms) and rows * n > DENSE_LIMIT:
        return None
    matrix = sp.csr_array((rows, n))
    for coefficient, atom in constraint.terms:
        piece = _matrix(atom, n)
        matrix = matrix + coefficient * _repeated(piece, rows)
    constant = np.asarray(constraint.constant, dtype=np.float64) - constraint.target
    return sp.csr_array(matrix), np.broadcast_to(constant, (rows,)).copy()


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


def quadratic_cost(cost: Terms, n: int) -> tuple[float, Vector] | None:
    """Return (c, b) when the cost is `c/2 ‖x‖² + b · x` up to a constant, c > 0; else None."""
    curvature, linear = 0.0, np.zeros(n)
    for coefficient, atom in cost:
        match atom:
            case SumSquares(scale, offset):
                curvature += 2.0 * coefficient * scale**2
                linear += 2.0 * coefficient * scale * (scale + offset)
            case Chi2():
                curvature += 2.0 * coefficient / n
            case Affine(row):
                linear += coefficient * row
            case _:
                return None
    return (curvature, linear) if curvature > 0 else None


def _exact(program: NormalProgram, box: Box, faces: Faces, snapped: Vector) -> Vector | None:
    """Project the unconstrained minimiser of a quadratic cost onto the face of the solution."""
    cost = quadratic_cost(program.cost, program.n)
    if cost is None:
        return None
    curvature, linear = cost
    free = (snapped > box.lower) & (snapped < box.upper)
    w = np.where(free, 1.0 - linear / curvature, snapped)
    for _ in range(2):
        w = w + _step(faces, faces.miss(w - 1.0), free.astype(np.float64))
    if np.any((w < box.lower) | (w > box.upper)) or np.max(np.abs(w - snapped)) > 1e-3:
        return None
    return w


def _onto(box: Box, faces: Faces, w: Vector, inside: Vector) -> Vector | None:
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
    if scaled.shape[0] * scaled.shape[1] > DENSE_LIMIT or scaled.shape[0] > scaled.shape[1]:
        solved = scipy.sparse.linalg.lsmr(scaled, miss, atol=1e-15, btol=1e-15, maxiter=2000)
        return np.asarray(root * solved[0])
    q, triangle, order = scipy.linalg.qr(scaled.toarray().T, mode="economic", pivoting=True)
    diagonal = np.abs(np.diag(triangle))
    rank = int(np.sum(diagonal > 1e-11 * max(float(diagonal[0]), 1e-300)))
    y = scipy.linalg.solve_triangular(triangle[:rank, :rank], miss[order][:rank], trans="T")
    return np.asarray(root * (q[:, :rank] @ y))
