"""The certificate of a rule: one streaming pass in float64, given prices alone.

It shares no code with the passes of the solver but the link. Any prices give a lower bound on the
cost, so what it says needs no trust in how they were found.
"""

from typing import Any

import numpy as np
from attrs import define, frozen
from numpy.typing import NDArray

from pattern_lang.solve.box import Box
from pattern_lang.solve.normal import Vector
from pattern_lang.solve.structured.base import Chunk, shared_out
from pattern_lang.solve.structured.form import Form
from pattern_lang.solve.structured.links import Link, entropy_of

# Numbers in a tile, which are cast to float64 as it is read.
TILE = 1 << 19
LEAST, MOST = 1024, 32768


@frozen(eq=False)
class Rule:
    """Weights as a rule: `w = 1 + link(-(dense · rows + groups[code]))`.

    rows: which rows of the response `dense` begins with; the mass is its last.
    """

    link: Link
    rows: NDArray[np.int64]
    dense: Vector
    groups: Vector | None

    def weights(self, columns: Any, codes: Any = None) -> Vector:
        """Return weights (k,) of units from their columns of the response (m, k).

        codes: (k,) the number of each unit's group in the order in which groups first appear in
        the program, -1 for none. Raises ValueError where the
        program had groups and there are no codes, or the rule speaks of rows that only the units
        of the program have.
        """
        if self.dense.size != self.rows.size + 1 or self.link.varies:
            raise ValueError("the rule depends on numbers that only the program's units have")
        block = np.asarray(columns, dtype=np.float64)[self.rows]
        z = -(self.dense[:-1] @ block) - self.dense[-1]
        if self.groups is not None:
            if codes is None:
                raise ValueError("the program had groups: codes are needed")
            chosen = np.asarray(codes)
            z -= np.where(chosen >= 0, self.groups[chosen], 0.0)
        return np.asarray(1.0 + self.link.weigh(z))


@define(eq=False)
class Added:
    """What the pass adds up.

    base: (base rows,) of A x. cost: `Σ φ(x)`. conjugate: `Σ φ*(z)`, budgets included.
    lower_price, upper_price: (constraints,) what the bounds that each set are worth together.
    """

    base: Vector
    lower_price: Vector
    upper_price: Vector
    cost: float = 0.0
    conjugate: float = 0.0
    square: float = 0.0
    entropy: float = 0.0
    least: float = np.inf
    most: float = -np.inf

    def add(self, other: "Added") -> None:
        """Add what other units add up to."""
        for name in ("base", "lower_price", "upper_price", *SUMS):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.least, self.most = min(self.least, other.least), max(self.most, other.most)


SUMS = ("cost", "conjugate", "square", "entropy")


@frozen(eq=False)
class Checked:
    """The weights of a rule, and what they add up to. x, at_lower, at_upper: (n,)."""

    x: Vector
    at_lower: NDArray[np.bool_]
    at_upper: NDArray[np.bool_]
    sums: Added


@frozen(eq=False)
class _Pass:
    """What every tile of the pass needs, and the arrays (n,) that it fills."""

    form: Form
    box: Box
    rule: Rule
    bound: Rule
    constraints: int
    x: Vector
    at_lower: NDArray[np.bool_]
    at_upper: NDArray[np.bool_]

    def chunk(self, tiles: Chunk) -> Added:
        size, count = self.form.base.size, self.constraints + 1
        made = Added(np.zeros(size), np.zeros(count), np.zeros(count))
        for units in tiles:
            _tile(self, units, made)
        return made


def check(form: Form, box: Box, rule: Rule, bound: Rule, constraints: int, threads: int) -> Checked:
    """Make the pass. rule: gives the weights. bound: gives the bound on their cost.

    They are the same where the program has a curvature of its own; otherwise the link of the
    rule has a ridge, which that of the bound does not.
    """
    n = form.base.n
    x, low, high = np.empty(n), np.empty(n, dtype=np.bool_), np.empty(n, dtype=np.bool_)
    held = _Pass(form, box, rule, bound, constraints, x, low, high)
    columns = int(np.clip(TILE // form.base.dense, LEAST, MOST)) // 256 * 256
    chunks = form.base.tiles(columns)
    total, *others = shared_out(held.chunk, chunks, threads)
    for part in others:
        total.add(part)
    return Checked(x, low, high, total)


def _tile(held: _Pass, units: slice, made: Added) -> None:
    form, rule, bound = held.form, held.rule, held.bound
    base = form.base
    block, written = base.block(units).astype(np.float64), base.written[:, units]
    codes: Any = None
    coefficients: Any = None
    if base.groups is not None:
        codes = base.groups.codes[units]
        own = base.groups.coefficients
        if own is not None or not base.groups.whole:
            coefficients = np.where(codes >= 0, 1.0 if own is None else own[units], 0.0)

    def priced(which: Rule) -> Vector:
        first = block.shape[0]
        dense = which.dense
        z = -dense[:first] @ block
        if written.size:
            z -= dense[first:-1] @ written
        z -= dense[-1]
        if which.groups is not None:
            worth = which.groups[codes]
            z -= worth if coefficients is None else worth * coefficients
        return np.asarray(z)

    z = priced(rule)
    link, plain = rule.link.part(units), form.link.part(units)
    x = link.weigh(z)
    held.x[units] = x
    other, best, price = link, x, z
    if bound is not rule:
        other, price = bound.link.part(units), priced(bound)
        best = other.weigh(price)
    made.conjugate += float(np.dot(price, best)) - other.cost(best)
    made.cost += plain.cost(x)
    made.base[: base.dense] += np.concatenate([block @ x, written @ x, [float(np.sum(x))]])
    if codes is not None:
        count = base.size - base.dense
        mine = x if coefficients is None else coefficients * x
        places = codes if coefficients is None else np.maximum(codes, 0)
        made.base[base.dense :] += np.bincount(places, mine, count)
    made.square += float(np.dot(x, x))
    made.entropy += entropy_of(x)
    made.least = min(made.least, 1.0 + float(np.min(x)))
    made.most = max(made.most, 1.0 + float(np.max(x)))
    _bounds(held, other, units, x, price, made)


def _bounds(held: _Pass, link: Link, units: slice, x: Vector, z: Vector, made: Added) -> None:
    """Note which weights sit on a bound, and what the bounds that each set are worth."""
    box = held.box
    low, high = x <= link.lower, x >= link.upper
    held.at_lower[units], held.at_upper[units] = low, high
    for side, by, worth, sign in (
        (low, box.lower_by, made.lower_price, -1.0),
        (high, box.upper_by, made.upper_price, 1.0),
    ):
        touched = np.flatnonzero(side)
        if touched.size:
            push = z[touched] - link.part(touched).marginal(x[touched])
            paid = np.maximum(sign * push, 0.0)
            if by.strides == (0,):
                worth[by[0] + 1] += float(np.sum(paid))
            else:
                worth += np.bincount(by[units][touched] + 1, paid, worth.size)
