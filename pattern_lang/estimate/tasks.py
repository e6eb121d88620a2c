"""The chains to run, and running them in this process."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from attrs import frozen

from pattern_lang.estimate.chain import Setting, run_chain
from pattern_lang.estimate.heap import keep_freed_memory
from pattern_lang.estimate.keeping import Keeper
from pattern_lang.estimate.layout import Layout
from pattern_lang.estimate.models import LoadedModel
from pattern_lang.estimate.moments import ChainResult
from pattern_lang.estimate.needs import Place
from pattern_lang.estimate.running import Running
from pattern_lang.estimate.selection import Selection
from pattern_lang.estimate.user_code import UserCode


@frozen(eq=False)
class Posterior:
    """A posterior ready to sample; `selection` is what moves, None for all parameters."""

    place: Place
    model: LoadedModel
    layout: Layout
    setting: Setting
    selection: Selection | None = None

    @property
    def folders(self) -> tuple[Path, ...]:
        """Return the folders of all user code that sampling runs."""
        probes = (probe.function.file.parent for probe in self.setting.rows.probes)
        return (*self.model.folders, *probes)

    @contextmanager
    def running(self, code: UserCode) -> Iterator[None]:
        """Run the network's code; its exceptions become UserCodeFailed."""
        source, where = self.model.source, self.model.code
        guard = code.running(
            f"sampling model `{self.place.name}`", where.file, where.root, source.origin
        )
        with code.scope(*self.folders), guard:
            yield


@frozen
class Task:
    """One chain: the number of its posterior, its own number, its seed."""

    posterior: int
    chain: int
    seed: int


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread, so that results do not depend on the number of processors.

    The process keeps the memory that it frees from then on (see `heap`).
    """
    keep_freed_memory()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def run_here(
    tasks: Sequence[Task],
    posteriors: Sequence[Posterior],
    running: Sequence[Running],
    code: UserCode,
    advance: Callable[[int], None],
    trouble: Callable[[str], None],
) -> dict[Task, ChainResult]:
    """Run those of some chains that no other process has, one after the other.

    Returns those that are not kept in the folders of `running`.

    Raises ChainDivergedError, and UserCodeFailed. `trouble` is told when a chain cannot be kept.
    """
    results = {}
    for task in tasks:
        posterior, place = posteriors[task.posterior], running[task.posterior]
        with place.claim(task.chain) as mine:
            if not mine or place.progress(task.chain)[1]:
                continue
            keeper = Keeper(place, task.chain, task.seed, trouble)
            with posterior.running(code):
                result = run_chain(
                    posterior.setting, task.chain, task.seed, advance, task.posterior, keeper
                )
            if not keeper.kept_all:
                results[task] = result
            del result  # or it were still there while the next chain runs
    return results
