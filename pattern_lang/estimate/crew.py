"""All chains of some posteriors, run by this process together with whoever else is at them.

Chains are claimed one by one, so processes on any number of machines may work in one folder, begin
and end when they like, and be killed: what is missing is taken up by those that are left. Nobody
sends anything to anybody. The process that leads waits until every chain is there.
"""

import time
from collections.abc import Sequence
from contextlib import suppress

from attrs import define, evolve, field, frozen

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.estimates import Diverged
from pattern_lang.estimate.advice import TANGENT_ADVICE, advise
from pattern_lang.estimate.chain_store import ChainStore, PosteriorKey
from pattern_lang.estimate.checkpoint import CheckpointError
from pattern_lang.estimate.cost import CostEstimate, count_cost, serial_seconds
from pattern_lang.estimate.errors import ChainDivergedError
from pattern_lang.estimate.keeping import Keeper
from pattern_lang.estimate.moments import ChainResult
from pattern_lang.estimate.posterior import chain_seed
from pattern_lang.estimate.processes import run_processes
from pattern_lang.estimate.ranks import ALONE, Rank
from pattern_lang.estimate.reporter import Progress, Reporter
from pattern_lang.estimate.running import Running
from pattern_lang.estimate.tasks import Posterior, Task, run_here
from pattern_lang.estimate.user_code import UserCode
from pattern_lang.ir.queries import Sampler

_POLL_SECONDS = 0.2

Chains = tuple[ChainResult, ...]


@frozen(eq=False)
class Means:
    """What chains are run with. `workers` is the number of processes; None chooses."""

    store: ChainStore
    code: UserCode
    reporter: Reporter
    workers: int | None = None
    rank: Rank = ALONE


def posteriors_cost(
    posteriors: Sequence[Posterior],
    code: UserCode,
    workers: int | None,
    left: Sequence[float] | None = None,
) -> CostEstimate:
    """Time a few gradient steps and one evaluation of each posterior, and add up.

    Where the same parameters of one network move, in whole or in part, the first is timed for all.
    left: the share of each posterior's steps that is still to do.
    """
    serial, timed = 0.0, dict[object, float]()
    shares = left or [1.0] * len(posteriors)
    for posterior, share in zip(posteriors, shares, strict=True):
        setting = posterior.setting
        kind = id(setting.network.module), setting.network.moving, id(setting.rows.blocks)
        if kind not in timed:
            with posterior.running(code):
                timed[kind] = serial_seconds(setting)
        serial += share * timed[kind]
    losses = [posterior.setting.losses for posterior in posteriors]
    return count_cost(posteriors[0].setting.sampler, losses, serial, workers)


