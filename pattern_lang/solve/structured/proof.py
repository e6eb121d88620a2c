"""The certificate of a rule: one streaming pass in float64, given prices alone.

It shares no code with the passes of the solver but the link. Any prices give a lower bound on the
cost, so what it says needs no trust in how they were found.
"""

from typing import Any

import attrs
import numpy as np
from attrs import define, frozen
from numpy.typing import NDArray

from pattern_lang.solve.box import Box
from pattern_lang.solve.normal import Vector
from pattern_lang.solve.structured.form import Form
from pattern_lang.solve.structured.links import Link, entropy_of

COLUMNS = 8192


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
class Checked:
    """What the pass adds up.

    x: (n,). base: (base rows,) of A x. cost: `Σ φ(x)`. conjugate: `Σ φ*(z)`, budgets included.
    lower_price, upper_price: (constraints,) what the bounds that each set are worth together.
    """

    x: Vector
    base: Vector
    lower_price: Vector
    upper_price: Vector
    at_lower: NDArray[np.bool_]
    at_upper: NDArray[np.bool_]
    cost: float = 0.0
    conjugate: float = 0.0
    square: float = 0.0
    entropy: float = 0.0
    least: float = np.inf
    most: float = -np.inf


def check(
    form: Form, box: Box, rule: Rule, bound: Rule, constraints: int, store: type = np.float64
) -> Checked:
    """Make the pass. rule: gives the weights. bound: gives the bound on their cost.

    They are the same where the program has a curvature of its own; otherwise the link of the
    rule has a ridge, which that of the bound does not.
    """
    base, n = form.base, form.base.n
    made = Checked(
        np.empty(n, dtype=store),
        np.zeros(base.size),
        np.zeros(constraints + 1),
        np.zeros(constraints + 1),
        np.empty(n, dtype=np.bool_),
        np.empty(n, dtype=np.bool_),
    )
    for start in range(0, n, COLUMNS):
        _tile(form, box, rule, bound, slice(start, min(n, start + COLUMNS)), made)
    return made


def _tile(form: Form, box: Box, rule: Rule, bound: Rule, units: slice, made: Checked) -> None:
    base = form.base
    block, written = base.block(units).astype(np.float64), base.written[:, units]
    codes: Any = None
    coefficients: Any = None
    if base.groups is not None:
        codes = base.groups.codes[units]
        own = base.groups.coefficients
        coefficients = np.where(codes >= 0, 1.0 if own is None else own[units], 0.0)

    def priced(which: Rule) -> Vector:
        first = block.shape[0]
        dense = which.dense
        z = -(dense[:first] @ block) - dense[first:-1] @ written - dense[-1]
        if which.groups is not None:
            z -= which.groups[codes] * coefficients
        return np.asarray(z)

    z = priced(rule)
    link, plain = rule.link.part(units), form.link.part(units)
    x = link.weigh(z)
    made.x[units] = x
    other, best, price = link, x, z
    if bound is not rule:
        other, price = bound.link.part(units), priced(bound)
        best = other.weigh(price)
    made.conjugate += float(np.dot(price, best)) - other.cost(best)
    made.cost += plain.cost(x)
    made.base[: base.dense] += np.concatenate([block @ x, written @ x, [float(np.sum(x))]])
    if codes is not None and coefficients is not None:
        count = base.size - base.dense
        made.base[base.dense :] += np.bincount(np.maximum(codes, 0), coefficients * x, count)
    made.square += float(np.dot(x, x))
    made.entropy += entropy_of(x)
    made.least = min(made.least, 1.0 + float(np.min(x)))
    made.most = max(made.most, 1.0 + float(np.max(x)))
    _bounds(box, other, units, x, price, made)


def _bounds(box: Box, link: Link, units: slice, x: Vector, z: Vector, made: Checked) -> None:
    low = (x <= link.lower) & np.isfinite(box.lower[units])
    high = (x >= link.upper) & np.isfinite(box.upper[units])
    made.at_lower[units], made.at_upper[units] = low, high
    touched = np.flatnonzero(low | high)
    if not touched.size:
        return
    part = link.part(slice(None)) if not link.varies else _picked(link, touched)
    push = z[touched] - part.marginal(x[touched])
    lower_by, upper_by = box.lower_by[units][touched], box.upper_by[units][touched]
    count = made.lower_price.size
    down, up = low[touched], high[touched]
    made.lower_price += np.bincount(lower_by + 1, np.where(down, np.maximum(-push, 0), 0), count)
    made.upper_price += np.bincount(upper_by + 1, np.where(up, np.maximum(push, 0), 0), count)


def _picked(link: Link, chosen: NDArray[np.int64]) -> Link:
    def take(number: Any) -> Any:
        return number[chosen] if isinstance(number, np.ndarray) else number

    kinks = tuple(attrs.evolve(k, jump=take(k.jump), more=take(k.more)) for k in link.kinks)
    return attrs.evolve(
        link,
        ridge=take(link.ridge),
        lower=take(link.lower),
        upper=take(link.upper),
        slope=take(link.slope),
        kinks=kinks,
    )
