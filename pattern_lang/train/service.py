"""One run, from a task to a trained network in a folder."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from attrs import evolve, frozen

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.emission import CannotWrite
from pattern_lang.diagnostics.catalogue.training import (
    NoDevice,
    OtherData,
    RunBusy,
    TrainingDiverged,
)
from pattern_lang.emit.canonical import digest
from pattern_lang.estimate.digests import (
    ESTIMATOR_VERSION,
    digest_of,
    document,
    rows_digest,
    table_digest,
)
from pattern_lang.estimate.entries import chosen
from pattern_lang.estimate.evaluate import to_tensors
from pattern_lang.estimate.fingerprints import model_digest, source_digests
from pattern_lang.estimate.inputs import Inputs, load_inputs
from pattern_lang.estimate.journal import Journal
from pattern_lang.estimate.running import held
from pattern_lang.estimate.user_code import UserCode
from pattern_lang.ir.program import ONLINE
from pattern_lang.ir.sources import DataSource, FunctionRef, ModelSource
from pattern_lang.train.batches import shares
from pattern_lang.train.keeping import Keeper
from pattern_lang.train.loop import DivergedError, Run, train
from pattern_lang.train.measures import gauges_of
from pattern_lang.train.networks import network_of
from pattern_lang.train.online import Online
from pattern_lang.train.optimizers import make_optimizer
from pattern_lang.train.present import about
from pattern_lang.train.steering import Fixed, Steering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pattern_lang.estimate.reporter import Reporter
    from pattern_lang.train.task import Task

_LARGE = 5_000_000  # parameters; below, one thread is the fastest


@frozen(eq=False)
class Means:
    """How to run: torch's name of a device, threads, and whether to start over.

    Without a device it is a GPU where there is one. Threads are one unless the network is large.
    """

    reporter: Reporter
    fresh: bool = False
    device: str | None = None
    threads: int | None = None


@frozen(eq=False)
class Loaded:
    """What several runs share: the data, the network at its checkpoint, what measures look at.

    identity: a digest of all that, of what is asked of it, and of the user's code.
    """

    inputs: Inputs
    code: UserCode
    digests: dict[DataSource, str]
    model: str


def load(task: Task) -> Loaded:
    """Load what a run needs; raises what loading raises."""
    code = UserCode(Journal())
    inputs = load_inputs(task.inputs(), code)
    digests = {
        source: rows_digest(table_digest(inputs.tables[source.base]), kept.rows, kept.positions)
        for source, kept in inputs.kept.items()
    }
    return Loaded(inputs, code, digests, model_digest(inputs.models[task.model], code))


def train_run(
    task: Task, folder: Path, means: Means, loaded: Loaded | None = None
) -> dict[str, Any]:
    """Train what a task says in a folder of its own, and return the manifest that is left there.

    As `end_run` does, but for a run that diverged it raises TrainingDiverged, each time.
    """
    found = end_run(task, folder, means, loaded)
    if found.get("diverged"):
        problem = TrainingDiverged(
            span=task.optimizer.origin,
            run=task.name,
            steps=task.optimizer.steps,
            **found["diverged"],
        )
        raise PatternError([problem])
    return found


def end_run(task: Task, folder: Path, means: Means, loaded: Loaded | None = None) -> dict[str, Any]:
    """Train what a task says, and return its manifest; `diverged` says where that is how it ended.

    A run that is done is not done again, one that was interrupted goes on, to the same bits.
    `loaded` is what was loaded for a task with the same data, network and measures. Raises
    PatternError: what loading raises, OtherData, OtherRun, RunBusy, CannotWrite.
    """
    loaded = loaded or load(task)
    device = _device(means.device)
    keeper = Keeper(folder, _identity(task, loaded, device), means.reporter.message)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if means.fresh:
            keeper.clear()
    except OSError as error:
        reason = error.strerror or str(error)
        raise PatternError([CannotWrite(path=str(folder), reason=reason, kept=False)]) from error
    with held(folder / ".lock") as mine:
        if not mine:
            raise PatternError([RunBusy(path=str(folder))])
        found = keeper.finished()
        if found is None:
            with _threads(task, loaded.inputs, means.threads):
                found = _train(task, loaded, device, keeper, means.reporter)
    return found


def _device(name: str | None) -> torch.device:
    """Return a device that works; a GPU where there is one and none is named."""
    try:
        found = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.zeros(1, device=found).sum().item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise PatternError([NoDevice(device=str(name), reason=reason)]) from error
    return found


def _train(
    task: Task, loaded: Loaded, device: torch.device, keeper: Keeper, reporter: Reporter
) -> dict[str, Any]:
    model, code = loaded.inputs.models[task.model], loaded.code
    action = f"training `{task.name}`"
    where = model.code
    with code.scope(*model.folders):
        run = prepare(task, loaded.inputs, code, device, keeper.rounds, reporter)
        with (
            reporter.progress(task.optimizer.steps, task.name) as progress,
            code.running(action, where.file, where.root, task.model.origin),
        ):
            final, diverged = _trained(run, keeper, progress.advance)
    facts = {
        "name": task.name,
        "pattern": task.pattern.name,
        "seed": task.seed,
        "device": device.type,
        "optimizer": document(evolve(task.optimizer, network=None, function=None)),
        "schedule": document(task.schedule),
        "weighted": task.weights is not None or task.schedule.kind == ONLINE,
        "measures": final,
    }
    if diverged is None:
        keeper.finish(run, facts)
    else:
        keeper.give_up({**facts, "diverged": diverged})
    found = keeper.finished()
    assert found is not None  # it was just written
    return found


def _trained(
    run: Run, keeper: Keeper, advance: Callable[[int], None]
) -> tuple[dict[str, float], dict[str, Any] | None]:
    """Train, and return the final measures, or else at which step the loss was no number."""
    try:
        return train(run, keeper, advance), None
    except DivergedError as error:
        return {}, {"step": error.step, "value": error.value}


def prepare(
    task: Task,
    inputs: Inputs,
    code: UserCode,
    device: torch.device,
    rounds: Path,
    reporter: Reporter,
) -> Run:
    """Build the network and everything that its training needs.

    `rounds` is the folder for what it decides on its way.
    """
    model, data = inputs.models[task.model], task.pattern.queries.reweight.data
    trained = network_of(model, task.optimizer.start, task.seed, code)
    trained.module.to(device)
    kept = inputs.kept[data]
    numbers = inputs.tables[data.base].numbers
    columns = to_tensors({n: c[kept.rows] for n, c in numbers.items()}, model.network.dtype)
    gauges = gauges_of(task.observables, inputs, model, code)
    return Run(
        name=task.name,
        settings=task.optimizer,
        seed=task.seed,
        trained=trained,
        optimizer=make_optimizer(trained.module, task.optimizer, code),
        columns=columns,
        rows=len(kept.rows),
        steering=_steering(task, inputs, rounds, reporter),
        gauges=tuple((gauge, task.every(gauge.name)) for gauge in gauges),
        device=device,
    )


def _steering(task: Task, inputs: Inputs, rounds: Path, reporter: Reporter) -> Steering:
    data = task.pattern.queries.reweight.data
    if task.weights is not None and len(task.weights) != inputs.units.count:
        reason = f"{len(task.weights):,} weights for {inputs.units.count:,} units"
        problem = OtherData(folder=task.name, data=data.name, reason=reason)
        raise PatternError([problem])
    entries = chosen(inputs.entries[task.model][data.base], inputs.kept[data])
    spread = partial(shares, units=inputs.units, entries=entries, rows=len(inputs.kept[data].rows))
    if task.schedule.kind == ONLINE:
        return Online(task.pattern, task.model, spread, rounds, reporter)
    return Fixed(spread(task.weights), task.schedule)


def _identity(task: Task, loaded: Loaded, device: torch.device) -> str:
    """Return the digest of all that the bits of a run depend on; check the data on the way."""
    reweight, code = task.pattern.queries.reweight, loaded.code
    data = reweight.data
    if task.data_digest and loaded.digests[data] != task.data_digest:
        reason = "their digests differ"
        problem = OtherData(folder=task.name, data=data.name, reason=reason)
        raise PatternError([problem])

    def replace(value: Any) -> Any:
        match value:
            case FunctionRef():
                function = code.function(value, value.file.origin)
                return [function.function, *sorted(source_digests(function, code))]
            case DataSource():
                return loaded.digests[value]
            case ModelSource():
                return "model"
        return None

    return digest_of(
        {
            "data": loaded.digests[data],
            "unit": [reweight.unit, reweight.group_field],
            "model": loaded.model,
            "optimizer": document(task.optimizer, replace),
            "schedule": document(task.schedule),
            "weights": None if task.weights is None else digest(task.weights.tobytes()),
            "online": document(_asked(task), replace),
            "seed": task.seed,
            "measures": [[document(o, replace), task.every(o.name)] for o in task.observables],
            "torch": torch.__version__,
            "device": device.type,
        }
    )


def _asked(task: Task) -> tuple[Any, ...]:
    """Return what the rounds of a run depend on, beside its network and data."""
    pattern = task.pattern
    if task.schedule.kind != ONLINE:
        return ()
    queries = about(pattern.queries, task.model)
    return ESTIMATOR_VERSION, queries, pattern.goals, pattern.constraints, pattern.objective


@contextmanager
def _threads(task: Task, inputs: Inputs, wanted: int | None) -> Iterator[None]:
    """Use so many threads; by default one, unless the network is large."""
    before = torch.get_num_threads()
    large = inputs.models[task.model].network.theta.numel() > _LARGE
    torch.set_num_threads(wanted or (before if large else 1))
    try:
        yield
    finally:
        torch.set_num_threads(before)
