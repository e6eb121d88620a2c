"""What a random program means, written for Clarabel, and its price and constraints in plain numpy.

`minimise ½ zᵀPz + qᵀz where A z + s = b, s in cones`; z begins with the n weights. Rows are divided
by their length, as a response has rows a thousand-fold apart.
"""

from itertools import product
from typing import Any

import clarabel
import numpy as np
import scipy.sparse as sp
from attrs import define, field
from random_programs import Draw, Vector, charged, group_shares, spent

SOLVED, INFEASIBLE = ("Solved", "AlmostSolved"), "PrimalInfeasible"


@define
class Builder:
    """Rows and costs of a conic program whose columns grow as it is written."""

    columns: int
    parts: list[tuple[str, Any, Vector]] = field(factory=list)
    squares: dict[int, float] = field(factory=dict)
    linear: dict[int, float] = field(factory=dict)

    def add(self, count: int) -> "np.ndarray[Any, Any]":
        """Return the numbers of new columns."""
        self.columns += count
        return np.arange(self.columns - count, self.columns)

    def require(self, cone: str, columns: Any, matrix: Any, right: Any) -> None:
        """Ask for `right - matrix z[columns]` in a cone: zero, positive, ball, exponential."""
        matrix = sp.coo_array(np.atleast_2d(matrix) if isinstance(matrix, np.ndarray) else matrix)
        wide = sp.coo_array(
            (matrix.data, (matrix.coords[0], np.asarray(columns)[matrix.coords[1]])),
            shape=(matrix.shape[0], 1 << 20),
        )
        self.parts.append((cone, wide, np.broadcast_to(right, (matrix.shape[0],)).astype(float)))

    def pay(self, columns: Any, price: Any, *, square: bool = False) -> None:
        """Add `Σ price z` or `Σ price z²` to what is minimised."""
        into = self.squares if square else self.linear
        for j, p in zip(
            np.asarray(columns).tolist(), np.broadcast_to(price, len(columns)), strict=True
        ):
            into[j] = into.get(j, 0.0) + float(p)

    def solve(self) -> "clarabel.DefaultSolution":
        """Solve to 1e-10."""
        order = [
            p
            for kind in ("zero", "positive", "ball", "exponential")
            for p in self.parts
            if p[0] == kind
        ]
        cones: list[Any] = []
        for kind, matrix, _ in order:
            rows = matrix.shape[0]
            if kind == "exponential":
                cones += [clarabel.ExponentialConeT()] * (rows // 3)
            else:
                made = {
                    "zero": clarabel.ZeroConeT,
                    "positive": clarabel.NonnegativeConeT,
                    "ball": clarabel.SecondOrderConeT,
                }
                cones.append(made[kind](rows))
        whole = sp.csc_matrix(sp.csr_array(sp.vstack([m for _, m, _ in order]))[:, : self.columns])
        diagonal, q = np.zeros(self.columns), np.zeros(self.columns)
        for into, values in ((diagonal, self.squares), (q, self.linear)):
            into[list(values)] = list(values.values())
        right = np.concatenate([b for _, _, b in order])
        size = max(float(np.abs(diagonal).max()), float(np.abs(q).max()))
        square = sp.csc_matrix(sp.diags_array(2 * diagonal / size))
        settings = clarabel.DefaultSettings()
        settings.verbose, settings.max_threads, settings.max_iter = False, 1, 500
        settings.tol_feas = settings.tol_gap_abs = settings.tol_gap_rel = 1e-10
        # Exponential cones may need short steps, or less regularisation: what is only almost
        # solved breaks constraints by 1e-6, so it is tried again.
        for fraction, regular in product((0.99, 0.9, 0.7), (1e-8, 1e-10, 1e-12)):
            settings.max_step_fraction = fraction
            settings.static_regularization_constant = regular
            found = clarabel.DefaultSolver(square, q / size, whole, right, cones, settings).solve()
            if str(found.status) in ("Solved", INFEASIBLE):
                break
        return found


def reference(draw: Draw, dose: float | None = None) -> tuple[str, Vector, float]:
    """Return the status, the weights and, of `along` without a dose, the largest dose."""
    builder = Builder(draw.n)
    w = np.arange(draw.n)
    _box(builder, draw, w)
    along = draw.cost.kind == "along"
    t = builder.add(1) if along and dose is None else None
    _rows(builder, draw, w, t, dose)
    for share in draw.shares:
        _shares(builder, share, w)
    for kind, limit in draw.budgets:
        _budget(builder, kind, limit, w, draw.n)
    for risk in draw.risks:
        _risk(builder, draw, risk, w)
    if t is not None:
        builder.pay(t, -1.0)
    else:
        _cost(builder, draw, w)
    found = builder.solve()
    z = np.asarray(found.x)
    return str(found.status), z[: draw.n], float(z[t[0]]) if t is not None else 1.0


def _box(builder: Builder, draw: Draw, w: Any) -> None:
    low, high = draw.lower, draw.upper
    same = np.flatnonzero(low == high)
    below = np.flatnonzero((low != high) & np.isfinite(low))
    above = np.flatnonzero((low != high) & np.isfinite(high))
    if same.size:
        builder.require("zero", w[same], sp.eye_array(same.size), low[same])
    if below.size:
        builder.require("positive", w[below], -sp.eye_array(below.size), -low[below])
    if above.size:
        builder.require("positive", w[above], sp.eye_array(above.size), high[above])


def _rows(builder: Builder, draw: Draw, w: Any, t: Any, dose: float | None) -> None:
    equal, right = ([np.ones(draw.n)], [float(draw.n)]) if draw.mean else ([], [])
    for row in draw.rows:
        a = draw.numbers[row.index]
        size = float(np.linalg.norm(a)) or 1.0
        a, base = a / size, float(a.sum()) / size
        if row.low == row.high:
            equal.append(a)
            right.append(row.low / size + base)
            continue
        if np.isfinite(row.high):
            builder.require("positive", w, a, row.high / size + base)
        if np.isfinite(row.low):
            builder.require("positive", w, -a, -row.low / size - base)
    steps = np.zeros(len(equal))
    if draw.cost.kind == "along":
        for i, step in draw.cost.rows:
            a = draw.numbers[i]
            size = float(np.linalg.norm(a)) or 1.0
            equal.append(a / size)
            right.append(float(a.sum()) / size + (dose or 0.0) * step / size)
            steps = np.append(steps, step / size)
    if not equal:
        return
    matrix, values = np.array(equal), np.array(right)
    if t is None:
        matrix, values = independent(matrix, values)
        builder.require("zero", w, matrix, values)
        return
    matrix, values = independent(np.column_stack([matrix, -steps]), values)
    builder.require("zero", np.append(w, t), matrix, values)
    builder.require("positive", t, -np.eye(1), 0.0)


def independent(matrix: Vector, right: Vector) -> tuple[Vector, Vector]:
    """Equalities without those that follow from others, by the singular value decomposition."""
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    kept = s > 1e-9 * s[0]
    return vt[kept], (u.T @ right)[kept] / s[kept]


def _shares(builder: Builder, share: Any, w: Any) -> None:
    """`Σ_g m w / M_g <= high · Σ m w / M`, which is linear in w."""
    groups = int(share.codes.max()) + 1
    of_group = sp.coo_array((share.sizes, (share.codes, np.arange(w.size))), shape=(groups, w.size))
    own = sp.diags_array(1.0 / np.bincount(share.codes, share.sizes)) @ of_group.tocsr()
    whole = np.tile(share.sizes / share.sizes.sum(), (groups, 1))
    for limit, sign in ((share.high, 1.0), (share.low, -1.0)):
        if np.isfinite(limit):
            builder.require("positive", w, sign * (own.toarray() - limit * whole), 0.0)


def _budget(builder: Builder, kind: str, limit: float, w: Any, n: int) -> None:
    if kind in ("ess", "norm"):
        radius = limit if kind == "norm" else np.sqrt(n * (1.0 / limit - 1.0))
        matrix = sp.vstack([sp.csr_array((1, n)), -sp.eye_array(n)])
        builder.require("ball", w, matrix, np.append(radius, -np.ones(n)))
        return
    if kind == "l1":
        up, down = _sides(builder, w, 1.0, -1.0)
        builder.require("positive", np.append(up, down), np.ones(2 * n), limit)
        return
    u = _entropies(builder, w)
    builder.require("positive", u, np.full(n, 1.0 / np.sqrt(n)), np.sqrt(n) * limit)


def _risk(builder: Builder, draw: Draw, risk: Any, w: Any) -> None:
    """`sign·r + times·‖Z (w - 1)‖ <= limit`."""
    spread = draw.spread(risk.index)
    size = float(np.linalg.norm(spread))
    a = risk.sign * draw.numbers[risk.index] / (risk.times * size)
    right = risk.limit / (risk.times * size) + float(a.sum())
    matrix = np.vstack([a, -spread / size])
    builder.require("ball", w, matrix, np.append(right, -spread.sum(axis=1) / size))


def _entropies(builder: Builder, w: Any) -> Any:
    """Columns u with `u >= w log w`: `(-u, w, 1)` lies in the exponential cone."""
    n = w.size
    u = builder.add(n)
    rows = np.arange(n)
    data = np.concatenate([np.ones(n), -np.ones(n)])
    where = (np.concatenate([3 * rows, 3 * rows + 1]), np.concatenate([rows, n + rows]))
    matrix = sp.coo_array((data, where), shape=(3 * n, 2 * n))
    builder.require("exponential", np.append(u, w), matrix, np.tile([0.0, 0.0, 1.0], n))
    return u


def _sides(builder: Builder, w: Any, scale: float, offset: float) -> tuple[Any, Any]:
    """Columns up, down at least 0 with `up - down = scale·w + offset`."""
    n = w.size
    up, down = builder.add(n), builder.add(n)
    eye = sp.eye_array(n)
    both = sp.hstack([scale * eye, -eye, eye])
    builder.require("zero", np.concatenate([w, up, down]), both, -offset)
    builder.require("positive", np.append(up, down), -sp.eye_array(2 * n), 0.0)
    return up, down


def _cost(builder: Builder, draw: Draw, w: Any) -> None:
    cost, n = draw.cost, draw.n
    for i, target, penalty in draw.soft:
        a = draw.numbers[i]
        size = float(np.linalg.norm(a))
        miss = builder.add(1)
        builder.require(
            "zero", np.append(w, miss), np.append(a / size, -1.0), target / size + a.sum() / size
        )
        builder.pay(miss, penalty * size**2, square=True)
    if cost.kind == "maximize":
        for i, c in cost.rows:
            builder.pay(w, -c * draw.numbers[i])
        return
    if cost.kind == "kl":
        builder.pay(_entropies(builder, w), 1.0 / n)
        return
    weights = np.ones(n) if cost.weights is None else cost.weights
    plain = cost.kind in ("squares", "along") and cost.up == cost.down == 1.0
    if plain or cost.kind == "elastic":
        scale = weights if plain else np.full(n, cost.ridge)
        x = builder.add(n)
        both = sp.hstack([sp.eye_array(n), -sp.eye_array(n)])
        builder.require("zero", np.append(w, x), both, 1.0)
        builder.pay(x, scale, square=True)
        if plain:
            return
    up, down = _sides(builder, w, cost.scale, cost.offset)
    for side, slope in ((up, cost.up), (down, cost.down)):
        if cost.kind == "squares":
            builder.pay(side, slope * weights, square=True)
        elif cost.kind == "huber":
            inner, outer = builder.add(n), builder.add(n)
            eye = sp.eye_array(n)
            builder.require(
                "zero", np.concatenate([side, inner, outer]), sp.hstack([eye, -eye, -eye]), 0.0
            )
            builder.require("positive", outer, -eye, 0.0)
            builder.pay(inner, slope * weights, square=True)
            builder.pay(outer, 2.0 * cost.at * slope * weights)
        else:
            builder.pay(side, slope * weights)


def price(draw: Draw, w: Vector) -> float:
    """What is minimised, at w."""
    cost, x = draw.cost, w - 1.0
    total = sum(p * (float(draw.numbers[i] @ x) - t) ** 2 for i, t, p in draw.soft)
    if cost.kind == "maximize":
        return total - sum(c * float(draw.numbers[i] @ x) for i, c in cost.rows)
    if cost.kind == "kl":
        return total + spent("kl", w)
    z = cost.scale * w + cost.offset
    each = np.where(z > 0, cost.up, cost.down)
    each = each if cost.weights is None else each * cost.weights
    size = np.abs(z)
    match cost.kind:
        case "huber":
            return total + float(
                each @ np.where(size <= cost.at, z**2, cost.at * (2 * size - cost.at))
            )
        case "magnitudes":
            return total + float(each @ size)
        case "elastic":
            return total + float(each @ size) + cost.ridge * float(x @ x)
        case _:
            return total + float(each @ z**2)


def violation(draw: Draw, w: Vector, dose: float = 1.0) -> float:
    """The largest violation, of a row relative to its length; of bounds, shares, budgets as is."""
    x, found = w - 1.0, [0.0]
    found += [float(np.max(draw.lower - w)), float(np.max(w - draw.upper))]
    if draw.mean:
        found.append(abs(float(w.mean()) - 1.0))
    for row in draw.rows:
        a = draw.numbers[row.index]
        size = float(np.linalg.norm(a)) or 1.0
        found += [(row.low - float(a @ x)) / size, (float(a @ x) - row.high) / size]
    if draw.cost.kind == "along":
        for i, step in draw.cost.rows:
            a = draw.numbers[i]
            found.append(abs(float(a @ x) - dose * step) / (float(np.linalg.norm(a)) or 1.0))
    for share in draw.shares:
        at = group_shares(share.codes, share.sizes, w)
        found += [float(np.max(at - share.high)), float(np.max(share.low - at))]
    for risk in draw.risks:
        a = draw.numbers[risk.index]
        size = max(float(np.linalg.norm(a)), float(np.linalg.norm(draw.spread(risk.index))))
        found.append((charged(draw, risk, w) - risk.limit) / size)
    for kind, limit in draw.budgets:
        over = (spent(kind, w) - limit) / max(limit, 1.0)
        found.append(-over if kind == "ess" else over)
    return max(found)
