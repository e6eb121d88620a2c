"""The chains to run, and running them in this process."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from attrs import frozen

from pattern_lang.estimate.chain import Setting, run_chain
from pattern_lang.estimate.layout import Layout
from pattern_lang.estimate.models import LoadedModel
from pattern_lang.estimate.moments import ChainResult
from pattern_lang.estimate.user_code import UserCode


@frozen(eq=False)
class Posterior:
    """A posterior ready to sample."""

    model: LoadedModel
    layout: Layout
    setting: Setting


@frozen
class Task:
    """One chain: the number of its posterior, its own number, its seed."""

    posterior: int
    chain: int
    seed: int


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread, so that results do not depend on the number of processors."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def run_here(
    tasks: Sequence[Task],
    posteriors: Sequence[Posterior],
    code: UserCode,
    advance: Callable[[int], None],
) -> dict[Task, ChainResult]:
    """Run chains one after the other; raises ChainDivergedError, and UserCodeFailed."""
    results = {}
    for task in tasks:
        model = posteriors[task.posterior].model
        where = model.loss or model.builder
        action = f"sampling model `{model.source.name}`"
        with code.running(action, where.file, where.root, model.source.origin):
            setting = posteriors[task.posterior].setting
            results[task] = run_chain(setting, task.chain, task.seed, advance, task.posterior)
    return results
