"""What tensors and calls are known by: a call by its function and its arguments."""

import weakref
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from attrs import define, field
from torch import Tensor

from pattern_lang.estimate.prefix import Key, Token

_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device)
_SETTINGS = (torch.layout, torch.memory_format, torch.Size, type(Ellipsis))


class Unknown(Exception):  # noqa: N818 - a signal, not an error
    """An argument that cannot be compared with an earlier one."""


@define(eq=False)
class Tokens:
    """Which tensors are known, by their identity."""

    by_id: dict[int, tuple["weakref.ref[Tensor]", Token]] = field(factory=dict)

    def add(self, tensor: Tensor, token: Token) -> None:
        """Know a tensor from now on, as long as it lives."""
        self.by_id[id(tensor)] = weakref.ref(tensor), token

    def of(self, tensor: Tensor) -> Token | None:
        """Return what a tensor is known by."""
        found = self.by_id.get(id(tensor))
        return found[1] if found is not None and found[0]() is tensor else None

    def key(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Key | None:
        """Return what a call is known by; None if an argument is not."""
        try:
            named = tuple((name, self._part(value)) for name, value in sorted(kwargs.items()))
            return function, tuple([self._part(value) for value in args]), named
        except Unknown:
            return None

    def _part(self, value: Any) -> Hashable:
        if isinstance(value, Tensor):
            token = self.of(value)
            if token is None:
                raise Unknown
            return token
        if isinstance(value, _PLAIN):
            return type(value), repr(value) if isinstance(value, float | complex) else value
        if isinstance(value, _SETTINGS):
            return value
        if isinstance(value, slice):
            return slice, self._part(value.start), self._part(value.stop), self._part(value.step)
        if isinstance(value, tuple | list):
            return type(value), tuple([self._part(item) for item in value])
        raise Unknown
