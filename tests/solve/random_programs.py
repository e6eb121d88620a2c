"""Random weight programs that are feasible by construction: everything holds at a known point.

A `Draw` says in plain numbers what a program is. `written_programs.py` writes it for the compiler;
what it means is written down once more, without either, in `clarabel_reference.py`.
"""

from typing import Any

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Rng = np.random.Generator
INF = float("inf")


@frozen
class Row:
    """`low <= r[index] <= high`; an equality where they are the same."""

    index: int
    low: float
    high: float


@frozen(eq=False)
class Shares:
    """`low <= share of each group <= high`, relative to its share at w = 1."""

    codes: NDArray[np.int64]
    sizes: Vector
    low: float
    high: float


@frozen
class Risk:
    """`sign·r[index] + times·(its standard error) <= limit`: a chance row, or a limit on risk."""

    index: int
    sign: float
    times: float
    limit: float


@frozen(eq=False)
class Cost:
    """What is minimised. kind: `squares`, `magnitudes`, `huber` (all over units, of
    `scale·w + offset`, with `weights`, `up`, `down`, `at`), `elastic`, `kl`, `maximize`, `along`.

    rows: coefficients of `maximize`, or the direction of `along`, by row.
    """

    kind: str
    scale: float = 1.0
    offset: float = -1.0
    weights: Vector | None = None
    up: float = 1.0
    down: float = 1.0
    at: float = 1.0
    ridge: float = 0.0
    rows: tuple[tuple[int, float], ...] = ()


@frozen(eq=False)
class Draw:
    """A program. Budgets are (kind, limit), of `ess`, `norm`, `kl`, `l1`."""

    response: NDArray[Any]
    inside: Vector
    lower: Vector
    upper: Vector
    mean: bool
    rows: tuple[Row, ...] = ()
    soft: tuple[tuple[int, float, float], ...] = ()
    shares: tuple[Shares, ...] = ()
    budgets: tuple[tuple[str, float], ...] = ()
    cost: Cost = Cost("squares")
    replicates: Vector | None = None
    risks: tuple[Risk, ...] = ()

    @property
    def n(self) -> int:
        return int(self.response.shape[1])

    @property
    def numbers(self) -> Vector:
        """The response in float64, (m, n)."""
        return np.asarray(self.response, dtype=np.float64)

    def spread(self, index: int) -> Vector:
        """Z such that `‖Z (w - 1)‖` is the standard error of a row, (S, n)."""
        assert self.replicates is not None
        own = self.replicates[:, index]
        return np.asarray((own - own.mean(axis=0)) / np.sqrt(len(own) * (len(own) - 1)))


# -- drawing ------------------------------------------------------------------------------------


def response_of(rng: Rng, m: int, n: int) -> Vector:
    """Rows a thousand-fold apart in size, some twice, some zero, some with rare large entries."""
    chi = rng.normal(size=(m, n))
    if rng.random() < 0.3:
        chi = rng.standard_t(3, size=(m, n))
    chi *= 10.0 ** rng.uniform(-1.5, 1.5, size=(m, 1))
    if rng.random() < 0.7:
        chi -= chi.mean(axis=1, keepdims=True)
    for i in range(1, m):
        kind = rng.random()
        if kind < 0.08:
            chi[i] = 0.0
        elif kind < 0.16:
            chi[i] = float(rng.choice([-3.0, 1.0, 0.01])) * chi[rng.integers(i)]
    return np.asarray(chi)


def inside_of(rng: Rng, n: int) -> tuple[Vector, NDArray[np.bool_]]:
    """A point with mean 1, and which units are held at it: some frozen at 1, some dropped."""
    w = rng.uniform(0.3, 2.0, size=n)
    held = np.zeros(n, dtype=bool)
    if rng.random() < 0.4:
        which = rng.random(n) < 0.1
        w[which], held[which] = 1.0, True
    if rng.random() < 0.4:
        which = rng.random(n) < 0.1
        w[which], held[which] = 0.0, True
    w[~held] *= (n - w[held].sum()) / w[~held].sum()
    return w, held


def box_of(rng: Rng, w: Vector, held: NDArray[np.bool_]) -> tuple[Vector, Vector]:
    """Bounds around a point, with room except for the units that are held."""
    n, free = w.size, w[~held]
    kind = rng.choice(["scalar", "units", "some"])
    if kind == "scalar":
        lower = np.full(n, max(0.0, float(free.min()) * float(rng.uniform(0.0, 0.9))))
        upper = np.full(n, float(free.max()) + float(rng.uniform(0.05, 1.5)))
    else:
        lower = np.maximum(0.0, w - rng.uniform(0.05, 0.9, size=n))
        upper = w + rng.uniform(0.05, 2.0, size=n)
    if kind == "some":
        upper[rng.random(n) < 0.3] = INF
    lower[held], upper[held] = w[held], w[held]
    return lower, upper


