"""Watching a forward pass once, to find what of it frozen parameters alone decide.

A call is known by its function and its arguments: equal calls give equal results, whatever Python
code does in between. So nothing is assumed of modules; a call that depends on a counter, or on a
tensor of unknown origin, is not known, and is made each time.
"""

import gc
import weakref
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import torch
from attrs import define, field
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pattern_lang.estimate.heads import PartTokens, Portions, Watch, is_attention
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
    real,
    tensors_in,
    visit,
)

# Makers of tensors from numbers; those that leave memory as it was found are not among them.
_MAKERS = frozenset(
    {
        *(torch.arange, torch.zeros, torch.ones, torch.full, torch.tensor, torch.eye),
        *(torch.linspace, torch.scalar_tensor),
    }
)
_DESCRIBED = (
    *("shape", "dtype", "device", "layout", "ndim", "requires_grad", "is_sparse"),
    *("is_quantized", "is_nested", "is_mkldnn", "is_cuda", "is_cpu", "is_meta"),
)
# What is the same for all tensors of a shape and type.
METADATA: frozenset[Any] = frozenset(
    {
        *(getattr(Tensor, name).__get__ for name in _DESCRIBED),
        *(Tensor.size, Tensor.dim, Tensor.ndimension, Tensor.numel, Tensor.nelement),
        *(Tensor.__len__, Tensor.is_floating_point, Tensor.is_complex, Tensor.element_size),
        *(torch.is_floating_point, torch.is_tensor, torch.numel, torch.is_complex),
    }
)
# Ways past autograd's count of changes, after which nothing that is kept could be trusted.
_ESCAPES = frozenset(
    {
        Tensor.data.__get__,  # type: ignore[attr-defined]
        *(Tensor.numpy, Tensor.untyped_storage, Tensor.data_ptr),
        *(Tensor.set_, Tensor.__dlpack__, Tensor.__array__, Tensor.storage),
    }
)
# Without one of these, a prefix is not worth the keeping.
_PRODUCTS = {
    "linear", "bilinear", "matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "addmm", "baddbmm",
    "einsum", "tensordot", "conv1d", "conv2d", "conv3d", "lstm", "gru", "rnn_tanh", "rnn_relu",
    "scaled_dot_product_attention", "multi_head_attention_forward",
}  # fmt: skip


def constants_of(module: nn.Module) -> dict[Token, Tensor]:
    """Return the tensors of a module that no sampler moves: frozen parameters, buffers, others."""
    found: list[Tensor] = [p for p in module.parameters() if not p.requires_grad]
    found += list(module.buffers())
    for part in module.modules():
        found += [t for t in vars(part).values() if isinstance(t, Tensor) and not t.requires_grad]
    unique = {id(tensor): tensor for tensor in found}
    return {("constant", number): tensor for number, tensor in enumerate(unique.values())}


