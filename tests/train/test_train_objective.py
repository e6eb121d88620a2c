"""The objective is Σ w ℓ / Σ w over entries, whole or by minibatches."""

import numpy as np
import pytest
import torch

from pattern_lang.estimate.units import Units
from pattern_lang.ir.program import Schedule
from pattern_lang.ir.susceptibility import UnitTable
from pattern_lang.ir.training import COSINE, LINEAR, Optimizer
from pattern_lang.train.batches import shares, weighted_loss
from pattern_lang.train.optimizers import rate
from pattern_lang.train.order import Order
from pattern_lang.train.steering import Fixed

RANDOM = np.random.default_rng(0)


def units(count: int, of_row: "np.ndarray | None" = None) -> Units:
    table = UnitTable("sample", np.arange(count), np.ones(count), {})
    return Units(table, of_row)


def test_samples() -> None:
    weights, losses = RANDOM.uniform(0, 3, 12).astype(np.float32), RANDOM.normal(size=12)
    found = weighted_loss(torch.from_numpy(losses), shares(weights, units(12), None, 12).steered)
    assert float(found) == pytest.approx((weights * losses).sum() / weights.sum(), rel=1e-6)


def test_groups_weigh_each_of_their_rows() -> None:
    of_row = np.array([0, 0, 0, 1, 1, 2])
    weights, losses = np.array([2.0, 0.5, 1.0], np.float32), RANDOM.normal(size=6)
    found = weighted_loss(
        torch.from_numpy(losses), shares(weights, units(3, of_row), None, 6).steered
    )
    each = weights[of_row]
    assert float(found) == pytest.approx((each * losses).sum() / each.sum(), rel=1e-6)


def test_tokens_and_positions_without_a_loss() -> None:
    entries = np.array([[True, True, False], [True, False, False], [True, True, True]])
    losses = np.where(entries, RANDOM.normal(size=(3, 3)), np.nan)
    weights = RANDOM.uniform(0, 3, 6).astype(np.float32)
    leaf = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    factors = shares(weights, units(6), entries, 3).steered
    found = weighted_loss(leaf * torch.from_numpy(losses), factors)
    expected = (weights * losses[entries]).sum() / weights.sum()
    assert float(found.detach()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("batch", [5, 7, 12])
def test_minibatches_estimate_it_without_bias(batch: int) -> None:
    weights, losses = RANDOM.uniform(0, 3, 12).astype(np.float32), RANDOM.normal(size=12)
    factors, order = shares(weights, units(12), None, 12).steered, Order(12, batch, seed=3)
    steps = [order.rows_of(step) for step in range(12)]  # `batch` epochs
    told = torch.from_numpy(losses)
    mean = np.mean([float(weighted_loss(told[rows], factors[rows])) for rows in steps])
    assert mean == pytest.approx((weights * losses).sum() / weights.sum(), rel=1e-6)


def test_an_order_has_each_row_once_an_epoch() -> None:
    order = Order(10, 4, seed=1)
    seen = torch.cat([order.rows_of(step) for step in range(5)])
    assert sorted(seen[:10].tolist()) == sorted(seen[10:].tolist()) == list(range(10))
    assert seen[:10].tolist() != seen[10:].tolist()
    assert torch.equal(Order(10, 4, seed=1).rows_of(3), order.rows_of(3))
    assert not torch.equal(Order(10, 4, seed=2).rows_of(3), order.rows_of(3))


def test_a_ramp_rises_from_one() -> None:
    weights = np.array([0.0, 2.0], np.float32)
    steering = Fixed(shares(weights, units(2), None, 2), Schedule("ramp", (("steps", 4),)))
    found = [steering.factors(step).tolist() for step in (0, 1, 4, 9)]
    assert found == [[1, 1], [0.75, 1.25], [0, 2], [0, 2]]


def test_rates() -> None:
    linear = Optimizer("sgd", steps=12, batch=1, warmup=2, decay=LINEAR)
    assert [rate(linear, step) for step in (0, 1, 2, 7, 12)] == [0.5, 1, 1, 0.5, 0]
    cosine = Optimizer("sgd", steps=10, batch=1, decay=COSINE)
    assert [rate(cosine, step) for step in (0, 5, 10)] == pytest.approx([1, 0.5, 0])
    assert rate(Optimizer("sgd", steps=3, batch=1), 2) == 1
