"""Budgets that bind two at a time, beside every cost, against programs written for Clarabel."""

import numpy as np
import pytest
from attrs import evolve
from clarabel_reference import SOLVED, price, reference, violation
from random_programs import Cost, Draw, Vector, base, spent
from written_programs import pattern_of

from pattern_lang.solve import solve_pattern

KINDS = ("squares", "magnitudes", "huber", "elastic", "kl")
PAIRS = (("ess", "kl"), ("ess", "l1"), ("kl", "l1"), ("norm", "ess"), ("kl",), ("norm", "kl"))
MANY = 240
# Every pair and every cost among them.
FEW = frozenset({100, 105, 106, 111, 117, 118, 124, 129})


def drawn(seed: int) -> tuple[Draw, Vector] | None:
    """A program whose budgets are a little less than it would spend without each."""
    rng = np.random.default_rng(seed)
    draw = base(rng)
    draw = evolve(draw, response=draw.response.astype(np.float32), rows=())
    numbers = draw.numbers @ (draw.inside - 1.0)
    kind, names = KINDS[seed % 5], PAIRS[(seed // 5) % len(PAIRS)]
    weights = None if kind in ("elastic", "kl") else rng.uniform(0.2, 3.0, draw.n)
    up, down = rng.uniform(0.3, 3.0, 2).tolist()
    at, ridge = float(rng.uniform(0.1, 1.0)), float(rng.uniform(0.05, 1.0))
    cost = Cost(kind, weights=weights, up=up, down=down, at=at, ridge=ridge)
    sizes = np.linalg.norm(draw.numbers, axis=1)
    soft = tuple(
        (i, 3.0 * float(v), 10.0 / float(size) ** 2)
        for i, (v, size) in enumerate(zip(numbers, sizes, strict=True))
        if size > 0
    )
    draw = evolve(draw, cost=cost, soft=soft)
    status, w, _ = reference(draw)
    for place, name in enumerate(names):
        at_most = spent(name, np.maximum(w, 0.0))
        if status not in SOLVED or not at_most > 1e-3:
            return None
        room = 0.999 if place else 0.9
        limit = min(at_most / room, 1.0) if name == "ess" else at_most * room
        draw = evolve(draw, budgets=(*draw.budgets, (name, float(limit))))
        status, w, _ = reference(draw)
    return (draw, w) if status in SOLVED else None


def seeds() -> list[object]:
    return [
        pytest.param(i, marks=() if i in FEW else pytest.mark.slow) for i in range(100, 100 + MANY)
    ]


@pytest.mark.parametrize("seed", seeds())
def test_two_budgets_at_once(seed: int) -> None:
    made = drawn(seed)
    if made is None:
        assert seed not in FEW
        pytest.skip("these budgets leave no program")
    draw, best = made
    solution = solve_pattern(*pattern_of(draw))
    assert solution.status == "optimal"
    assert solution.weights is not None
    w = solution.weights.astype(np.float64)
    assert violation(draw, w) <= 1e-7 + 1.2e-7
    least = price(draw, best)
    assert price(draw, w) <= least + 1e-6 * max(abs(least), 1e-2)