@define(eq=False)
class Trace(TorchFunctionMode):
    """Watches one forward pass; `program` then says what of it can be kept."""

    fields: Mapping[str, Tensor]
    constants: Mapping[Token, Tensor]
    portions: Portions
    tokens: Tokens = field(factory=Tokens, init=False)
    heads: Watch = field(init=False)
    calls: list[Call] = field(factory=list, init=False)
    aliases: dict[Key, int] = field(factory=dict, init=False)
    numbers: dict[Key, tuple[int, ...]] = field(factory=dict, init=False)
    looks: list[Look] = field(factory=list, init=False)
    roots: list[Token] = field(factory=list, init=False)
    refs: list["weakref.ref[Tensor]"] = field(factory=list, init=False)
    facts: dict[Key, Any] = field(factory=dict, init=False)
    read: set[int] = field(factory=set, init=False)
    changed: set[Token] = field(factory=set, init=False)
    safe: bool = field(default=True, init=False)

    def __attrs_pre_init__(self) -> None:
        super().__init__()

    def __attrs_post_init__(self) -> None:
        for token, tensor in self.constants.items():
            self.tokens.add(tensor, token)
        for name, tensor in self.fields.items():
            self.tokens.add(tensor, ("field", name))
        self.heads = Watch(PartTokens.of_pass(self.tokens, self.portions))

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        found = self._watched(func, args, kwargs)
        if func in _ESCAPES and any(map(self.heads.tokens.moves, tensors_in((args, kwargs)))):
            self.heads.stop()
        self.heads.note(func, args, kwargs, found)
        return found

    def _watched(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        known = [(t, token) for t in tensors_in((args, kwargs)) if (token := self.tokens.of(t))]
        if not known and func not in _MAKERS:
            return func(*args, **kwargs)
        versions = [tensor._version for tensor, _ in known]
        key = self.tokens.key(func, args, kwargs)
        found = func(*args, **kwargs)
        same = all(t._version == v for (t, _), v in zip(known, versions, strict=True))
        if not same:
            pairs = zip(known, versions, strict=True)
            self.changed |= {self._root(k) for (t, k), v in pairs if t._version != v}
        self.safe &= func not in _ESCAPES
        if key is not None and same and func in METADATA:
            self.facts[key] = found
        elif key is None or not same or not self._note(key, func, args, kwargs, found, known):
            self.read |= {Held(token).number for _, token in known}
        return found

    def _note(
        self, key: Key, func: Any, args: Any, kwargs: Any, found: Any, known: list[Any]
    ) -> bool:
        """Note a call of known arguments; False if its result is not made of new tensors."""
        if type(found) not in (Tensor, tuple, list):
            return False
        parts = (found,) if isinstance(found, Tensor) else found
        if not parts or not all(type(part) in (Tensor, type(None)) for part in parts):
            return False
        if torch._C._functorch.maybe_current_level() is not None:
            return False
        if any(part is not None and part.requires_grad for part in parts):
            return False
        if isinstance(found, Tensor) and (own := self.tokens.of(found)) is not None:
            if own[0] == "result":  # the call returned its argument
                self.aliases[key] = Held(own).number
            return own[0] == "result"
        if key not in self.numbers:
            self.numbers[key] = tuple(
                NOTHING if part is None else self._result(part, known) for part in parts
            )
            held = {id(tensor): Held(token) for tensor, token in known}
            own_args, own_kwargs = filled((args, kwargs), lambda tensor: held[id(tensor)])
            masked = any(tensor.dtype in (torch.bool, torch.uint8) for tensor, _ in known)
            call = Call(func, own_args, own_kwargs, key, self.numbers[key], type(found), masked)
            self.calls.append(call)
        for part, number in zip(parts, self.numbers[key], strict=True):
            if part is not None and self.tokens.of(part) is None:
                self.tokens.add(part, ("result", number))
        return True

    def _result(self, part: Tensor, known: list[tuple[Tensor, Token]]) -> int:
        """Return the number of a result: a new one, unless a call returned its argument."""
        number = len(self.looks)
        token: Token = ("result", number)
        shared = [k for t, k in known if t is part or _same_memory(t, part)]
        self.looks.append(Look.of(part))
        self.roots.append(self._root(shared[0]) if shared else token)
        self.refs.append(weakref.ref(part))
        return number

    def _root(self, token: Token) -> Token:
        """Return whose memory a tensor lies in."""
        return token if token[0] != "result" else self.roots[Held(token).number]

    def program(self, returned: Tensor) -> Program | None:
        """Return what can be kept, after the pass; None where nothing can, or is worth it."""
        if not self.safe or any(kind != "result" for kind, _ in self.changed):
            return None
        usable = self._usable()
        token = self.tokens.of(returned)
        read = self.read | ({Held(token).number} if token else set())
        if torch.is_grad_enabled():
            # What outlives the pass in a graph is read by the backward pass, unseen.
            read |= self._alive()
        for call in self.calls:
            read |= set() if call.key in usable else call.sources()
        made = {number: call for call in usable.values() for number in real(call)}
        parts = self.heads.leading(made.__contains__)
        before = {number for call in parts for number in call.sources()}
        wanted = self._worth(usable) & read
        needed: set[Key] = set()
        todo = [number for number in wanted if self.looks[number].dtype.is_floating_point]
        todo += before & read & made.keys()
        while todo:
            call = made[todo.pop()]
            if call.key not in needed:
                needed.add(call.key)
                todo += call.sources() & made.keys()
        calls = tuple(call for call in self.calls if call.key in needed)
        if not calls:
            return None
        inside = {number for call in calls for number in real(call)}
        for call in self.calls:
            read |= set() if call.key in needed else call.sources()
        parts = self.heads.leading(inside.__contains__)
        looks = {number: self.looks[number] for number in inside}
        looks |= {number: self.heads.looks[number] for call in parts for number in call.results}
        aliases = {key: number for key, number in self.aliases.items() if number in inside}
        edge = (read & inside) | {n for call in parts if is_attention(call) for n in call.results}
        facts, used = self._facts(inside), self._used((*calls, *parts))
        return Program(calls, frozenset(edge), looks, aliases, facts, used, parts)

    def _alive(self) -> set[int]:
        found = {number for number, ref in enumerate(self.refs) if ref() is not None}
        if found - self.read:
            gc.collect()
        return {number for number in found if self.refs[number]() is not None}

    def _usable(self) -> dict[Key, Call]:
        """Return the calls that neither give, nor read, what is changed in place."""
        usable: dict[Key, Call] = {}
        good = {NOTHING}
        for call in self.calls:
            kept = all(self.roots[number] not in self.changed for number in real(call))
            if kept and call.sources() <= good:
                usable[call.key] = call
                good |= real(call)
        return usable

    def _worth(self, usable: Mapping[Key, Call]) -> set[int]:
        """Return the results of matrix products, and all that depends on them."""
        found: set[int] = set()
        for call in usable.values():
            name = getattr(call.function, "__name__", "")
            if name in _PRODUCTS or call.sources() & found:
                found |= real(call)
        return found

    def _facts(self, inside: Iterable[int]) -> dict[Key, Any]:
        tokens: set[Hashable] = {("result", number) for number in inside}
        arguments: dict[Key, Any] = {key: key[1] for key in self.facts}
        return {key: fact for key, fact in self.facts.items() if tokens & set(arguments[key])}

    def _used(self, calls: Iterable[Call]) -> dict[Token, tuple[Tensor, int]]:
        found: set[Token] = set()
        for call in calls:
            visit((call.args, dict(call.kwargs)), lambda held: found.add(held.token))
        used = {token: self.constants[token] for token in found if token in self.constants}
        used |= {t: self.portions[t].anchor for t in found if t in self.portions}
        return {token: (tensor, tensor._version) for token, tensor in used.items()}


def _same_memory(a: Tensor, b: Tensor) -> bool:
    if a.is_meta or b.is_meta or not a.numel() or not b.numel():
        return False
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()
