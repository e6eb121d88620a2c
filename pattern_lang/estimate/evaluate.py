"""Losses of many rows under one set of parameters, in chunks that stay in cache."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from attrs import frozen
from torch import Tensor

from pattern_lang.estimate.network import Batch, Network
from pattern_lang.estimate.probes import Probe
from pattern_lang.estimate.recall import Memory
from pattern_lang.estimate.table import Array

# Temporaries beyond 32 MiB are mapped afresh at each allocation, which halves the speed.
_LARGEST_TEMPORARY = 16 * 2**20
_MOST_ROWS = 65536


@frozen(eq=False)
class Rows:
    """The rows that a posterior evaluates, as tensors; `chunks` holds the chunk size per block.

    present: per block, bool (rows, P), which positions have a loss; None where each row has one.
    order: (R,) which of all these entries, counted block by block, row by row, are wanted, in which
    order; None for all as they are. reweighted: the first rows of the first block, those that are
    re-weighted. probes: the user's own observables, whose values follow the losses.
    rounding: (R + probes,) float64, what bfloat16 products add to the losses at θ*, where products
    are to be made so; None where they are in the network's own type.
    """

    blocks: tuple[dict[str, Tensor], ...]
    chunks: tuple[int, ...]
    present: tuple[Tensor | None, ...]
    order: Tensor | None
    reweighted: int
    probes: tuple[Probe, ...] = ()
    rounding: Tensor | None = None

    @property
    def width(self) -> int:
        """Return R, the number of entries."""
        return self.evaluated if self.order is None else len(self.order)

    @property
    def evaluated(self) -> int:
        """Return the number of entries that are evaluated."""
        pairs = zip(self.blocks, self.present, strict=True)
        return sum(block_length(b) if p is None else int(p.sum()) for b, p in pairs)


@frozen(eq=False)
class Chunk:
    """Rows that are evaluated at once. Tensors are views.

    columns: where their entries stand in the vector of all. picked: the entries among the losses
    (rows · P,) of the chunk, None for all.
    """

    batch: dict[str, Tensor]
    columns: slice
    picked: Tensor | None


def block_length(block: Mapping[str, Tensor]) -> int:
    """Return the number of rows of a block."""
    return len(next(iter(block.values())))


def to_tensor(values: Array) -> Tensor:
    """Copy an array into memory of torch's own; integers of any width become int64.

    Products round differently with the alignment of their operands, which is always the same in
    that memory: so results do not depend on where an array came from.
    """
    if values.dtype.kind in "iu":
        values = values.astype(np.int64, copy=False)
    return torch.from_numpy(np.ascontiguousarray(values)).clone()


def to_tensors(columns: Mapping[str, Array], dtype: torch.dtype) -> dict[str, Tensor]:
    """Turn columns into tensors, floats into the floating type of the network."""
    tensors = {name: to_tensor(column) for name, column in columns.items()}
    return {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }


def chunks_of(rows: Rows) -> list[Chunk]:
    """Return every chunk, in order."""
    found, column = [], 0
    for block, size, present in zip(rows.blocks, rows.chunks, rows.present, strict=True):
        for start in range(0, block_length(block), size):
            batch = {name: tensor[start : start + size] for name, tensor in block.items()}
            picked, count = None, block_length(batch)
            if present is not None:
                flat = present[start : start + size].reshape(-1)
                picked = flat.nonzero()[:, 0]
                count = len(picked)
                picked = None if count == len(flat) else picked
            found.append(Chunk(batch, slice(column, column + count), picked))
            column += count
    return found


def evaluator(
    network: Network, rows: Rows, *, often: bool = False
) -> Callable[[Tensor, Tensor], None]:
    """Return a function that writes the loss of every entry minus `base` into `out`, (R,) float64.

    The values of the user's own observables, minus those in `base`, come after the rows. Where
    products are rounded, what rounding does at θ* is subtracted as well.

    Autograd is off by `no_grad`, not `inference_mode`: a network that keeps a table from its
    first call would keep one that no later gradient step may use. Each call gets a dict of its own,
    which the network may take apart. Where it is called `often`, what frozen parameters alone
    decide is kept.
    """
    chunks, order, unit_loss = chunks_of(rows), rows.order, network.unit_loss
    memories = [_memory(network, rows, chunk) if often else None for chunk in chunks]
    whole = None if order is None else torch.empty(rows.evaluated, dtype=torch.float64)

    def evaluate(out: Tensor, base: Tensor) -> None:
        with torch.no_grad():
            into = out if whole is None else whole
            with in_bfloat16(rows.rounding is not None):
                for chunk, memory in zip(chunks, memories, strict=True):
                    losses = unit_loss(dict(chunk.batch), memory).reshape(-1)
                    if chunk.picked is not None:
                        losses = losses.index_select(0, chunk.picked)
                    into[chunk.columns] = losses
            complete(network, rows, whole, out, base)
            if rows.rounding is not None:
                out.sub_(rows.rounding)

    return evaluate


def complete(network: Network, rows: Rows, whole: Tensor | None, out: Tensor, base: Tensor) -> None:
    """Put the entries of `whole` in order, add the user's own observables, subtract `base`.

    whole: (entries,), None where they are in `out` already.
    """
    width = rows.width
    if whole is not None and rows.order is not None:
        torch.index_select(whole, 0, rows.order, out=out[:width])
    for column, probe in enumerate(rows.probes, start=width):
        out[column] = probe.value(network.module)
    out.sub_(base)


def _memory(network: Network, rows: Rows, chunk: Chunk) -> Memory | None:
    key = ("chunk", id(rows.blocks), chunk.columns.start, rows.rounding is not None)
    return network.memory(key, lambda module, room: Memory(module, room, rows.blocks))


def in_bfloat16(wanted: bool) -> torch.autocast:
    """Return a context in which matrix products are made in bfloat16, if wanted."""
    return torch.autocast("cpu", torch.bfloat16, enabled=wanted)


def chunk_rows(network: Network, block: Mapping[str, Tensor]) -> int:
    """Return how many rows to evaluate at once, from the largest temporary that one row needs.

    The size of temporaries is read off what autograd would save, at 2 and at 4 rows, so that the
    answer does not depend on timing: equal inputs are cut, and rounded, in the same way.
    """
    length = block_length(block)
    if length < 4:
        return length
    few, more = (_saved_sizes(network, {n: t[:k] for n, t in block.items()}) for k in (2, 4))
    grown = [(b - a) / 2 for a, b in zip(few, more, strict=False) if b > a]
    inputs = [float(t[0].numel() * t.element_size()) for t in block.values()]
    largest = max([*grown, *inputs, 1.0])
    return int(min(max(_LARGEST_TEMPORARY // largest, 1), _MOST_ROWS, length))


def _saved_sizes(network: Network, batch: Batch) -> list[int]:
    """Return the bytes of each tensor that the backward pass of a batch would need."""
    sizes: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel() * tensor.element_size())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        network.unit_loss(batch)
    return sizes
