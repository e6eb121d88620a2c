"""Keeping what frozen parameters decide, so that a forward pass starts at what moves.

Losses are the same to the last bit: only results of equal calls are kept, and whether they are
equal is compared once before they are used. Where it does not work, or is not worth it, the pass is
made in full.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from attrs import define, evolve, field
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pattern_lang.estimate.heads import PartTokens, Portions, Span, attended, moved_heads
from pattern_lang.estimate.known import Tokens
from pattern_lang.estimate.prefix import NOTHING, DifferentError, Key, Look, Program
from pattern_lang.estimate.watching import Trace, constants_of

Batch = Mapping[str, Tensor]
UnitLoss = Callable[[Batch], Tensor]

_BYTES = 512 * 2**20  # that one module's memories may take

# What a mode cannot foresee of a network's code, when it meets tensors that stand for others.
_TROUBLE = (RuntimeError, TypeError, NotImplementedError, AttributeError, ValueError, IndexError)


class Stand(Tensor):
    """Stands for a result that only kept calls read; it computes it if something else does."""

    make: Callable[[], Tensor]

    @staticmethod
    def __new__(cls, look: Look, make: Callable[[], Tensor]) -> "Stand":
        """Make one that looks like the result."""
        made: Stand = Tensor._make_wrapper_subclass(
            cls, look.shape, strides=look.strides, dtype=look.dtype, device=look.device
        )
        made.make = make
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        def real(value: Any) -> Any:
            return value.make() if isinstance(value, Stand) else value

        from torch.utils._pytree import tree_map

        return func(*tree_map(real, args), **tree_map(real, kwargs or {}))


@define(eq=False)
class Recall(TorchFunctionMode):
    """Answers the calls of a program from what is kept, during one pass.

    `numbers` are those of results that move in part, known by `parts`; `heads` says of which
    attention only a span of heads moves, and which result has the others.
    """

    table: Mapping[Any, tuple[tuple[int, ...], type]]
    facts: Mapping[Any, Any]
    give: Callable[[int], Tensor]
    tokens: Tokens
    parts: PartTokens
    numbers: Mapping[Key, tuple[int, ...]]
    heads: Mapping[Key, tuple[int, Span]]

    def __attrs_pre_init__(self) -> None:
        super().__init__()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        key = self.tokens.key(func, args, kwargs)
        if key is not None:
            found = self.table.get(key)
            if found is not None:
                return self._answer(*found)
            if key in self.facts:
                return self.facts[key]
        return self._made(func, args, kwargs)

    def _made(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Make a call, of heads that move alone where it can be told which these are."""
        key = self.parts.moving_key(func, args, kwargs) if self.heads else None
        if key is not None and key in self.heads:
            number, span = self.heads[key]
            return attended(self.give(number), span, args, kwargs)
        found = func(*args, **kwargs)
        if key is not None and key in self.numbers:
            self.parts.know(found, self.numbers[key])
        return found

    def _answer(self, numbers: tuple[int, ...], kind: type) -> Any:
        parts: list[Tensor | None] = []
        for number in numbers:
            part = None if number == NOTHING else self.give(number)
            if part is not None:
                self.tokens.add(part, ("result", number))
            parts.append(part)
        return parts[0] if kind is Tensor else kind(parts)


