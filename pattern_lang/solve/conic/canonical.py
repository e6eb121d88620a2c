"""One small canonicaliser per atom: what a cone says about it.

An affine atom becomes its rows. A convex atom becomes a variable that lies above it, a concave
one a variable that lies below it (epigraph and hypograph; Boyd & Vandenberghe, §3.1.7 and §4.2.4).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import scipy.sparse as sp

from pattern_lang.ir.program import KL, L1, Chi2, Entries, Maximum, Minimum, Norm, SumSquares
from pattern_lang.solve.conic.builder import Block, Cone, ConicBuilder, fixed, lengths_of, stacked
from pattern_lang.solve.normal import (
    Affine,
    Combined,
    Costs,
    Distance,
    Dose,
    Grouped,
    Spread,
    Square,
    Vector,
    length_of,
)


def shifted(n: int, scale: float = 1.0, offset: float = 0.0) -> Block:
    """Return `scale · w + offset` as rows of x = w - 1."""
    return Block(np.full(n, scale + offset), ((0, sp.csr_array(scale * sp.eye_array(n))),))


def row(coefficients: Vector) -> Block:
    """Return `coefficients · x`, one dense row."""
    return Block(np.zeros(1), ((0, sp.csr_array(coefficients[None, :])),))


def _entries(builder: ConicBuilder, atom: Entries) -> Block:
    return shifted(builder.n)


def _affine(builder: ConicBuilder, atom: Affine) -> Block:
    return row(atom.row)


def _grouped(builder: ConicBuilder, atom: Grouped) -> Block:
    members = np.flatnonzero(atom.codes >= 0)
    matrix = sp.csr_array(
        (atom.coefficients[members], (atom.codes[members], members)), shape=(atom.groups, builder.n)
    )
    return Block(np.zeros(atom.groups), ((0, matrix),))


def _dose(builder: ConicBuilder, atom: Dose) -> Block:
    return builder.scalar(atom.name, atom.unit)


def _sum_squares(builder: ConicBuilder, atom: SumSquares) -> Block:
    # ‖y‖² / n <= s is the rotated cone (s + 1, s - 1, 2 y / √n); the mean keeps s of order 1.
    mean = builder.variable()
    moved = shifted(builder.n, atom.scale, atom.offset)
    body = stacked([mean.plus(1.0), mean.plus(-1.0), (2.0 / builder.n**0.5) * moved])
    builder.require(Cone.SECOND_ORDER, body)
    return builder.n * mean


def _chi2(builder: ConicBuilder, atom: Chi2) -> Block:
    return (1.0 / builder.n) * _sum_squares(builder, SumSquares(1.0, -1.0))


def _above_norm(builder: ConicBuilder, body: Block) -> Block:
    height = builder.variable()
    builder.require(Cone.SECOND_ORDER, stacked([height, body]))
    return height


def _norm(builder: ConicBuilder, atom: Norm) -> Block:
    return _above_norm(builder, shifted(builder.n, atom.scale, atom.offset))


def _spread(builder: ConicBuilder, atom: Spread) -> Block:
    # In units of its length, or the cone drowns in the scale of x. Dense rows occur once: the
    # triangle of the basis's factor needs no more of them than it has directions.
    scale = length_of(atom) or 1.0
    dense = np.linalg.qr(atom.factor, mode="r") @ atom.basis.astype(np.float64) / scale
    body = [Block(np.zeros(len(dense)), ((0, sp.csr_array(dense)),))]
    if atom.residual is not None:
        root = sp.csr_array(sp.diags_array(np.sqrt(atom.residual) / scale))
        body.append(Block(np.zeros(builder.n), ((0, root),)))
    return scale * _above_norm(builder, stacked(body))


def _square(builder: ConicBuilder, atom: Square) -> Block:
    length = float(np.linalg.norm(atom.row)) or 1.0
    miss = builder.named((1.0 / length) * row(atom.row).plus(-atom.target))
    square = builder.variable()
    builder.require(Cone.SECOND_ORDER, stacked([square.plus(1.0), square.plus(-1.0), 2.0 * miss]))
    return length**2 * square


def _l1(builder: ConicBuilder, atom: L1) -> Block:
    n = builder.n
    first = builder.variables(n)
    sizes = Block(np.zeros(n), ((first, sp.csr_array(sp.eye_array(n))),))
    moved = shifted(n, atom.scale, atom.offset)
    builder.require(Cone.NONNEGATIVE, sizes + (-1.0) * moved)
    builder.require(Cone.NONNEGATIVE, sizes + moved)
    return Block(np.zeros(1), ((first, sp.csr_array(np.ones((1, n)))),))


def _costs(builder: ConicBuilder, atom: Costs) -> Block:
    sizes, excess = _cost_parts(builder, atom)
    return _sum_of(builder, sizes, atom.kind != "magnitudes") + _sum_of(builder, excess, False)


def _cost_parts(builder: ConicBuilder, atom: Costs) -> tuple[int | None, int | None]:
    """Return the first of n variables to be squared and summed, and of n to be summed.

    With z the entries: `|z|` scaled by weight and side lies below the first (squares) or the second
    (magnitudes); huber splits it into what is squared and the rest, which counts 2·at times.
    """
    n, weights = builder.n, atom.weights
    z = shifted(n, atom.scale, atom.offset)
    if atom.kind == "huber":
        core, rest = builder.variables(n), builder.variables(n)
        for first in (core, rest):
            builder.require(Cone.NONNEGATIVE, entries_at(first, n))
        for sign, side in ((1.0, atom.up), (-1.0, atom.down)):
            price = side * weights
            inner = entries_at(core, n).weighted(2.0 * atom.at * np.sqrt(price))
            whole = z.weighted(2.0 * atom.at * sign * price)
            _above(builder, entries_at(rest, n) + inner, whole)
        return core, rest
    squared = atom.kind == "squares"
    power = 0.5 if squared else 1.0
    first = builder.variables(n)
    up, down = (
        z.weighted((atom.up * weights) ** power),
        z.weighted(-((atom.down * weights) ** power)),
    )
    _above(builder, entries_at(first, n), up, down)
    return (first, None) if squared else (None, first)


def _above(builder: ConicBuilder, high: Block, *low: Block) -> None:
    for block in low:
        builder.require(Cone.NONNEGATIVE, high + (-1.0) * block)


def _sum_of(builder: ConicBuilder, first: int | None, squared: bool) -> Block:
    """Return the sum, or the sum of squares, of n variables."""
    n = builder.n
    if first is None:
        return fixed(0.0)
    if not squared:
        return Block(np.zeros(1), ((first, sp.csr_array(np.ones((1, n)))),))
    mean = builder.variable()
    body = stacked([mean.plus(1.0), mean.plus(-1.0), (2.0 / n**0.5) * entries_at(first, n)])
    builder.require(Cone.SECOND_ORDER, body)
    return n * mean


def entries_at(first: int, n: int) -> Block:
    """Return n variables as rows."""
    return Block(np.zeros(n), ((first, sp.csr_array(sp.eye_array(n))),))


def _combined(builder: ConicBuilder, atom: Combined) -> Block:
    rows = [builder.named(b) if b.parts else b for b in _parts(builder, atom)]
    match atom.kind:
        case "norm":
            return _above_norm(builder, stacked(rows))
        case "squares":
            square = builder.variable()
            body = [square.plus(1.0), square.plus(-1.0), *(2.0 * row for row in rows)]
            builder.require(Cone.SECOND_ORDER, stacked(body))
            return square
        case "magnitudes":
            heights = [builder.variable() for _ in rows]
            for height, low in zip(heights, rows, strict=True):
                _above(builder, height, low, (-1.0) * low)
            return _sum(heights, 1)
        case _:
            top = builder.variable()
            _above(builder, top, *rows)
            return top


def _parts(builder: ConicBuilder, atom: Combined) -> list[Block]:
    return [expression(builder, terms, 1).plus(constant) for terms, constant in atom.parts]


def _maximum(builder: ConicBuilder, atom: Maximum) -> Block:
    top = builder.variable()
    builder.require(Cone.NONNEGATIVE, top.repeated(builder.n) + (-1.0) * shifted(builder.n))
    return top


def _minimum(builder: ConicBuilder, atom: Minimum) -> Block:
    bottom = builder.variable()
    builder.require(Cone.NONNEGATIVE, shifted(builder.n) + (-1.0) * bottom.repeated(builder.n))
    return bottom


def _kl(builder: ConicBuilder, atom: KL) -> Block:
    # (a, b, c) is in the cone when b exp(a / b) <= c; (-s, w, 1) says w log w <= s.
    n = builder.n
    first = builder.variables(n)
    places = np.arange(n)
    ones = np.ones(n)
    heights = sp.csr_array((-ones, (3 * places, places)), shape=(3 * n, n))
    weights = sp.csr_array((ones, (3 * places + 1, places)), shape=(3 * n, n))
    constant = np.tile([0.0, 1.0, 1.0], n)
    builder.require(Cone.EXPONENTIAL, Block(constant, ((first, heights), (0, weights))))
    return Block(np.zeros(1), ((first, sp.csr_array(np.full((1, n), 1.0 / n))),))


Canonicaliser = Callable[[ConicBuilder, Any], Block]

CANONICALISERS: Final[Mapping[type, Canonicaliser]] = MappingProxyType(
    {
        Entries: _entries,
        Costs: _costs,
        Combined: _combined,
        Affine: _affine,
        Grouped: _grouped,
        Dose: _dose,
        SumSquares: _sum_squares,
        Chi2: _chi2,
        Norm: _norm,
        Spread: _spread,
        Square: _square,
        L1: _l1,
        Maximum: _maximum,
        Minimum: _minimum,
        KL: _kl,
    }
)


def _quadratic_sum(builder: ConicBuilder, atom: SumSquares, weight: float) -> None:
    # ‖a w + b‖² = a² ‖x‖² + 2 a (a + b) Σx + n (a + b)²
    level = atom.scale + atom.offset
    builder.add_quadratic(0, builder.n, weight * atom.scale**2)
    if level:
        slope = row(np.full(builder.n, 2.0 * weight * atom.scale * level))
        builder.add_cost(slope.plus(weight * builder.n * level**2))


def _quadratic_chi2(builder: ConicBuilder, atom: Chi2, weight: float) -> None:
    builder.add_quadratic(0, builder.n, weight / builder.n)


def _quadratic_square(builder: ConicBuilder, atom: Square, weight: float) -> None:
    length = float(np.linalg.norm(atom.row)) or 1.0
    miss = builder.variables()
    body = Block(np.zeros(1), ((miss, sp.csr_array(np.ones((1, 1)))),))
    scaled = (1.0 / length) * row(atom.row).plus(-atom.target)
    builder.require(Cone.ZERO, body + (-1.0) * scaled)
    builder.add_quadratic(miss, 1, weight * length**2)


def _quadratic_distance(builder: ConicBuilder, atom: Distance, weight: float) -> None:
    length = float(np.linalg.norm(atom.row)) or 1.0
    miss = builder.variable()
    scaled = builder.named((1.0 / length) * row(atom.row))
    if np.isfinite(atom.upper):
        _above(builder, miss, scaled.plus(-atom.upper / length))
    if np.isfinite(atom.lower):
        _above(builder, miss, ((-1.0) * scaled).plus(atom.lower / length))
    builder.require(Cone.NONNEGATIVE, miss)
    builder.add_quadratic(miss.parts[0][0], 1, weight * length**2)


def _quadratic_combined(builder: ConicBuilder, atom: Combined, weight: float) -> None:
    # Each part in units of its own length: parts lie orders of magnitude apart.
    for part in _parts(builder, atom):
        length = float(lengths_of(part)[0])
        if not length:
            builder.add_cost(fixed(weight * float(part.constant[0]) ** 2))
            continue
        miss = builder.variables()
        builder.require(Cone.ZERO, entries_at(miss, 1) + (-1.0 / length) * part)
        builder.add_quadratic(miss, 1, weight * length**2)


def _quadratic_costs(builder: ConicBuilder, atom: Costs, weight: float) -> None:
    sizes, excess = _cost_parts(builder, atom)
    if sizes is not None:
        builder.add_quadratic(sizes, builder.n, weight)
    if excess is not None:
        builder.add_cost(weight * _sum_of(builder, excess, False))


QUADRATIC_COSTS: Final[Mapping[type, Callable[[ConicBuilder, Any, float], None]]] = (
    MappingProxyType(
        {
            SumSquares: _quadratic_sum,
            Chi2: _quadratic_chi2,
            Square: _quadratic_square,
            Distance: _quadratic_distance,
            Costs: _quadratic_costs,
            Combined: _quadratic_combined,
        }
    )
)


def add_cost(builder: ConicBuilder, coefficient: float, atom: object) -> None:
    """Add `coefficient · atom` to what is minimised, as a quadratic where it is one."""
    quadratic = QUADRATIC_COSTS.get(type(atom))
    if isinstance(atom, Combined) and atom.kind != "squares":
        quadratic = None
    if quadratic is not None:
        quadratic(builder, atom, coefficient)
    else:
        builder.add_cost(coefficient * block_of(builder, atom))


def block_of(builder: ConicBuilder, atom: object) -> Block:
    """Return the rows of an atom; one that occurs twice shares its variables and cones."""
    if atom not in builder.made:
        builder.made[atom] = CANONICALISERS[type(atom)](builder, atom)
    return builder.made[atom]


def expression(builder: ConicBuilder, terms: tuple[tuple[float, object], ...], rows: int) -> Block:
    """Return `Σ coefficient · atom` as rows; dense single rows are named before they spread."""
    blocks = [c * block_of(builder, atom) for c, atom in terms if c != 0]
    single = [block for block in blocks if block.rows == 1]
    several = [block for block in blocks if block.rows > 1]
    narrow = _sum(single, 1)
    if rows == 1:
        return narrow
    if single:
        several.append(builder.named(narrow).repeated(rows))
    return _sum(several, rows)


def _sum(blocks: list[Block], rows: int) -> Block:
    result = fixed(np.zeros(rows))
    for block in blocks:
        result = result + block
    return result