@define(eq=False)
class Crew:
    """The chains of some posteriors that are not stored, and what has become of them."""

    posteriors: Sequence[Posterior]
    keys: Sequence[PosteriorKey]
    means: Means
    running: list[Running] = field(init=False)
    results: dict[Task, ChainResult] = field(factory=dict, init=False)
    stored: dict[int, Chains] = field(factory=dict, init=False)
    left: dict[Task, int] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.running = [Running.of(self.means.store.folder, key) for key in self.keys]

    @property
    def sampler(self) -> Sampler:
        """Return the settings that all posteriors share."""
        return self.posteriors[0].setting.sampler

    def run(self) -> list[Chains]:
        """Run what is missing; return the chains of each posterior, or raise PatternError.

        A process that does not lead returns when every chain is finished or in other hands, and
        then has nothing to show.
        """
        self._begin()
        tasks = [
            Task(number, chain, chain_seed(key.seeds, chain))
            for number, key in enumerate(self.keys)
            for chain in range(self.sampler.chains)
        ]
        missing = self._look_through(tasks)
        if missing:
            self._run(missing)
        if not self.means.rank.leads:
            return []
        return [self._chains(number, tasks) for number in range(len(self.keys))]

    def clear(self, number: int) -> None:
        """Remove what chains went on from, once they are stored."""
        self.running[number].clear()

    def _begin(self) -> None:
        for number, posterior in enumerate(self.posteriors):
            place = self.running[number]
            if number in self.stored:
                continue
            try:
                place.begin(posterior.place.name, self.sampler.chains, posterior.setting.steps)
            except OSError as error:
                reason = error.strerror or error
                self.means.reporter.message(f"the chains cannot be kept while they run: {reason}")
                self.running[number] = evolve(place, folder=None)

    def _look_through(self, tasks: Sequence[Task]) -> list[Task]:
        """Return the tasks that are missing; refuse what cannot be used, and say what there is."""
        for task in tasks:
            self.left[task] = self.posteriors[task.posterior].setting.steps
            place = self.running[task.posterior]
            if place.folder is None:
                continue
            with place.claim(task.chain) as mine:
                if mine:
                    place.sweep(task.chain)
                if mine and self.means.store.fresh:
                    place.forget(task.chain)
                elif mine:
                    self._check(task)
            self.left[task] -= place.progress(task.chain)[0]
        missing = [task for task in tasks if not self._is_done(task)]
        steps = sum(self.posteriors[task.posterior].setting.steps for task in tasks)
        done = steps - sum(self.left.values())
        if done and self.means.rank.leads:
            self.means.reporter.message(
                f"going on from what is there: {len(tasks) - len(missing)} of {len(tasks)} chains "
                f"are finished, {done / steps:.0%} of the steps done"
            )
        return missing

    def _check(self, task: Task) -> None:
        """Refuse the checkpoint of a chain that is ours if it cannot be used."""
        try:
            self._keeper(task).result()
        except FileNotFoundError:
            return
        except (CheckpointError, OSError) as error:
            self._refuse(task, str(error))

    def _refuse(self, task: Task, reason: str) -> None:
        name = self.posteriors[task.posterior].place.name
        self.means.reporter.message(
            f"the checkpoint of chain {task.chain} of model `{name}` is refused: {reason}; "
            "the chain starts again"
        )
        self.running[task.posterior].forget(task.chain)
        self.left[task] = self.posteriors[task.posterior].setting.steps

    def _run(self, missing: list[Task]) -> None:
        numbers = sorted({task.posterior for task in missing})
        left = [
            sum(self.left[task] for task in missing if task.posterior == number)
            / (self.sampler.chains * self.posteriors[number].setting.steps)
            for number in numbers
        ]
        posteriors = [self.posteriors[number] for number in numbers]
        cost = posteriors_cost(posteriors, self.means.code, self.means.workers, left)
        if self.means.rank.leads:
            self.means.reporter.message(str(cost))
        total = sum(self.left[task] for task in missing)
        try:
            with self.means.reporter.progress(total, "sampling") as progress:
                self._until_done(missing, min(cost.processes, len(missing)), progress)
        except ChainDivergedError as error:
            raise PatternError([self._diverged(error)]) from error

    def _until_done(self, missing: list[Task], processes: int, progress: Progress) -> None:
        while missing:
            free = [t for t in missing if not self.running[t.posterior].is_owned(t.chain)]
            if free:
                self._work(free, processes, progress)
            elif not self.means.rank.leads:
                return
            still = [task for task in missing if not self._is_done(task)]
            for task in set(missing) - set(still) - set(free):
                progress.advance(self.left[task])  # someone else did it
            if len(still) == len(missing):
                time.sleep(_POLL_SECONDS)
                self._begin()
            missing = still

    def _work(self, tasks: Sequence[Task], processes: int, progress: Progress) -> None:
        means = self.means
        if processes > 1:
            self.results |= run_processes(
                tasks,
                self.posteriors,
                self.running,
                (processes, means.rank, means.reporter),
                progress.advance,
            )
        else:
            self.results |= run_here(
                means.rank.turned(tasks),
                self.posteriors,
                self.running,
                means.code,
                progress.advance,
                means.reporter.message,
            )

    def _is_done(self, task: Task) -> bool:
        if task in self.results or task.posterior in self.stored:
            return True
        place = self.running[task.posterior]
        if place.is_gone:
            # Another process stored all chains of this posterior before it removed the folder.
            found = self.means.store.find(self.keys[task.posterior])
            if found is not None:
                self.stored[task.posterior] = found
            return found is not None
        if not place.progress(task.chain)[1]:
            return False
        return not self.means.rank.leads or self._read(task)

    def _read(self, task: Task) -> bool:
        """Open a finished chain; refuse what is not one."""
        with suppress(FileNotFoundError):
            try:
                result = self._keeper(task).result()
                if result is not None:
                    self.results[task] = result
                    return True
            except (CheckpointError, OSError) as error:
                self._refuse(task, str(error))
        return False

    def _keeper(self, task: Task) -> Keeper:
        place = self.running[task.posterior]
        return Keeper(place, task.chain, task.seed, self.means.reporter.message)

    def _chains(self, number: int, tasks: Sequence[Task]) -> Chains:
        if number in self.stored:
            return self.stored[number]
        return tuple(self.results[task] for task in tasks if task.posterior == number)

    def _diverged(self, error: ChainDivergedError) -> Diverged:
        """Return the problem; no chain of a posterior is of use when one of them diverged."""
        self.running[error.posterior].discard(self.sampler.chains)
        posterior = self.posteriors[error.posterior]
        with posterior.running(self.means.code):
            advice = TANGENT_ADVICE if error.of_tangent else advise(posterior.setting)
        return Diverged(
            span=posterior.setting.sampler.origin,
            model=posterior.place.name,
            chain=error.chain,
            step=error.step,
            symptom=error.symptom,
            advice=advice,
        )
