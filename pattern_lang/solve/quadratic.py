"""Programs with a quadratic cost and linear constraints, as matrices."""

import numpy as np
import scipy.sparse as sp
from attrs import frozen

from pattern_lang.ir.program import Chi2, SumSquares
from pattern_lang.solve.box import Flags
from pattern_lang.solve.linear import DENSE_LIMIT, lengths_of, linear_rows
from pattern_lang.solve.normal import Affine, NormalConstraint, NormalProgram, Terms, Vector
from pattern_lang.solve.rewrite import is_bound


@frozen(eq=False)
class Quadratic:
    """`c/2 ‖x‖² + b·x` under `rows · x <= right` (`==` where `equal`), within a box on w.

    Rows have length 1; `lengths` is what they had in the program. owners: (constraint, first
    row, row past the last) of each linear constraint. beside: the constraints of the program that
    are neither linear nor bounds on single weights.
    """

    c: float
    b: Vector
    rows: sp.csr_array
    right: Vector
    equal: Flags
    lengths: Vector
    owners: tuple[tuple[int, int, int], ...]
    beside: tuple[NormalConstraint, ...]


def quadratic(program: NormalProgram) -> Quadratic | None:
    """Read a program in standard form as a quadratic one.

    Returns None where the cost is not quadratic, a row is zero, or the rows are too many.
    """
    cost = quadratic_cost(program.cost, program.n)
    if cost is None:
        return None
    pieces, rights, equal = [sp.csr_array((0, program.n))], [np.zeros(0)], [np.zeros(0, bool)]
    sizes = [np.zeros(0)]
    owners: list[tuple[int, int, int]] = []
    height = 0
    for index, constraint in enumerate(program.constraints):
        rows = linear_rows(constraint, program.n)
        if rows is None:
            continue
        matrix, constant = rows
        lengths = lengths_of(matrix)
        if np.any(lengths == 0):
            return None
        pieces.append(sp.diags_array(1.0 / lengths) @ matrix)
        rights.append(-constant / lengths)
        sizes.append(lengths)
        equal.append(np.full(constant.size, constraint.equality))
        owners.append((index, height, height + constant.size))
        height += constant.size
    if height * program.n > DENSE_LIMIT:
        return None
    linear = {index for index, _, _ in owners}
    return Quadratic(
        c=cost[0],
        b=cost[1],
        rows=sp.csr_array(sp.vstack(pieces)),
        right=np.concatenate(rights),
        equal=np.concatenate(equal),
        lengths=np.concatenate(sizes),
        owners=tuple(owners),
        beside=tuple(
            c
            for index, c in enumerate(program.constraints)
            if index not in linear and not is_bound(c)
        ),
    )


def quadratic_cost(cost: Terms, n: int) -> tuple[float, Vector] | None:
    """Return (c, b) when the cost is `c/2 ‖x‖² + b · x` up to a constant, c > 0; else None."""
    curvature, slope = 0.0, np.zeros(n)
    for coefficient, atom in cost:
        match atom:
            case SumSquares(scale, offset):
                curvature += 2.0 * coefficient * scale**2
                slope += 2.0 * coefficient * scale * (scale + offset)
            case Chi2():
                curvature += 2.0 * coefficient / n
            case Affine(row):
                slope += coefficient * row
            case _:
                return None
    return (curvature, slope) if curvature > 0 else None
