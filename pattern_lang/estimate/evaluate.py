"""Losses of many rows under one set of parameters, in chunks that stay in cache."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from attrs import frozen
from torch import Tensor

from pattern_lang.estimate.network import Batch, Network
from pattern_lang.estimate.probes import Probe
from pattern_lang.estimate.table import Array

# Temporaries beyond 32 MiB are mapped afresh at each allocation, which halves the speed.
_LARGEST_TEMPORARY = 16 * 2**20
_MOST_ROWS = 65536


@frozen(eq=False)
class Rows:
    """The rows that a posterior evaluates, as tensors; `chunks` holds the chunk size per block.

    `probes` are the user's own observables, whose values follow the losses of the rows.
    """

    blocks: tuple[dict[str, Tensor], ...]
    chunks: tuple[int, ...]
    probes: tuple[Probe, ...] = ()

    @property
    def width(self) -> int:
        """Return the number of rows over all blocks."""
        return sum(block_length(block) for block in self.blocks)


def block_length(block: Mapping[str, Tensor]) -> int:
    """Return the number of rows of a block."""
    return len(next(iter(block.values())))


def to_tensor(values: Array) -> Tensor:
    """Copy an array into memory of torch's own.

    Products round differently with the alignment of their operands, which is always the same in
    that memory: so results do not depend on where an array came from.
    """
    return torch.from_numpy(np.ascontiguousarray(values)).clone()


def to_tensors(columns: Mapping[str, Array], dtype: torch.dtype) -> dict[str, Tensor]:
    """Turn columns into tensors, floats into the floating type of the network."""
    tensors = {name: to_tensor(column) for name, column in columns.items()}
    return {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }


def slices(rows: Rows) -> list[tuple[dict[str, Tensor], slice]]:
    """Return every chunk as (batch, columns of the loss vector). Chunks are views."""
    found, column = [], 0
    for block, size in zip(rows.blocks, rows.chunks, strict=True):
        length = block_length(block)
        for start in range(0, length, size):
            stop = min(start + size, length)
            batch = {name: tensor[start:stop] for name, tensor in block.items()}
            found.append((batch, slice(column + start, column + stop)))
        column += length
    return found


def evaluator(network: Network, rows: Rows) -> Callable[[Tensor, Tensor], None]:
    """Return a function that writes the loss of every row minus `base` into `out`, (R,) float64.

    The values of the user's own observables, minus those in `base`, come after the rows.

    Autograd is off by `no_grad`, not `inference_mode`: a network that keeps a table from its
    first call would keep one that no later gradient step may use. Each call gets a dict of its own,
    which the network may take apart.
    """
    chunks = slices(rows)
    unit_loss, width = network.unit_loss, rows.width

    def evaluate(out: Tensor, base: Tensor) -> None:
        with torch.no_grad():
            for batch, columns in chunks:
                torch.sub(unit_loss(dict(batch)), base[columns], out=out[columns])
            for column, probe in enumerate(rows.probes, start=width):
                out[column] = probe.value(network.module) - base[column]

    return evaluate


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
