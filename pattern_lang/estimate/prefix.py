"""The part of a forward pass that frozen parameters alone decide, as a straight-line program.

Where only some parameters move, much of what a network computes of given rows is the same at every
draw: all that comes before the first of them. A `Program` has its calls, and the places where the
rest of the network reads from it; `pattern_lang.estimate.watching` finds it, and
`pattern_lang.estimate.recall` keeps what it gives.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import torch
from attrs import frozen
from torch import Tensor

# What a tensor is known by: ("field", name), ("constant", number) or ("result", number); if only a
# part of it is frozen, ("moving", identity) or ("part", number).
Token = tuple[str, Hashable]
Key = tuple[Hashable, ...]

NOTHING = -1  # in the place of a result's number

# What gives as many numbers as the values of its arguments ask for; so do masks as an index.
_UNEVEN = {
    "nonzero", "argwhere", "masked_select", "unique", "unique_consecutive", "bincount", "histc",
    "repeat_interleave", "_unique2", "tensor_split", "combinations", "pack_padded_sequence",
}  # fmt: skip


class DifferentError(Exception):
    """A result that does not look as it did."""


@frozen(eq=False)
class Call:
    """A call of the program: tensors among the arguments are tokens; `results` are numbers.

    masked: whether one of the arguments is of truth values.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    key: Key
    results: tuple[int, ...]
    kind: type
    masked: bool

    def sources(self) -> set[int]:
        """Return the results that it reads."""
        found: set[int] = set()
        visit((self.args, dict(self.kwargs)), lambda token: found.add(token.number))
        return found


@frozen
class Held:
    """A token in the place of a tensor; `number` is that of a result, NOTHING for other tensors."""

    token: Token

    @property
    def number(self) -> int:
        """Return the number of the result."""
        kind, name = self.token
        return int(name) if kind in ("result", "part") else NOTHING  # type: ignore[call-overload]


@frozen
class Look:
    """What a tensor looks like."""

    shape: torch.Size
    strides: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    @classmethod
    def of(cls, tensor: Tensor) -> "Look":
        """Look at a tensor."""
        return cls(tensor.shape, tensor.stride(), tensor.dtype, tensor.device)


@frozen(eq=False)
class Program:
    """Calls that depend on rows and frozen parameters alone, in their order.

    `edge`: the results that the rest of the network reads. `looks` go by result. `aliases`: calls
    that returned their argument. `facts`: answers to calls about the shape and type of a result.
    `constants`: tensors that calls read, with the count of their changes. `parts`: calls made after
    these, of which a part moves, and whose results are what they are at θ*.
    """

    calls: tuple[Call, ...]
    edge: frozenset[int]
    looks: Mapping[int, Look]
    aliases: Mapping[Key, int]
    facts: Mapping[Key, Any]
    constants: Mapping[Token, tuple[Tensor, int]]
    parts: tuple[Call, ...] = ()

    @property
    def is_even(self) -> bool:
        """Tell whether the shapes of results depend on those of rows alone, not on their values."""
        return not any(_uneven(call) for call in self.calls)

    def run(self, fields: Mapping[str, Tensor]) -> dict[int, Tensor]:
        """Return the results at the edge for the fields of a batch.

        Raises DifferentError where a result does not look as it did.
        """
        calls = (*self.calls, *self.parts)
        last = {number: at for at, call in enumerate(calls) for number in call.sources()}
        values: dict[int, Tensor] = {}

        def put(held: Held) -> Tensor:
            kind, name = held.token
            if held.number != NOTHING:
                return values[held.number]
            return fields[str(name)] if kind == "field" else self.constants[held.token][0]

        for at, call in enumerate(calls):
            found = call.function(*filled(call.args, put), **filled(dict(call.kwargs), put))
            parts = (found,) if isinstance(found, Tensor) else tuple(found)
            values |= dict(zip(call.results, parts, strict=True))
            values.pop(NOTHING, None)
            for number in real(call):
                if Look.of(values[number]) != self.looks[number]:
                    raise DifferentError
            for number in {*call.sources(), *call.results} - self.edge - {NOTHING}:
                if last.get(number, -1) <= at:
                    values.pop(number, None)
        return values

    def holds(self) -> bool:
        """Tell whether all constants are as they were."""
        return all(tensor._version == version for tensor, version in self.constants.values())


def real(call: Call) -> set[int]:
    """Return the results of a call that are tensors."""
    return set(call.results) - {NOTHING}


def _uneven(call: Call) -> bool:
    """Tell whether the shape of a result may depend on values."""
    name = getattr(call.function, "__name__", "")
    if name == "where":
        return len(call.args) + len(call.kwargs) < 3  # a condition alone
    return name in _UNEVEN or (name in ("__getitem__", "index") and call.masked)


def visit(value: Any, act: Callable[[Held], Any]) -> None:
    """Show every token among nested arguments."""
    filled(value, act, Held)


def filled(value: Any, put: Callable[[Any], Any], kind: type | None = None) -> Any:
    """Return nested arguments with something else for each tensor, or for each token."""
    if isinstance(value, kind or (Tensor, Held)):
        return put(value)
    if isinstance(value, tuple | list) and not isinstance(value, torch.Size):
        return type(value)([filled(item, put, kind) for item in value])
    if isinstance(value, dict):
        return {name: filled(item, put, kind) for name, item in value.items()}
    if isinstance(value, slice):
        return slice(*(filled(part, put, kind) for part in (value.start, value.stop, value.step)))
    return value


def tensors_in(value: Any) -> list[Tensor]:
    """Return the tensors among nested arguments."""
    found: list[Tensor] = []
    filled(value, lambda tensor: found.append(tensor))
    return found