def rows_of(rng: Rng, chi: Vector, w: Vector) -> tuple[Row, ...]:
    """Rows of every kind that hold at w; those that repeat another ask for the same."""
    found = []
    for i, row in enumerate(chi):
        at, room = float(row @ (w - 1.0)), float(np.linalg.norm(row)) or 1.0
        margins = room * rng.uniform(0.01, 0.5, size=2)
        kind = rng.choice(["equal", "range", "least", "most", "free"], p=[0.4, 0.2, 0.1, 0.1, 0.2])
        low = at if kind == "equal" else -INF if kind == "most" else at - float(margins[0])
        high = at if kind == "equal" else INF if kind == "least" else at + float(margins[1])
        if kind != "free":
            found.append(Row(i, low, high))
    return tuple(found)


def shares_of(rng: Rng, w: Vector, *, mean: bool) -> Shares:
    """Ranges for the masses of groups that hold at w."""
    n = w.size
    codes = rng.integers(int(rng.integers(2, max(3, n // 6))), size=n)
    codes = np.unique(codes, return_inverse=True)[1]
    sizes = np.ones(n) if mean and rng.random() < 0.6 else rng.integers(1, 9, size=n) * 1.0
    at = group_shares(codes, sizes, w)
    low = float(at.min()) - float(rng.uniform(0.01, 0.1))
    high = float(at.max()) + float(rng.uniform(0.01, 0.1))
    open_side = rng.random()
    return Shares(
        codes, sizes, -INF if open_side < 0.2 else max(low, 0.0), INF if open_side > 0.8 else high
    )


def group_shares(codes: NDArray[np.int64], sizes: Vector, w: Vector) -> Vector:
    """The share of each group relative to its share at w = 1."""
    mass, whole = np.bincount(codes, sizes * w), np.bincount(codes, sizes)
    return np.asarray(mass / whole * (sizes.sum() / (sizes @ w)))


def spent(kind: str, w: Vector) -> float:
    """What a budget limits, at w; of `ess` the share itself, which has to be at least its limit."""
    match kind:
        case "ess":
            return float(w.sum() ** 2 / (w.size * (w @ w)))
        case "norm":
            return float(np.linalg.norm(w - 1.0))
        case "l1":
            return float(np.sum(np.abs(w - 1.0)))
        case _:
            return float(np.sum(w[w > 0] * np.log(w[w > 0])) / w.size)


def charged(draw: Draw, risk: Risk, w: Vector) -> float:
    """The left side of a risk row at w."""
    error = float(np.linalg.norm(draw.spread(risk.index) @ (w - 1.0)))
    return risk.sign * float(draw.numbers[risk.index] @ (w - 1.0)) + risk.times * error


def risky(rng: Rng, draw: Draw) -> Draw:
    """Add noise, most of it shared by all units, and rows about it that hold at the inner point."""
    m, n = draw.response.shape
    sizes = np.maximum(np.abs(draw.numbers).max(axis=1), 1e-3)[None, :, None]
    shared = rng.normal(size=(6, m, 1)) * rng.normal(size=n)
    made = sizes * (0.1 * rng.normal(size=(6, m, n)) + shared)
    draw = evolve(draw, replicates=made.astype(np.float32).astype(np.float64))
    found = []
    for i in rng.choice(m, size=min(m, 2), replace=False).tolist():
        sign, times = float(rng.choice([-1.0, 0.0, 1.0])), float(rng.uniform(0.5, 2.5))
        at = charged(draw, Risk(i, sign, times, 0.0), draw.inside)
        room = float(np.linalg.norm(draw.spread(i))) * float(rng.uniform(0.01, 0.3))
        found.append(Risk(i, sign, times, at + room))
    return evolve(draw, risks=tuple(found))


def budget_of(rng: Rng, kind: str, w: Vector) -> tuple[str, float]:
    """A budget that w stays within, with some room."""
    at, room = spent(kind, w), float(rng.uniform(1.02, 1.5))
    return kind, at / room if kind == "ess" else max(at, 1e-3) * room


def base(rng: Rng) -> Draw:
    """A draw without a cost: response, point, box, rows."""
    m, n = int(rng.integers(1, 13)), int(np.exp(rng.uniform(np.log(20), np.log(400))))
    chi: NDArray[Any] = response_of(rng, m, n)
    if rng.random() < 0.5:
        chi = chi.astype(np.float32)
    w, held = inside_of(rng, n)
    lower, upper = box_of(rng, w, held)
    rows = rows_of(rng, chi.astype(np.float64), w)
    return Draw(chi, w, lower, upper, mean=True, rows=rows)


def program_draw(rng: Rng) -> Draw:
    """A draw of what the Python interface can say."""
    draw = base(rng)
    kind = str(rng.choice(["squares", "maximize", "along"], p=[0.6, 0.25, 0.15]))
    budgets = [k for k in ("ess", "norm", "kl") if rng.random() < 0.25]
    if kind == "maximize" and np.isinf(draw.upper).any() and not budgets:
        budgets = [str(rng.choice(["ess", "norm"]))]
    mean = bool(rng.random() < 0.8 or "ess" in budgets or "kl" in budgets)
    draw = evolve(draw, mean=mean, budgets=tuple(budget_of(rng, k, draw.inside) for k in budgets))
    if rng.random() < 0.4:
        draw = evolve(draw, shares=(shares_of(rng, draw.inside, mean=mean),))
    if kind == "maximize":
        return evolve(draw, cost=Cost("maximize", rows=_combination(rng, draw)))
    if kind == "along":
        return _along(rng, draw)
    return evolve(draw, soft=soft_of(rng, draw) if rng.random() < 0.4 else ())


def pattern_draw(rng: Rng) -> Draw:
    """A draw of what a pattern can say: every cost over the units, on a float32 response."""
    draw = base(rng)
    kinds = ["squares", "magnitudes", "huber", "elastic", "kl"]
    kind = str(rng.choice(kinds))
    budgets = [k for k in ("ess", "norm", "kl", "l1") if rng.random() < 0.25]
    draw = evolve(
        draw,
        response=draw.response.astype(np.float32),
        budgets=tuple(budget_of(rng, k, draw.inside) for k in budgets),
        soft=soft_of(rng, draw) if rng.random() < 0.4 else (),
    )
    draw = evolve(draw, rows=_again(draw))
    if rng.random() < 0.4:
        draw = evolve(draw, shares=(shares_of(rng, draw.inside, mean=True),))
    if rng.random() < 0.25:
        draw = risky(rng, draw)
    plain = kind == "huber"  # the language gives it neither weights nor sides
    weights = None if plain or rng.random() < 0.5 else rng.uniform(0.2, 3.0, size=draw.n)
    up, down = (1.0, 1.0) if plain or rng.random() < 0.5 else rng.uniform(0.3, 3.0, size=2)
    at, ridge = float(rng.uniform(0.1, 1.0)), float(rng.uniform(0.05, 1.0))
    cost = Cost(kind, weights=weights, up=float(up), down=float(down), at=at, ridge=ridge)
    return evolve(draw, cost=cost)


def soft_of(rng: Rng, draw: Draw) -> tuple[tuple[int, float, float], ...]:
    """Soft targets near what the inner point has, over six orders of magnitude of penalty."""
    found = []
    for i, row in enumerate(draw.numbers):
        size = float(np.linalg.norm(row))
        if size > 0 and rng.random() < 0.4:
            target = float(row @ (draw.inside - 1.0)) + size * float(rng.normal())
            found.append((i, target, float(10.0 ** rng.uniform(-3, 3)) / size**2))
    return tuple(found)


def _combination(rng: Rng, draw: Draw) -> tuple[tuple[int, float], ...]:
    m = draw.response.shape[0]
    which = rng.choice(m, size=int(rng.integers(1, min(m, 3) + 1)), replace=False)
    sizes = np.linalg.norm(draw.numbers, axis=1)
    return tuple((int(i), float(rng.normal() / (sizes[i] or 1.0))) for i in which)


def _along(rng: Rng, draw: Draw) -> Draw:
    """Ask for the largest dose along what the inner point does, whose dose is 1."""
    count = int(rng.integers(1, min(draw.response.shape[0], 3) + 1))
    direction = draw.numbers[:count] @ (draw.inside - 1.0)
    if not np.any(direction):
        return draw
    rows = tuple(row for row in draw.rows if row.index >= count)
    cost = Cost("along", rows=tuple(enumerate(direction.tolist())))
    upper = np.minimum(draw.upper, 5.0)
    return evolve(draw, rows=rows, upper=np.maximum(upper, draw.lower), cost=cost)


def _again(draw: Draw) -> tuple[Row, ...]:
    """Equalities at the inner point for a response that was rounded to float32."""
    values = draw.numbers @ (draw.inside - 1.0)
    return tuple(
        Row(r.index, float(values[r.index]), float(values[r.index])) if r.low == r.high else r
        for r in draw.rows
    )


# -- writing ------------------------------------------------------------------------------------
