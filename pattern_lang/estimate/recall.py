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

from pattern_lang.estimate.prefix import NOTHING, Look, Program, Tokens, Trace, constants_of

Batch = Mapping[str, Tensor]
UnitLoss = Callable[[Batch], Tensor]

# A column of our own in minibatches: the numbers of their rows, (rows,) int64.
ROWS = "<rows>"
_CONFIRMED = 8  # minibatches of other rows
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
    """Answers the calls of a program from what is kept, during one pass."""

    table: Mapping[Any, tuple[tuple[int, ...], type]]
    facts: Mapping[Any, Any]
    give: Callable[[int], Tensor]
    tokens: Tokens

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
        return func(*args, **kwargs)

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

    def losses(self, loss: UnitLoss, batch: Batch) -> Tensor:
        """Return the losses of a batch."""
        if self.state == "off":
            return loss(batch)
        self.batch = batch
        try:
            return self._begun(loss, batch) if self.state == "new" else self._recalled(loss, batch)
        finally:
            self.batch = {}

    def _begun(self, loss: UnitLoss, batch: Batch) -> Tensor:
        """Make the first pass in full, and keep what can be; use it only if it gives the same."""
        self.state = "off"
        before = torch.get_rng_state()
        trace = Trace(batch, constants_of(self.module))
        with trace:
            found = loss(batch)
        if not torch.equal(before, torch.get_rng_state()):
            return found  # something random
        program = trace.program(found)
        if program is None or not self.room.alike(lambda: same_bits(found, loss(batch))):
            return loss(batch)
        del trace
        self.program = program
        with torch.no_grad():
            if not self._keep(batch):
                return found
        self._enter(program)
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

    def _enter(self, program: Program) -> None:
        self.table = {key: ((number,), Tensor) for key, number in program.aliases.items()}
        self.table |= {call.key: (call.results, call.kind) for call in program.calls}
        for number, look in program.looks.items():
            if number not in program.edge:
                self.stands[number] = Stand(look, self._maker(number))
                self.tokens.add(self.stands[number], ("result", number))
        for token, (tensor, _) in program.constants.items():
            self.tokens.add(tensor, token)

    def _maker(self, number: int) -> Callable[[], Tensor]:
        def make() -> Tensor:
            # The network went another way than in the first pass: right, and too slow to go on.
            self.state = "off"
            alone = evolve(self.program, edge=frozenset({number}))
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
        recall = Recall(self.table, self.program.facts, self._giver(batch), tokens)
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
class RowMemory(Memory):
    """What is kept of single rows, for passes over minibatches of `size` of them.

    Products may round differently with the number of rows that they are made of, so rows are gone
    through in groups of just that size; and kept only if other groups give the same bits.
    """

    rows: Mapping[str, Tensor] = field(factory=dict, kw_only=True)
    size: int = field(default=0, kw_only=True)
    by_row: dict[int, tuple[Tensor, int]] = field(factory=dict, init=False)

    def _keep(self, batch: Batch) -> bool:
        count, size = len(next(iter(self.rows.values()))), self.size
        direct = self.program.run(batch)
        groups = -(-count // size)
        bytes_each = sum(tensor.numel() * tensor.element_size() for tensor in direct.values())
        if not self.room.take(bytes_each * groups):
            return False
        found: dict[int, list[Tensor]] = {number: [] for number in direct}
        for start in range(0, groups * size, size):
            own = torch.arange(start, start + size) % count
            part = self.program.run({n: t.index_select(0, own) for n, t in self.rows.items()})
            for number, tensor in part.items():
                if Look.of(tensor) != Look.of(direct[number]):
                    return False
                found[number].append(tensor)
        for number, parts in found.items():
            if all(torch.equal(part, direct[number]) for part in parts):
                self.kept[number] = direct[number]
                self.versions[number] = direct[number]._version
            elif not self._keep_rows(number, parts, direct[number], batch[ROWS]):
                return False
        return self._confirmed(count)

    def _confirmed(self, count: int) -> bool:
        """Tell whether more minibatches give what is kept, the same ones in every process."""
        random = torch.Generator().manual_seed(0)
        for _ in range(_CONFIRMED):
            numbers = torch.randperm(count, generator=random)[: self.size]
            batch = {name: t.index_select(0, numbers) for name, t in self.rows.items()}
            give = self._giver({ROWS: numbers})
            found = self.program.run(batch)
            if not all(same_bits(give(number), tensor) for number, tensor in found.items()):
                return False
        return True

    def _keep_rows(self, number: int, parts: list[Tensor], direct: Tensor, numbers: Tensor) -> bool:
        """Keep a result by its rows, along whichever axis they are; False if there is none."""
        count = len(next(iter(self.rows.values())))
        for axis, length in enumerate(direct.shape):
            if length and length % self.size == 0:
                rows = torch.cat([self._by_rows(part, axis) for part in parts])[:count]
                if same_bits(self._gathered(rows, axis, number, numbers), direct):
                    self.by_row[number] = rows, axis
                    return True
        return False

    def _by_rows(self, tensor: Tensor, axis: int) -> Tensor:
        """Return a view with an axis of rows first: (size, …)."""
        return tensor.unflatten(axis, (self.size, -1)).movedim(axis, 0)

    def _gathered(self, rows: Tensor, axis: int, number: int, numbers: Tensor) -> Tensor:
        """Return a result for some rows, laid out in memory as it was found."""
        look = self.program.looks[number]
        made = torch.empty_strided(look.shape, look.strides, dtype=look.dtype, device=look.device)
        torch.index_select(rows, 0, numbers, out=self._by_rows(made, axis))
        return made

    def _giver(self, batch: Batch) -> Callable[[int], Tensor]:
        numbers, found = batch[ROWS], dict[int, Tensor]()

        def give(number: int) -> Tensor:
            if number in self.by_row and number not in found:
                found[number] = self._gathered(*self.by_row[number], number, numbers)
            if number in found:
                return found[number]
            return self.kept[number] if number in self.kept else self.stands[number]

        return give

    def forget(self) -> None:
        """Keep nothing, from now on."""
        super().forget()
        self.by_row = {}


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
        """Tell whether a network rounds alike when its calls are watched, by looking once.

        Some of torch's own modules take a faster way when they are not.
        """
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


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Tell whether two tensors are equal, NaN being equal to NaN."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return bool(((a == b) | ((a != a) & (b != b))).all())
