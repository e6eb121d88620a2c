"""Attention of which only some heads move: what the other heads give is kept as it is at θ*.

A component that is a block of a projection moves some of what the projection gives. Views of that
are followed up to `scaled_dot_product_attention`, whose heads do not see each other. Which entries
of a result can move is told by making the same calls of masks, so that nothing is assumed about how
heads are laid out. Where something else is done on the way, all heads are computed.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from attrs import define, field, frozen
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from pattern_lang.estimate.known import Tokens
from pattern_lang.estimate.prefix import (
    NOTHING,
    Call,
    Held,
    Key,
    Look,
    Program,
    Token,
    filled,
    tensors_in,
    visit,
)

_VIEWS = {
    "view", "reshape", "permute", "transpose", "unbind", "chunk", "split", "__getitem__", "flatten",
    "contiguous", "unflatten", "squeeze", "unsqueeze", "movedim", "select", "swapaxes", "narrow",
    "clone", "cat", "t",
}  # fmt: skip
_EACH = {
    "mul", "add", "sub", "div", "neg", "__mul__", "__rmul__", "__add__", "__radd__", "__sub__",
    "__truediv__", "__neg__",
}  # fmt: skip
_PRODUCTS = {"linear", "addmm", "matmul", "__matmul__", "mm", "einsum"}
_ADDED = {"linear": 2, "addmm": 0}  # which operand of a product is added to it
_ATTENTION = functional.scaled_dot_product_attention


@frozen(eq=False)
class Portion:
    """A parameter that moves in part: `anchor` is its values at θ*, `mask` tells what moves."""

    parameter: Tensor
    anchor: Tensor
    mask: Tensor


Portions = Mapping[Token, Portion]
Span = tuple[int, int]  # the first of some heads, and their number


def known_by(parameter: Tensor) -> Token:
    """Return what a parameter is known by that moves in part."""
    return "moving", id(parameter)


@define(eq=False)
class PartTokens(Tokens):
    """Which tensors are known of which a part moves, as long as nothing changes them in place."""

    frozen: Tokens = field(kw_only=True)
    versions: dict[int, int] = field(factory=dict, init=False)

    @classmethod
    def of_pass(cls, frozen_tokens: Tokens, portions: Portions) -> "PartTokens":
        """Begin a pass, in which results are known as ("part", number)."""
        tokens = cls(frozen=frozen_tokens)
        for token, portion in portions.items():
            tokens.add(portion.parameter, token)
        return tokens

    def add(self, tensor: Tensor, token: Token) -> None:
        """Know a tensor from now on."""
        super().add(tensor, token)
        self.versions[id(tensor)] = tensor._version

    def of(self, tensor: Tensor) -> Token | None:
        """Return what a tensor is known by."""
        own = super().of(tensor)
        if own is None:
            return self.frozen.of(tensor)
        return own if tensor._version == self.versions[id(tensor)] else None

    def moving_key(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Key | None:
        """Return what a call is known by that reads what moves in part; None for other calls."""
        if not self.by_id or not any(map(self.moves, tensors_in((args, kwargs)))):
            return None
        return self.key(func, args, kwargs)

    def moves(self, tensor: Tensor) -> bool:
        """Tell whether a tensor is known to move in part."""
        return super().of(tensor) is not None

    def know(self, found: Any, numbers: tuple[int, ...]) -> None:
        """Know the results of a call from now on; those that are its argument are known."""
        parts = (found,) if isinstance(found, Tensor) else found
        for part, number in zip(parts, numbers, strict=True):
            if not self.moves(part):
                self.add(part, ("part", number))


@define(eq=False)
class Watch:
    """What is noted of calls that move in part; their results are numbered from -2 downwards."""

    tokens: PartTokens
    calls: list[Call] = field(factory=list, init=False)
    looks: dict[int, Look] = field(factory=dict, init=False)
    numbers: dict[Key, tuple[int, ...]] = field(factory=dict, init=False)

    def note(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], found: Any) -> None:
        """Note a call if it can be followed."""
        key = self.tokens.moving_key(func, args, kwargs)
        if key is None or not self._is_followed(func, args, kwargs):
            return
        parts = (found,) if isinstance(found, Tensor) else found
        if not isinstance(parts, tuple | list) or not all(type(part) is Tensor for part in parts):
            return
        if torch._C._functorch.maybe_current_level() is not None:
            return
        if key not in self.numbers:
            first = NOTHING - 1 - len(self.looks)
            own = tuple(range(first, first - len(parts), -1))
            self.looks |= dict(zip(own, map(Look.of, parts), strict=True))
            self.numbers[key] = own
            own_args, own_kwargs = filled((args, kwargs), self._held)
            call = Call(func, own_args, own_kwargs, key, own, type(found), masked=False)
            self.calls.append(call)
        self.tokens.know(found, self.numbers[key])

    def _held(self, tensor: Tensor) -> Held:
        token = self.tokens.of(tensor)
        assert token is not None  # or there were no key
        return Held(token)

    def _is_followed(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        name, tensors = _name(func), tensors_in((args, kwargs))
        moving = sum(map(self.tokens.moves, tensors))
        if func is _ATTENTION:
            others = [tensor for tensor in tensors if not any(tensor is part for part in args[:3])]
            return _is_by_head(*args, **kwargs) and not any(map(self.tokens.moves, others))
        if name in _VIEWS:  # no index that could pick by value
            return name == "cat" or moving == len(tensors)
        if name in _PRODUCTS:  # of one factor that moves, so that masks can be multiplied
            added = args[_ADDED[name]] if name in _ADDED and len(args) > _ADDED[name] else None
            return not kwargs and moving - (added is not None and self.tokens.moves(added)) <= 1
        return name in _EACH

    def stop(self) -> None:
        """Follow nothing: something may have changed unseen."""
        self.calls.clear()
        self.tokens.by_id.clear()

    def leading(self, usable: Callable[[int], bool]) -> tuple[Call, ...]:
        """Return the calls that lead to attention, from results that can be used."""
        good: list[Call] = []
        made: set[int] = set()
        for call in self.calls:
            sources = call.sources() - {NOTHING}
            if all(number in made if number < 0 else usable(number) for number in sources):
                good.append(call)
                made |= set(call.results)
        needed: set[int] = set()
        for call in reversed(good):
            if call.function is _ATTENTION or needed & set(call.results):
                needed |= call.sources() | set(call.results)
        return tuple(call for call in good if needed & set(call.results))


def is_attention(call: Call) -> bool:
    """Tell whether a call is one of which some heads may be computed alone."""
    return call.function is _ATTENTION


def moved_heads(
    program: Program, portions: Portions, fields: Mapping[str, Tensor]
) -> dict[Key, tuple[int, Span]]:
    """Return which heads of each attention move, where it is not all, and the result's number."""
    masks: dict[int, Tensor] = {}
    found: dict[Key, tuple[int, Span]] = {}

    def put(held: Held) -> Tensor:
        """Return what of a tensor moves."""
        kind, name = held.token
        if held.number in masks:
            return masks[held.number]
        if kind == "moving" and held.token in portions:
            return portions[held.token].mask
        shape = (
            program.looks[held.number].shape
            if kind == "result"
            else (fields[str(name)] if kind == "field" else program.constants[held.token][0]).shape
        )
        return torch.tensor(kind == "moving").expand(shape)

    for call in program.parts:
        if is_attention(call):
            each = torch.stack([_by_head(put(part)) for part in call.args[:3]])
            heads = each.any(0).nonzero()[:, 0].tolist() or [0]
            span = heads[0], heads[-1] - heads[0] + 1
            if span[1] < each.shape[1]:
                found[call.key] = call.results[0], span
            continue
        made = _masks(call, put)
        parts = (made,) if isinstance(made, Tensor) else made
        masks |= dict(zip(call.results, parts, strict=True))
    return found


