"""What a run would do without weights: some steps from where it is, and back again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

from pattern_lang.train.loop import Run, take_step
from pattern_lang.train.order import Order

_T = TypeVar("_T")


def branched(run: Run, start: int, stop: int, factors: Tensor, look: Callable[[], _T]) -> _T:
    """Train from step `start` to `stop` with other factors, look, and leave no trace.

    The rows and all that is drawn are those that the run itself will see at these steps, so that
    what differs afterwards is due to the factors alone.
    """
    order = Order(run.rows, run.settings.batch, run.seed)
    with _put_back(run):
        for step in range(start, stop):
            take_step(run, order.rows_of(step), factors, step)
        return look()


@contextmanager
def _put_back(run: Run) -> Iterator[None]:
    """Restore parameters, buffers and the optimizer's state in the end, bit by bit."""
    module = run.trained.module
    tensors = [*module.parameters(), *module.buffers()]
    before = [tensor.detach().clone() for tensor in tensors]
    state = copy.deepcopy(run.optimizer.state_dict())
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, old in zip(tensors, before, strict=True):
                tensor.copy_(old)
        run.optimizer.load_state_dict(state)
        run.optimizer.zero_grad()
