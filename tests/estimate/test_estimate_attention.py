"""Attention by plain products is torch's own, to rounding, and leaves alone what it cannot do."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from pattern_lang.estimate.attention import SwiftProducts, swift_attention

Heads = tuple[Tensor, Tensor, Tensor]


def heads(rows: int, count: int, length: int, width: int) -> Heads:
    torch.manual_seed(length)
    x = torch.randn(rows, length, 3, count, width, requires_grad=True)
    q, k, v = x.permute(2, 0, 3, 1, 4)
    return q, k, v


def both(attend: Callable[[], Tensor], of: Heads) -> list[Tensor]:
    found = attend()
    shares = torch.linspace(-1, 1, found.numel()).view(found.shape)
    return [found, *torch.autograd.grad(found, of, shares)]


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("rows", "count", "length"), [(9, 8, 128), (32, 4, 48), (3, 4, 200)])
def test_results_and_gradients(causal: bool, rows: int, count: int, length: int) -> None:
    own = heads(rows, count, length, 16)

    def attend() -> Tensor:
        return scaled_dot_product_attention(*own, is_causal=causal, scale=0.3)

    plain = both(attend, own)
    with SwiftProducts():
        swift = both(attend, own)
    with SwiftProducts(), torch.no_grad():
        alone = attend()
    assert "Flash" not in type(swift[0].grad_fn).__name__
    assert torch.equal(alone, swift[0])
    for a, b in zip(plain, swift, strict=True):
        assert a.stride() == b.stride() or a is not plain[0]
        torch.testing.assert_close(a, b, rtol=1e-4, atol=2e-5)


def test_autocast_keeps_its_type_and_is_rounded_once() -> None:
    own = [part.detach().bfloat16() for part in heads(9, 8, 128, 16)]
    exact = scaled_dot_product_attention(*(part.double() for part in own), is_causal=True)
    with torch.autocast("cpu", torch.bfloat16), SwiftProducts(), torch.no_grad():
        found = scaled_dot_product_attention(*own, is_causal=True)
    assert found.dtype == torch.bfloat16
    assert bool(((found.double() - exact).abs() <= 2**-8 * exact.abs() + 1e-6).all())


def test_what_is_left_to_torch() -> None:
    q, k, v = heads(9, 8, 128, 16)
    assert swift_attention((q, k, v), {"is_causal": True}) is not None
    assert swift_attention((q, k, v, torch.zeros(128, 128)), {}) is None
    assert swift_attention((q, k, v, None, 0.1), {}) is None
    assert swift_attention((q, k[:, :, :64], v[:, :, :64]), {}) is None
    assert swift_attention((q, k, v), {"enable_gqa": True}) is None
    assert swift_attention((q.double(), k.double(), v.double()), {}) is None
    assert swift_attention((q[:1], k[:1, :1], v[:1, :1]), {}) is None
    assert swift_attention(heads(1, 1, 8, 4), {}) is None
    assert swift_attention(heads(1, 4, 300, 16), {}) is None
    with sdpa_kernel(SDPBackend.MATH):
        assert swift_attention((q, k, v), {}) is None


def test_transforms_of_functions_are_left_to_torch() -> None:
    q, k, v = (part.detach() for part in heads(9, 8, 128, 16))
    weight = torch.randn(16, 16) / 4

    def loss(weight: Tensor) -> Tensor:
        mapped = torch.nn.functional.linear(q, weight)
        with sdpa_kernel(SDPBackend.MATH):
            return scaled_dot_product_attention(mapped, k, v).square().mean()

    plain = torch.func.grad(loss)(weight)
    with SwiftProducts():
        swift = torch.func.grad(loss)(weight)
    torch.testing.assert_close(plain, swift)
    assert math.isfinite(float(plain.sum()))
