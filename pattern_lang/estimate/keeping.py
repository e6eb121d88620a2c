"""Keeping what a chain goes on from: often enough to lose little, seldom enough to cost little."""

import json
import os
from collections.abc import Callable, Mapping
from time import monotonic
from typing import TypeVar

import torch
from attrs import field, frozen
from torch import Tensor

from pattern_lang.estimate.arrays import Matrix
from pattern_lang.estimate.checkpoint import (
    CheckpointError,
    open_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from pattern_lang.estimate.moments import ChainResult, chain_arrays, chain_of
from pattern_lang.estimate.running import Running
from pattern_lang.estimate.table import Array

_SECONDS = 2.0  # of work between two checkpoints, unless PAT_CHECKPOINT_SECONDS says otherwise
_SHARE = 0.02  # of the time that checkpoints may take

Numbers = Mapping[str, float]
T = TypeVar("T")


@frozen(eq=False)
class State:
    """What a chain goes on from after `done` steps; of a `finished` one, what it left.

    matrices: what may be in files, and is written from there. What is read is all tensors.
    """

    done: int
    tensors: dict[str, Tensor]
    numbers: Numbers = field(factory=dict)
    finished: bool = False
    matrices: Mapping[str, Matrix] = field(factory=dict)

    def part(self, name: str) -> dict[str, Tensor]:
        """Return the tensors whose names begin with `name/`, without it."""
        return _without(f"{name}/", self.tensors)

    def part_numbers(self, name: str) -> dict[str, float]:
        """Return the numbers whose names begin with `name/`, without it."""
        return _without(f"{name}/", self.numbers)


class Keeper:
    """The checkpoint of one chain. `trouble` is told once when it cannot be written.

    `kept_all` tells that the finished chain is there.
    """

    def __init__(
        self, running: Running, chain: int, seed: int, trouble: Callable[[str], None]
    ) -> None:
        self.running, self.chain, self.trouble = running, chain, trouble
        self.path = running.path(chain)
        self.identity = {
            "posterior": running.key,
            "chain": str(chain),
            "seed": str(seed),
            "torch": torch.__version__,
        }
        self.every = checkpoint_seconds()
        self.next = monotonic() + self.every
        self.kept_all = False

    def read(self) -> State | None:
        """Return what was kept last, None when there is nothing.

        Raises CheckpointError for a file that is damaged, or another chain's.
        """
        if self.path is None or not self.path.exists():
            return None
        facts, arrays = read_checkpoint(self.path)
        self._recognise(facts)
        # Clones are aligned as any tensor is, so that products round in the same way.
        tensors = {name: torch.from_numpy(arrays.pop(name)).clone() for name in list(arrays)}
        numbers = json.loads(facts["numbers"])
        return State(int(facts["done"]), tensors, numbers, facts["finished"] == "yes")

    def result(self) -> ChainResult | None:
        """Return the chain if it is finished, its matrices left in the file; None otherwise.

        Raises as `read` does, whatever is there.
        """
        if self.path is None or not self.path.exists():
            return None
        facts, arrays = open_checkpoint(self.path)
        self._recognise(facts)
        if facts["finished"] != "yes":
            return None
        try:
            own = _without("result/", arrays)
            return chain_of(
                self.chain, int(self.identity["seed"]), own, json.loads(facts["numbers"])
            )
        except (KeyError, ValueError, IndexError) as error:
            raise CheckpointError(f"it does not hold this chain: {error}") from error

    def keep_result(self, steps: int, result: ChainResult) -> None:
        """Keep a finished chain, after so many steps."""
        matrices = prefixed("result", chain_arrays(result))
        self.keep(State(steps, {}, result.figures, finished=True, matrices=matrices))

    def _recognise(self, facts: Mapping[str, str]) -> None:
        for name, value in self.identity.items():
            if facts.get(name) != value:
                raise CheckpointError(f"it is of another {name}: {facts.get(name)}, not {value}")

    @property
    def due(self) -> bool:
        """Tell whether it is time for a checkpoint."""
        return self.path is not None and monotonic() >= self.next

    def keep(self, state: State) -> bool:
        """Keep a state, and tell whether that worked. The next is due when this one has paid."""
        if self.path is None:
            return False
        start = monotonic()
        facts = {
            **self.identity,
            "done": str(state.done),
            "finished": "yes" if state.finished else "no",
            "numbers": json.dumps(dict(state.numbers)),
        }
        try:
            write_checkpoint(self.path, facts, {**_arrays(state.tensors), **state.matrices})
        except OSError as error:
            self.trouble(f"chain {self.chain} cannot be kept: {error.strerror or error}")
            self.path = None
            return False
        self.kept_all = state.finished
        now = monotonic()
        self.next = now + max(self.every, (now - start) / _SHARE)
        return True


def prefixed(name: str, parts: Mapping[str, T]) -> dict[str, T]:
    """Return parts under `name/`."""
    return {f"{name}/{part}": found for part, found in parts.items()}


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


def _without(start: str, parts: Mapping[str, T]) -> dict[str, T]:
    return {n.removeprefix(start): part for n, part in parts.items() if n.startswith(start)}


def checkpoint_seconds() -> float:
    """Return the seconds of work between two checkpoints."""
    try:
        return max(0.0, float(os.environ.get("PAT_CHECKPOINT_SECONDS", _SECONDS)))
    except ValueError:
        return _SECONDS
