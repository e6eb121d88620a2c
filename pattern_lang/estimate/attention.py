"""Attention of a network to itself by plain products, where these are faster than torch's kernel.

Torch's kernel for processors goes through blocks of keys with a small product for each, which short
rows and narrow heads make slow. Here all heads of some rows are one product, made by oneDNN, with
all of their weights in cache.
"""

import math
from typing import Any

import torch
from attrs import frozen
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear, scaled_dot_product_attention

from pattern_lang.estimate.kernels import SWIFT_TERMS, SwiftLinear, swift_products

LONGEST = 256  # positions of a row; beyond, torch's kernel is as fast, which holds no weights
_CHUNK_BYTES = 2 * 2**20  # weights of rows that are worked on at once
_MOST_BYTES = 64 * 2**20  # weights that may be held for the gradient
_NAMES = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
_TYPES = (torch.float32, torch.bfloat16)
_OURS = (linear, scaled_dot_product_attention)


class SwiftProducts(SwiftLinear):
    """Makes attention so as well as linear maps; transforms of functions are left to torch."""

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in _OURS and torch._C._are_functorch_transforms_active():
            return func(*args, **(kwargs or {}))
        if func is scaled_dot_product_attention:
            found = swift_attention(args, kwargs or {})
            return func(*args, **(kwargs or {})) if found is None else found
        return super().__torch_function__(func, types, args, kwargs)


@frozen
class Attention:
    """What one call asks for: rows, heads, positions, the size of a head, the scale, the order."""

    shape: torch.Size
    scale: float
    causal: bool

    @property
    def size(self) -> int:
        """Return how many rows to work on at once."""
        _, heads, length, _ = self.shape
        return max(1, _CHUNK_BYTES // (4 * heads * length**2))

    def parts(self, *tensors: Tensor) -> list[tuple[Tensor, ...]]:
        """Return some rows after the other of tensors (b, h, t, d), each as (b' h, t, d) float32.

        They are copies where a tensor's heads do not follow each other in memory.
        """
        length, width = self.shape[2:]
        pieces = zip(*(torch.split(tensor, self.size) for tensor in tensors), strict=True)
        return [tuple(p.float().reshape(-1, length, width) for p in own) for own in pieces]

    def weights(self, q: Tensor, k: Tensor) -> Tensor:
        """Return the weights of each position's keys, (b' h, t, t)."""
        length = self.shape[2]
        base = q.new_zeros(length, length)
        if self.causal:
            base = torch.full_like(base, -math.inf).triu_(1)
        scores = torch.baddbmm(base, q, k.transpose(1, 2), alpha=self.scale)
        return torch.softmax(scores, -1)

    def room(self, like: Tensor) -> Tensor:
        """Return room for a result (b, h, t, d), in the order in which networks go on with it."""
        rows, heads, length, width = self.shape
        return like.new_empty(rows, length, heads, width).transpose(1, 2)

    def put(self, into: Tensor, found: list[Tensor]) -> Tensor:
        """Write parts (b' h, t, d) into a result."""
        for piece, part in zip(torch.split(into, self.size), found, strict=True):
            piece.copy_(part.view(piece.shape))
        return into


def swift_attention(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
    """Return what scaled_dot_product_attention returns for these arguments, or None.

    None where it is not the attention of positions to each other without a mask of its own, where
    products are too small or rows too long, and where the caller has chosen another kernel.
    """
    if len(args) > len(_NAMES):
        return None
    given = dict(zip(_NAMES, args, strict=False)) | kwargs
    call = _call(given)
    if call is None:
        return None
    q, k, v = (given[name] for name in _NAMES[:3])
    terms = call.shape.numel() * call.shape[2]
    with torch.autocast("cpu", enabled=False), swift_products(terms, q.float()):
        if torch.is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad):
            found: Tensor = _Attention.apply(q, k, v, call)  # type: ignore[no-untyped-call]
            return found
        results = [torch.bmm(call.weights(*own[:2]), own[2]) for own in call.parts(q, k, v)]
        return call.put(call.room(q), results)


def _call(given: dict[str, Any]) -> Attention | None:
    """Return what a call asks for, None where it is left to torch."""
    others = {"scale": None, "is_causal": False, "dropout_p": 0.0, "attn_mask": None}
    if not {*_NAMES[:3]} <= set(given) <= {*others, *_NAMES[:3], "enable_gqa"}:
        return None
    tensors = [given[name] for name in _NAMES[:3]]
    if not _are_alike(tensors):
        return None
    asked = others | given
    plain = asked["attn_mask"] is None and asked["dropout_p"] == 0 and not asked.get("enable_gqa")
    shape = tensors[0].shape
    rows, heads, length, width = shape
    enough = shape.numel() * length >= SWIFT_TERMS and length <= LONGEST
    held = 4 * rows * heads * length**2 <= _MOST_BYTES
    usual: Any = torch.backends.cuda.flash_sdp_enabled  # not where a caller asks for another kernel
    if not (plain and enough and held and usual()):
        return None
    scale = 1 / math.sqrt(width) if asked["scale"] is None else float(asked["scale"])
    return Attention(shape, scale, bool(asked["is_causal"]))


def _are_alike(tensors: list[Any]) -> bool:
    first = tensors[0]
    return all(
        type(tensor) in (Tensor, torch.nn.Parameter)
        and tensor.dim() == 4
        and tensor.device.type == "cpu"
        and tensor.dtype in _TYPES
        and tensor.shape == first.shape
        and tensor.dtype == first.dtype
        for tensor in tensors
    )


class _Attention(torch.autograd.Function):
    """The same, with weights kept for the gradient."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, call: Attention) -> Tensor:
        weights, results = [], []
        for a, b, c in call.parts(q, k, v):
            weights.append(call.weights(a, b))
            results.append(torch.bmm(weights[-1], c))
        ctx.save_for_backward(q, k, v, *weights)
        ctx.call = call
        return call.put(call.room(q), results)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, *weights = ctx.saved_tensors
        call: Attention = ctx.call
        found: list[list[Tensor]] = [[], [], []]
        with swift_products(call.shape.numel() * call.shape[2], weights[0]):
            for p, (a, b, c, g) in zip(weights, call.parts(q, k, v, grad), strict=True):
                of_weights = torch.bmm(g, c.transpose(1, 2))
                of_scores = torch._softmax_backward_data(of_weights, p, -1, p.dtype)
                found[0].append(torch.bmm(of_scores, b).mul_(call.scale))
                found[1].append(torch.bmm(of_scores.transpose(1, 2), a).mul_(call.scale))
                found[2].append(torch.bmm(p.transpose(1, 2), g))
        return *(call.put(call.room(q), parts) for parts in found), None
