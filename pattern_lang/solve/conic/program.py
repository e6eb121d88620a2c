"""The finished conic program: `minimise ½ zᵀ P z + qᵀ z + c  where  A z + s = b, s in cones`."""

import numpy as np
import scipy.sparse as sp
from attrs import frozen

from pattern_lang.solve.box import Flags
from pattern_lang.solve.conic.builder import Cone, ConicBuilder, Rows
from pattern_lang.solve.conic.equalities import OrthonormalRows, orthonormal
from pattern_lang.solve.normal import Codes, Vector

# Equality rows are reduced densely while they fit in this many numbers (160 MB).
DENSE_LIMIT = 20_000_000
# A block with more equalities than this is sparse (groups, single weights) and stays as it is.
DENSE_ROWS = 256


@frozen(eq=False)
class ConicProgram:
    """The data of a conic program, with the way back to the rows that were asked for.

    quadratic: (columns,) the diagonal of P. cones: (cone, rows) in order. cost_scale: what the
    cost was multiplied by. `places` are the asked-for rows of each piece, in order.
    """

    quadratic: Vector
    linear: Vector
    constant: float
    matrix: sp.csc_array
    right: Vector
    cones: tuple[tuple[Cone, int], ...]
    cost_scale: float
    height: int
    scale: Vector
    equalities: OrthonormalRows | None
    equality_rows: Codes
    other_rows: Codes

    def active(self, s: Vector, z: Vector) -> Flags:
        """Return which asked-for rows (height,) hold with equality, by slacks s against z."""
        result = np.zeros(self.height, dtype=np.bool_)
        count = z.size - self.other_rows.size
        result[self.equality_rows] = True
        result[self.other_rows] = z[count:] > s[count:]
        return result

    def multipliers(self, z: Vector) -> Vector:
        """Return the multipliers (height,) of the rows that were asked for, in their own scale."""
        result = np.zeros(self.height)
        count = z.size - self.other_rows.size
        head = z[:count]
        if self.equalities is not None:
            head = self.equalities.multipliers(head)
        result[self.equality_rows] = head
        result[self.other_rows] = z[count:]
        return np.asarray(result * self.scale / self.cost_scale)


def finish(builder: ConicBuilder) -> ConicProgram:
    """Turn collected rows into matrices; every row lies in `A z + s = b` with s in its cone."""
    columns = builder.columns
    equalities, others = _split(builder.rows)
    eq_rows, eq_matrix, eq_right, reduced = _equalities(builder.rows, equalities, columns)
    pieces = [eq_matrix] if eq_right.size else []
    rights = [eq_right]
    cones = [(Cone.ZERO, int(eq_right.size))] if eq_right.size else []
    other_rows: list[Codes] = []
    starts = _starts(builder.rows)
    for index in others:
        rows = builder.rows[index]
        pieces.append(-_scaled(rows, columns))
        rights.append(rows.scale * rows.block.constant)
        cones.append((rows.cone, rows.block.rows))
        other_rows.append(np.arange(starts[index], starts[index] + rows.block.rows))
    quadratic, linear, constant = _cost(builder)
    largest = max(float(np.max(np.abs(quadratic))), float(np.max(np.abs(linear))))
    cost_scale = 1.0 / largest if largest > 0 else 1.0
    scales = [rows.scale for rows in builder.rows]
    return ConicProgram(
        quadratic=cost_scale * quadratic,
        linear=cost_scale * linear,
        constant=constant,
        matrix=sp.csc_array(sp.vstack(pieces)) if pieces else sp.csc_array((0, columns)),
        right=np.concatenate(rights),
        cones=tuple(cones),
        cost_scale=cost_scale,
        height=builder.height,
        scale=np.concatenate(scales) if scales else np.zeros(0),
        equalities=reduced,
        equality_rows=eq_rows,
        other_rows=np.concatenate(other_rows) if other_rows else np.zeros(0, dtype=np.int64),
    )


def _split(rows: list[Rows]) -> tuple[list[int], list[int]]:
    dense = [
        i for i, r in enumerate(rows) if r.cone is Cone.ZERO and 0 < r.block.rows <= DENSE_ROWS
    ]
    chosen = frozenset(dense)
    return dense, [i for i in range(len(rows)) if i not in chosen]


def _starts(rows: list[Rows]) -> list[int]:
    return [0, *np.cumsum([r.block.rows for r in rows]).tolist()]


def _scaled(rows: Rows, columns: int) -> sp.csr_array:
    return sp.csr_array(sp.diags_array(rows.scale) @ rows.block.matrix(columns))


def _equalities(
    rows: list[Rows], which: list[int], columns: int
) -> tuple[Codes, sp.csr_array, Vector, OrthonormalRows | None]:
    if not which:
        return np.zeros(0, dtype=np.int64), sp.csr_array((0, columns)), np.zeros(0), None
    starts = _starts(rows)
    places = np.concatenate([np.arange(starts[i], starts[i] + rows[i].block.rows) for i in which])
    matrix = sp.csr_array(sp.vstack([-_scaled(rows[i], columns) for i in which]))
    right = np.concatenate([rows[i].scale * rows[i].block.constant for i in which])
    if matrix.shape[0] * columns > DENSE_LIMIT or matrix.shape[0] > columns:
        return places, matrix, right, None
    reduced = orthonormal(matrix.toarray(), right)
    return places, sp.csr_array(reduced.rows), reduced.right, reduced


def _cost(builder: ConicBuilder) -> tuple[Vector, Vector, float]:
    quadratic, linear = np.zeros(builder.columns), np.zeros(builder.columns)
    constant = 0.0
    for first, count, weight in builder.quadratic:
        quadratic[first : first + count] += 2.0 * weight
    for block in builder.linear:
        linear += block.matrix(builder.columns).toarray()[0]
        constant += float(block.constant[0])
    return quadratic, linear, constant
