"""Draws that are made with the step that sets out from them are the draws that an evaluator makes."""

import math

import pytest
import torch
from torch import Tensor, nn

from pattern_lang.estimate.evaluate import Rows, evaluator
from pattern_lang.estimate.minibatches import Minibatches
from pattern_lang.estimate.moments import Averager
from pattern_lang.estimate.network import Batch, Network, flatten
from pattern_lang.estimate.pathwise import Tangents
from pattern_lang.estimate.recall_rows import ROWS
from pattern_lang.estimate.sharing import Sharing
from pattern_lang.ir.queries import Sampler

COUNT, LENGTH, OTHERS = 11, 5, 4


def network_of(per_position: bool) -> Network:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, LENGTH)).double()

    def loss(batch: Batch) -> Tensor:
        losses = (module(batch["x"]) - batch["y"]).square()
        return losses if per_position else losses.mean(1)

    return flatten(module, loss)


def rows_of(per_position: bool, ordered: bool, rounded: bool) -> Rows:
    torch.manual_seed(1)
    blocks = tuple(
        {"x": torch.randn(n, 3).double(), "y": torch.randn(n, LENGTH).double()}
        for n in (COUNT, OTHERS)
    )
    masks = [torch.rand(n, LENGTH) < 0.7 for n in (COUNT, OTHERS)]
    present = tuple(mask if per_position else None for mask in masks)
    width = int(sum(mask.sum() for mask in masks)) if per_position else COUNT + OTHERS
    order = torch.randperm(width)[: width - 2] if ordered else None
    rounding = torch.rand(width - 2 * ordered).double() if rounded else None
    return Rows(blocks, (3, 3), present, order, COUNT - 2, rounding=rounding)


@pytest.mark.parametrize("per_position", [True, False])
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("size", [4, COUNT - 2])
def test_shared_draws_are_those_of_an_evaluator(
    per_position: bool, ordered: bool, size: int
) -> None:
    network, rows = network_of(per_position), rows_of(per_position, ordered, rounded=False)
    batch = next(Minibatches(rows, size, torch.Generator().manual_seed(2)))
    base = torch.rand(rows.width).double()
    found, expected = torch.empty_like(base), torch.empty_like(base)
    network.unit_loss(batch)
    losses = network.unit_loss(batch).detach()
    Sharing(network, rows)(found, base, batch[ROWS], losses)
    evaluator(network, rows)(expected, base)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("ordered", [True, False])
def test_what_rounding_does_is_taken_from_rounded_losses_alone(ordered: bool) -> None:
    network, rows = network_of(True), rows_of(True, ordered, rounded=True)
    assert rows.rounding is not None
    assert rows.present[0] is not None
    known = torch.tensor([1, 4])
    found, plain = torch.empty_like(rows.rounding), torch.empty_like(rows.rounding)
    losses = network.unit_loss({n: t[known] for n, t in rows.blocks[0].items()}).detach()
    Sharing(network, rows)(found, torch.zeros_like(found), known, losses)
    evaluator(network, rows)(plain, torch.zeros_like(found))
    of_known = torch.zeros(rows.evaluated, dtype=torch.bool)
    starts = rows.present[0].sum(1).cumsum(0)
    of_known[starts[0] : starts[1]] = of_known[starts[3] : starts[4]] = True
    own = of_known if rows.order is None else of_known[rows.order]
    torch.testing.assert_close(found[own], (plain + rows.rounding)[own], rtol=1e-9, atol=1e-9)
    assert not torch.allclose(found[own], plain[own])
    assert torch.equal(found[~own], plain[~own])


def test_derivatives_that_come_with_gradients() -> None:
    network, rows = network_of(False), rows_of(False, ordered=False, rounded=False)
    own = torch.arange(rows.reweighted)
    averager = Averager((own,), torch.ones(1, len(own)), None, len(own), rows.width)
    sampler = Sampler("sgld", 1e-3, 10.0, 100.0, 4, 1, 10, 0, estimator="pathwise")
    anchor = torch.rand(rows.width).double()
    tangents = Tangents(network, rows, averager, anchor, (0,), sampler, 0)
    tangents.values.copy_(torch.randn_like(tangents.values))
    here = torch.empty_like(anchor)
    evaluator(network, rows)(here, anchor)
    expected = tangents.slopes(here[own])
    batch = next(Minibatches(rows, 4, torch.Generator().manual_seed(2)))
    network.gradient(batch)
    found = tangents.push(batch, None, here[own])
    assert found is not None
    assert math.isfinite(float(found.sum()))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)
    assert tangents.push(batch) is None
