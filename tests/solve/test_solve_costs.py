"""Costs of units and numbers in w, beside a general-purpose optimiser on the same program."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.optimize
from numpy.typing import NDArray
from solve_samples import box, estimate, goal, pattern, require, response

from pattern_lang.diagnostics import PatternError
from pattern_lang.ir import program as ir
from pattern_lang.ir.sources import Comparison, RowField, RowLiteral
from pattern_lang.semantics.units import Unit
from pattern_lang.solve import solve_pattern

Vector = NDArray[np.float64]
N = 10
RNG = np.random.default_rng(5)
CHI = response(RNG, 2, N).astype(np.float32)
PRICE = RNG.uniform(0.2, 3.0, N)
CAP = RNG.uniform(1.2, 3.0, N)
KIND = np.arange(N) % 3
FIELDS = {"price": PRICE, "cap": CAP, "kind": KIND}
A, B = ir.Predicted("a", Unit.NATS), ir.Predicted("b", Unit.NATS)
RIDGE = 1e-3


def cost(kind: str, **more: object) -> ir.Expression:
    atom = ir.UnitCost(kind, 1.0, -1.0, **more)  # type: ignore[arg-type]
    return ir.Expression(((1.0, atom), (RIDGE, ir.SumSquares(1.0, -1.0))))


def weights(objective: ir.Expression, *constraints: ir.Constraint, goals: int = 1) -> Vector:
    """Solve with one goal, `shift a by 0.4`, and weights at least 0."""
    made = pattern([goal("shift", "a", 0.4)][:goals], [*constraints, *box(0, 1e3)], objective)
    solution = solve_pattern(made, estimate(CHI.astype(np.float64), fields=FIELDS))
    assert solution.status == "optimal", solution
    assert solution.weights is not None
    return solution.weights.astype(np.float64)


def signed(z: Vector, up: float, down: float) -> Vector:
    return np.where(z > 0, up, down)


def huber(z: Vector, at: float) -> Vector:
    size = np.abs(z)
    return np.where(size <= at, z * z, at * (2 * size - at))


COSTS: dict[str, tuple[ir.Expression, Callable[[Vector], float]]] = {
    "weighted": (
        cost("squares", weighted=RowField("price")),
        lambda z: float(PRICE @ z**2),
    ),
    "asymmetric": (
        cost("squares", up=4.0, down=0.5),
        lambda z: float(signed(z, 4, 0.5) @ z**2),
    ),
    "one_sided": (cost("squares", down=0.0), lambda z: float((z > 0) @ z**2)),
    "magnitudes": (
        cost("magnitudes", weighted=RowField("price"), up=2.0),
        lambda z: float((PRICE * signed(z, 2, 1)) @ np.abs(z)),
    ),
    "huber": (cost("huber", at=0.2), lambda z: float(np.sum(huber(z, 0.2)))),
}


@pytest.mark.parametrize("name", sorted(COSTS))
def test_costs_of_units(name: str) -> None:
    objective, value = COSTS[name]

    def whole(w: Vector) -> float:
        z = w - 1
        return value(z) + RIDGE * float(z @ z)

    w = weights(objective)
    assert w.mean() == pytest.approx(1, abs=1e-6)
    assert CHI[0].astype(float) @ (w - 1) == pytest.approx(0.4, abs=1e-6)
    assert whole(w) == pytest.approx(_least(whole), rel=1e-5)


def _least(value: Callable[[Vector], float]) -> float:
    """The least value that SLSQP finds from several starts; it is no lower bound, nor convex."""
    row = CHI[0].astype(np.float64)
    limits = (
        {"type": "eq", "fun": lambda w: w.mean() - 1},
        {"type": "eq", "fun": lambda w: row @ (w - 1) - 0.4},
    )
    starts = [np.ones(N), *np.random.default_rng(0).uniform(0.5, 1.5, (6, N))]
    found = [
        scipy.optimize.minimize(
            value,
            start,
            method="SLSQP",
            bounds=[(0, None)] * N,
            constraints=limits,
            options={"maxiter": 2000, "ftol": 1e-14},
        )
        for start in starts
    ]
    return min(float(item.fun) for item in found if item.success)


def test_huber_is_a_sum_of_squares_where_no_unit_is_far() -> None:
    plain = weights(ir.Expression(((1.0 + RIDGE, ir.SumSquares(1.0, -1.0)),)))
    assert weights(cost("huber", at=50.0)) == pytest.approx(plain, abs=1e-5)


def test_bounds_of_each_unit() -> None:
    below = require((1.0, ir.Entries()), (-1.0, ir.UnitNumber(RowField("cap"))))
    w = weights(ir.Expression(((-1.0, B), (RIDGE, ir.SumSquares(1.0, -1.0)))), below)
    assert np.all(w <= CAP + 1e-6)
    assert np.sum(np.abs(w - CAP) < 1e-5) >= 2  # the program pushes against them


def test_units_that_are_frozen_and_dropped() -> None:
    def when(kind: int) -> Comparison:
        return Comparison("==", RowField("kind"), RowLiteral(kind))

    entries = (1.0, ir.Entries())
    frozen = require(entries, constant=-1.0, equality=True, only=when(0))
    dropped = require(entries, constant=0.0, equality=True, only=when(1))
    w = weights(ir.Expression(((1.0, ir.SumSquares(1.0, -1.0)),)), frozen, dropped)
    assert np.all(w[KIND == 0] == 1)
    assert np.all(w[KIND == 1] == 0)
    assert w.mean() == pytest.approx(1, abs=1e-6)


def test_a_constraint_on_some_units_that_is_no_bound() -> None:
    some = Comparison("==", RowField("kind"), RowLiteral(2))
    near = require((1.0, ir.Entries()), (-0.05, B), constant=-1.0, only=some)
    w = weights(ir.Expression(((1.0, ir.SumSquares(1.0, -1.0)),)), near)
    limit = 0.05 * float(CHI[1].astype(float) @ (w - 1)) + 1
    assert np.max(w[KIND == 2]) <= limit + 1e-6
    free = weights(ir.Expression(((1.0, ir.SumSquares(1.0, -1.0)),)))
    loose = 0.05 * float(CHI[1].astype(float) @ (free - 1)) + 1
    assert np.max(free[KIND == 2]) > loose  # it binds


def test_no_unit_for_a_constraint() -> None:
    never = Comparison("==", RowField("kind"), RowLiteral(7))
    limit = require((1.0, ir.Entries()), constant=-2.0, only=never)
    with pytest.raises(PatternError, match="PAT5009"):
        weights(ir.Expression(((1.0, ir.SumSquares(1.0, -1.0)),)), limit)


@pytest.mark.parametrize(
    ("field", "values"),
    [("price", -PRICE), ("price", np.full(N, np.inf)), ("price", np.array(["x"] * N))],
)
def test_prices_that_are_no_weights(
    field: str, values: Vector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FIELDS, field, values)
    with pytest.raises(PatternError, match="PAT5009"):
        weights(COSTS["weighted"][0])


def part(*terms: tuple[float, ir.Atom], constant: float = 0.0) -> ir.Expression:
    return ir.Expression(terms, constant)


def test_soft_targets() -> None:
    # Σx² + 50 (r·x - 0.4)² has the closed form x = 50 t / (1 + 50 ‖r‖²) r where nothing binds.
    row = CHI[0].astype(np.float64)
    row = row - row.mean()
    missed = ir.Joined("squares", (part((1.0, A), constant=-0.01),))
    w = weights(part((1.0, ir.SumSquares(1.0, -1.0)), (50.0, missed)), goals=0)
    assert w - 1 == pytest.approx(0.5 / (1 + 50 * row @ row) * row, abs=1e-6)


def test_magnitudes_norms_and_worst_cases() -> None:
    far = (part((1.0, A), constant=-3.0), part((1.0, B), constant=-3.0))
    ridge = (RIDGE, ir.SumSquares(1.0, -1.0))
    rows = CHI.astype(np.float64)
    caps = require((1.0, ir.Entries()), constant=-2.0)
    ways = {"norm": np.linalg.norm, "magnitudes": lambda m: np.abs(m).sum(), "largest": np.max}
    found = {}
    for kind in ways:
        w = weights(part((1.0, ir.Joined(kind, far)), ridge), caps, goals=0)
        missed = rows @ (w - 1) - 3.0
        found[kind] = {name: float(way(missed)) for name, way in ways.items()}
    # Each does best, among the three answers, at what it was asked for.
    for kind in ways:
        least = min(answer[kind] for answer in found.values())
        assert found[kind][kind] <= least + 1e-2


def test_angle_to_a_direction() -> None:
    # Shifts within 8 degrees of (0.6, 0.8): the norm is at most the projection over cos 8°.
    cosine = np.cos(np.deg2rad(8))
    along = ((-0.6 / cosine, A), (-0.8 / cosine, B))
    cone = require((1.0, ir.Joined("norm", (part((1.0, A)), part((1.0, B))))), *along)
    w = weights(part((1.0, ir.SumSquares(1.0, -1.0))), cone)
    r = CHI.astype(np.float64) @ (w - 1)
    angle = np.rad2deg(np.arccos(r @ [0.6, 0.8] / np.linalg.norm(r)))
    free = CHI.astype(np.float64) @ (weights(part((1.0, ir.SumSquares(1.0, -1.0)))) - 1)
    assert angle == pytest.approx(8, abs=1e-3)
    assert np.rad2deg(np.arccos(free @ [0.6, 0.8] / np.linalg.norm(free))) > 9


def test_parts_of_shares() -> None:
    mass = ir.ShareMass(Comparison("==", RowField("kind"), RowLiteral(0)))
    near = require(
        (1.0, ir.Joined("magnitudes", (part((1.0, mass), constant=-1.2),))), constant=-0.1
    )
    w = weights(part((1.0, ir.SumSquares(1.0, -1.0))), near)
    share = w[KIND == 0].sum() / w.sum() / np.mean(KIND == 0)
    assert 1.1 - 1e-6 <= share <= 1.3 + 1e-6