def attended(base: Tensor, span: Span, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    """Return attention of which a span of heads is computed, and the others are those of `base`."""
    q, k, v = (part.narrow(-3, *span) for part in args[:3])
    part = _ATTENTION(q, k, v, *args[3:], **kwargs)
    found: Tensor = _Mended.apply(part, base, span)  # type: ignore[no-untyped-call]
    return found


class _Mended(torch.autograd.Function):
    """A copy of `base` with some heads put in their place."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, base: Tensor, span: Span) -> Tensor:
        ctx.span = span
        whole = base.clone()
        whole.narrow(-3, *span).copy_(part)
        return whole

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return grad.narrow(-3, *ctx.span), None, None


def _is_by_head(
    query: Tensor,
    key: Tensor | None = None,
    value: Tensor | None = None,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    *_: Any,
    **__: Any,
) -> bool:
    """Tell whether heads, third from the last, are as many in all, and treated alike."""
    if key is None or value is None or query.ndim < 3:
        return False
    even = query.shape[-3] == key.shape[-3] == value.shape[-3]
    alike = attn_mask is None or attn_mask.ndim < 3 or attn_mask.shape[-3] == 1
    return even and alike and dropout_p == 0


def _by_head(mask: Tensor) -> Tensor:
    """Return which heads move, from what moves of (…, heads, N, w)."""
    return mask.movedim(-3, 0).flatten(1).any(1)


def _masks(call: Call, put: Callable[[Held], Tensor]) -> Any:
    """Return what moves of the results of a call."""
    name = _name(call.function)
    if name in _VIEWS:
        return call.function(*filled(call.args, put, Held), **filled(dict(call.kwargs), put, Held))
    if name in _EACH:
        own: list[Tensor] = []
        visit((call.args, dict(call.kwargs)), lambda held: own.append(put(held)))
        return torch.stack(torch.broadcast_tensors(*own)).any(0)  # type: ignore[no-untyped-call]
    added = call.args[_ADDED[name]] if name in _ADDED and len(call.args) > _ADDED[name] else None

    def factor(held: Held) -> Tensor:
        """Return ones for what is multiplied with what moves."""
        moves = held is added or held.token[0] in ("part", "moving")
        return put(held).float() if moves else torch.ones(put(held).shape)

    return call.function(*filled(call.args, factor, Held)) > 0


def _name(func: Any) -> str:
    transposed = func in (Tensor.T.__get__, Tensor.mT.__get__)  # type: ignore[attr-defined]
    return "t" if transposed else getattr(func, "__name__", "")
