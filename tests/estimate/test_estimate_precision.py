"""Fast products: exact where they are said to be, and rounded only where that is harmless."""

import attrs
import numpy as np
import pytest
import torch
from estimate_samples import World, ask, observable, run, sgld
from torch import nn

from pattern_lang.estimate import kernels, products, sampling
from pattern_lang.estimate.kernels import SwiftLinear, swift_is_exact, swift_products
from pattern_lang.estimate.precision import Rounding
from pattern_lang.ir.observables import Loss
from pattern_lang.ir.queries import Queries
from pattern_lang.losses import token_losses

BFLOAT16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
needs_bfloat16 = pytest.mark.skipif(not BFLOAT16, reason="no bfloat16 products here")

LANGUAGE_MODEL = """
    import torch
    from torch import nn
    from pattern_lang.losses import next_token_losses

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(512, 64)
            self.inner = nn.Linear(64, 256)
            self.outer = nn.Linear(256, 64)
            self.unembed = nn.Linear(64, 512)

        def unit_loss(self, batch):
            x = self.embed(batch["ids"]).cumsum(1)
            x = x + self.outer(torch.tanh(self.inner(x)))
            losses = next_token_losses(x, self.unembed.weight, batch["ids"], self.unembed.bias)
            return losses[:, :-1].mean(1)

    def build():
        return Net()
"""
ROWS = """
    import random

    def train():
        random.seed(0)
        return [{"ids": [random.randrange(512) for _ in range(32)]} for _ in range(32)]
"""


@pytest.fixture
def language(world: World) -> Queries:
    world.write("model.py", LANGUAGE_MODEL)
    world.write("data.py", ROWS)
    model, data = world.model(), world.data()
    settings = {"step": 2e-3, "nbeta": 30.0, "localization": 100.0, "batch": 8, "burn_in": 20}
    return ask(data, [observable("l", Loss(model, data))], sgld(**settings, chains=2, draws=60))


@needs_bfloat16
def test_rounding_is_harmless_to_susceptibilities(
    world: World, language: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounded = run(world, language, fresh=True)
    figures = dict(rounded.diagnostics[0].figures)
    assert figures["loss_bits"] == 16
    assert 0 < figures["loss_rounding"] < 0.5 / np.sqrt(120)
    monkeypatch.setattr(products, "_supported", lambda: False)
    exact = run(world, language, fresh=True)
    assert "loss_bits" not in dict(exact.diagnostics[0].figures)
    a, b = rounded.susceptibility, exact.susceptibility
    assert not np.array_equal(a.chi, b.chi)
    moved = np.sqrt(np.mean((a.chi - b.chi) ** 2))
    assert moved < 0.1 * np.sqrt(np.mean(b.stderr**2))
    assert a.mean == pytest.approx(b.mean, abs=0.1 * float(b.sd[0]))
    for one, other in zip(rounded.traces, exact.traces, strict=True):
        assert not np.array_equal(one.loss, other.loss)


@needs_bfloat16
def test_the_same_bits_from_two_processes(world: World, language: Queries) -> None:
    few = attrs.evolve(language, sampler=attrs.evolve(language.sampler, draws=20))
    one, two = (run(world, few, fresh=True, workers=workers) for workers in (1, 2))
    assert dict(one.diagnostics[0].figures)["loss_bits"] == 16
    assert np.array_equal(one.susceptibility.chi, two.susceptibility.chi)
    assert one.diagnostics[0].figures == two.diagnostics[0].figures


def test_code_that_takes_no_bfloat16(world: World, language: Queries) -> None:
    mixed = "x = x.index_add(0, torch.arange(len(x)), self.outer(torch.tanh(self.inner(x))))"
    text = LANGUAGE_MODEL.replace("x = x + self.outer(torch.tanh(self.inner(x)))", mixed)
    assert text != LANGUAGE_MODEL
    world.write("model.py", text)
    found = run(world, language)
    assert "loss_bits" not in dict(found.diagnostics[0].figures)


def test_small_networks_stay_as_they_are(world: World, language: Queries) -> None:
    world.write("model.py", LANGUAGE_MODEL.replace("256", "4").replace("64", "4"))
    found = run(world, language)
    assert found.diagnostics[0].figures == ()


def test_rounding_is_judged_by_the_draws() -> None:
    assert Rounding(0.01, 0.001).below(400)
    assert not Rounding(0.01, 0.001).below(4000)
    assert not Rounding(0.01, 0.2).below(400)
    assert not Rounding(float("inf"), 0.0).below(1)


@pytest.fixture
def small_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "SWIFT_TERMS", 1)


def test_products_by_onednn_are_exact() -> None:
    random = torch.Generator().manual_seed(1)
    a, b = torch.randn(300, 200, generator=random), torch.randn(200, 500, generator=random)
    true = a.double() @ b.double()
    plain = (a @ b - true).abs().max()
    with swift_products(a.numel() * 500, a):
        found = (a @ b - true).abs().max()
    assert found <= 4 * plain
    before = torch.backends.mkldnn.matmul.fp32_precision
    with pytest.raises(ZeroDivisionError), swift_products(10**9, a):
        1 / 0  # noqa: B018
    assert torch.backends.mkldnn.matmul.fp32_precision == before
    assert isinstance(swift_is_exact(), bool)


@pytest.mark.usefixtures("small_terms")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("frozen", ["none", "weight", "input"])
def test_gradients_of_linear_maps(bias: bool, frozen: str) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(64, 48, bias=bias)
    x = torch.randn(3, 50, 64, requires_grad=frozen != "input")
    layer.weight.requires_grad_(frozen != "weight")
    moving = [p for p in (x, *layer.parameters()) if p.requires_grad]

    def gradients() -> list[torch.Tensor]:
        loss = torch.tanh(layer(x)).square().sum()
        first = torch.autograd.grad(loss, moving, create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), moving)
        return [*first, *second]

    plain = gradients()
    with SwiftLinear():
        swift = gradients()
    for a, b in zip(plain, swift, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * float(a.detach().abs().max()))


def test_autocast_rounds_products_but_not_the_targets_logit() -> None:
    torch.manual_seed(0)
    hidden, weight, bias = torch.randn(40, 64), torch.randn(700, 64) / 4, torch.randn(700)
    targets = torch.randint(700, (40,))
    with torch.no_grad():
        true = token_losses(hidden.double(), weight.double(), targets, bias.double())
        exact = token_losses(hidden, weight, targets, bias)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = token_losses(hidden, weight, targets, bias)
            rough = nn.functional.cross_entropy(
                nn.functional.linear(hidden, weight, bias), targets, reduction="none"
            )
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(exact.double(), true, rtol=0, atol=1e-5)
    error = (rounded.double() - true).square().mean().sqrt()
    assert 0 < error < 0.6 * (rough.double() - true).square().mean().sqrt()


def test_the_choice_is_made_for_what_was_not_sampled_yet(
    world: World, language: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    settled = sampling.settled
    monkeypatch.setattr(sampling, "settled", lambda *a: asked.append(1) or settled(*a))
    run(world, language)
    more = [*language.observables, observable("twice", (2.0, language.observables[0].terms[0][1]))]
    run(world, ask(language.reweight.data, more, language.sampler))
    assert asked == [1]