@define(eq=False)
class Memory:
    """What is kept of the passes over one batch, or over minibatches of some rows.

    `room` is shared by all that keep. `owner` is kept alive, so that its identity stays its own.
    `state` is "new" before the first pass.
    """

    module: nn.Module
    room: "Room"
    owner: object
    state: str = field(default="new", init=False)
    program: Program = field(init=False)
    kept: dict[int, Tensor] = field(factory=dict, init=False)
    versions: dict[int, int] = field(factory=dict, init=False)
    stands: dict[int, Stand] = field(factory=dict, init=False)
    tokens: Tokens = field(factory=Tokens, init=False)
    table: dict[Any, tuple[tuple[int, ...], type]] = field(factory=dict, init=False)
    batch: Batch = field(factory=dict, init=False)
    portions: Portions = field(factory=dict, init=False)
    heads: dict[Key, tuple[int, Span]] = field(factory=dict, init=False)

    def losses(self, loss: UnitLoss, batch: Batch, portions: Portions) -> Tensor:
        """Return the losses of a batch; `portions` are parameters that move in part."""
        if self.state == "off":
            return loss(batch)
        self.batch = batch
        if self.portions is not portions:
            self.portions = portions
            self.heads = self._heads() if self.state == "on" else {}
        try:
            return self._begun(loss, batch) if self.state == "new" else self._recalled(loss, batch)
        finally:
            self.batch = {}

    def _begun(self, loss: UnitLoss, batch: Batch) -> Tensor:
        """Make the first pass in full, and keep what can be; use it only if it gives the same."""
        self.state = "off"
        before = torch.get_rng_state()
        trace = Trace(batch, constants_of(self.module), self.portions)
        with trace:
            found = loss(batch)
        if not torch.equal(before, torch.get_rng_state()):
            return found  # something random
        program = trace.program(found)
        if program is None or _hurries(self.module):
            return loss(batch)
        if not self.room.alike(lambda: same_bits(found, loss(batch))):
            return loss(batch)
        del trace
        self.program = program
        with torch.no_grad():
            try:
                if not self._keep(batch):
                    return found
            except DifferentError:
                return found
        self._enter(program)
        self.heads = self._heads()
        self.state = "on"
        again = self._recalled(loss, batch)
        if self.state == "on" and not same_bits(found, again):
            self.forget()
        return found

    def _keep(self, batch: Batch) -> bool:
        """Keep the results at the edge; False if they are too large."""
        kept = self.program.run(batch)
        storages = [tensor.untyped_storage() for tensor in kept.values()]
        if not self.room.take(sum({s.data_ptr(): s.nbytes() for s in storages}.values())):
            return False
        self.kept = kept
        self.versions = {number: tensor._version for number, tensor in kept.items()}
        return True

    def _heads(self) -> dict[Key, tuple[int, Span]]:
        try:
            return moved_heads(self.program, self.portions, self.batch)
        except _TROUBLE:  # masks that cannot go the way of what they stand for
            return {}

    def _enter(self, program: Program) -> None:
        self.table = {key: ((number,), Tensor) for key, number in program.aliases.items()}
        self.table |= {call.key: (call.results, call.kind) for call in program.calls}
        for number, look in program.looks.items():
            if number not in program.edge and number > NOTHING:
                self.stands[number] = Stand(look, self._maker(number))
                self.tokens.add(self.stands[number], ("result", number))
        for token, (tensor, _) in program.constants.items():
            self.tokens.add(tensor, token)

    def _maker(self, number: int) -> Callable[[], Tensor]:
        def make() -> Tensor:
            # The network went another way than in the first pass: right, and too slow to go on.
            self.state = "off"
            alone = evolve(self.program, edge=frozenset({number}), parts=())
            with torch.no_grad():
                return alone.run(self.batch)[number]

        return make

    def _recalled(self, loss: UnitLoss, batch: Batch) -> Tensor:
        if not self.program.holds():
            self.forget()
            return loss(batch)
        tokens = Tokens(dict(self.tokens.by_id))
        for name, tensor in batch.items():
            tokens.add(tensor, ("field", name))
        parts = PartTokens.of_pass(tokens, self.portions)
        numbers = {call.key: call.results for call in self.program.parts}
        give = self._giver(batch)
        recall = Recall(self.table, self.program.facts, give, tokens, parts, numbers, self.heads)
        try:
            with recall:
                found = loss(batch)
        except _TROUBLE:
            self.forget()
            return loss(batch)
        if self.state == "off" or self._is_changed():
            self.forget()
            return loss(batch)
        return found

    def _giver(self, batch: Batch) -> Callable[[int], Tensor]:
        """Return what answers with a result by its number, during one pass."""
        return lambda number: self.kept[number] if number in self.kept else self.stands[number]

    def _is_changed(self) -> bool:
        return any(self.kept[number]._version != v for number, v in self.versions.items())

    def forget(self) -> None:
        """Keep nothing, from now on."""
        self.state = "off"
        self.kept, self.versions, self.stands, self.table = {}, {}, {}, {}
        self.tokens = Tokens()


@define(eq=False)
class Room:
    """The memories of one module while the same parameters move, and what they may take."""

    bytes_left: int = _BYTES
    moving: frozenset[int] = frozenset()
    memories: dict[Any, Memory] = field(factory=dict)
    found_alike: dict[tuple[bool, bool], bool] = field(factory=dict)

    def take(self, count: int) -> bool:
        """Take memory if there is enough of it."""
        fits = count <= self.bytes_left
        self.bytes_left -= count if fits else 0
        return fits

    def alike(self, look: Callable[[], bool]) -> bool:
        """Tell whether a network rounds alike when its calls are watched, by looking once."""
        way = torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")
        if way not in self.found_alike:
            self.found_alike[way] = look()
        return self.found_alike[way]

    def memory(self, moving: frozenset[int], key: Any, make: Callable[[], Memory]) -> Memory:
        """Return a memory by its key; those for other moving parameters go."""
        if moving != self.moving:
            self.memories.clear()
            self.bytes_left, self.moving = _BYTES, moving
        if key not in self.memories:
            self.memories[key] = make()
        return self.memories[key]


def _hurries(module: nn.Module) -> bool:
    """Tell whether torch takes a faster way through a module while nothing watches its calls."""
    if torch.is_grad_enabled() or torch._C._len_torch_function_stack() > 0:
        return False
    quick = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerEncoder)
    return any(isinstance(part, quick) for part in module.modules())


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Tell whether two tensors are equal, NaN being equal to NaN."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return bool(((a == b) | ((a != a) & (b != b))).all())
