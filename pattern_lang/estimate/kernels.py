"""Which kernels make the matrix products of a network: the fastest that are exact.

Torch makes products of float32 by MKL, which on many processors leaves half of the arithmetic
unused, or by oneDNN, once rounding to bfloat16 is allowed. Where oneDNN has no use for that leave,
for want of the instructions, its products are float32 throughout and twice as fast. Small ones are
not, those inside of attention among them: so products are chosen one by one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

SWIFT_TERMS = 1_000_000  # that a product sums; below it, oneDNN's longer calls cost more
_CARELESS = 4.0  # times the error of the plain product; rounded ones have a thousand times it


@contextmanager
def swift_products(terms: int, of: Tensor) -> Iterator[None]:
    """Let oneDNN make products like `of`'s if they sum so many terms, and it is as exact."""
    if terms < SWIFT_TERMS or not suits(of) or not swift_is_exact():
        yield
        return
    with _allowed():
        yield


def suits(tensor: Tensor) -> bool:
    """Return whether there is a choice of kernels for products of such tensors."""
    return tensor.dtype == torch.float32 and tensor.device.type == "cpu"


@cache
def swift_is_exact() -> bool:
    """Return whether oneDNN's products are as exact as plain ones, by making one.

    The answer is the processor's and the library's, so asking once is enough.
    """
    available: Any = torch.backends.mkldnn.is_available
    if not hasattr(_setting(), "fp32_precision") or not available():
        return False
    random = torch.Generator().manual_seed(0)
    a, b = (torch.randn(256, 256, generator=random) for _ in range(2))
    true = a.double() @ b.double()
    plain = _error(a @ b, true)
    with _allowed():
        return _error(a @ b, true) < _CARELESS * plain


class SwiftLinear(TorchFunctionMode):
    """Makes the linear maps of a network by `swift_products`, forward and backward."""

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is torch.nn.functional.linear and not kwargs and suits(args[0]):
            x, weight, *bias = args
            if x.numel() * len(weight) >= SWIFT_TERMS and not torch.is_autocast_enabled("cpu"):
                return _Linear.apply(x, weight, *(bias or [None]))  # type: ignore[no-untyped-call]
        return func(*args, **(kwargs or {}))


class _Linear(torch.autograd.Function):
    """`x Wᵀ + b`, x: (…, d), W: (e, d)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        with swift_products(x.numel() * len(weight), x):
            return torch.nn.functional.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        flat = grad.reshape(-1, grad.shape[-1])
        with swift_products(x.numel() * len(weight), x):
            d_x = (flat @ weight).view(x.shape) if of_x else None
            d_weight = flat.T @ x.reshape(-1, x.shape[-1]) if of_weight else None
        return d_x, d_weight, flat.sum(0) if of_bias else None


@contextmanager
def _allowed() -> Iterator[None]:
    setting = _setting()
    before = setting.fp32_precision
    setting.fp32_precision = "bf16"
    try:
        yield
    finally:
        setting.fp32_precision = before


def _error(found: Tensor, true: Tensor) -> float:
    return (found - true).abs().max().item()


def _setting() -> Any:
    return getattr(torch.backends.mkldnn, "matmul", None)
