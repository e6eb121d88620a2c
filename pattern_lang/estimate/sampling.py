"""From loaded inputs to an estimate: prepare every posterior, run its chains, put χ together."""

from collections.abc import Sequence
from functools import partial
from math import nan
from time import perf_counter

import numpy as np
from attrs import evolve

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.estimates import Diverged
from pattern_lang.estimate.advice import advise, stiffness_of
from pattern_lang.estimate.assemble import combined, susceptibility
from pattern_lang.estimate.chain import Setting
from pattern_lang.estimate.chain_store import ChainStore, PosteriorKey
from pattern_lang.estimate.cost import CostEstimate, count_cost, serial_seconds
from pattern_lang.estimate.diagnostics import chain_traces, diagnose
from pattern_lang.estimate.directions import combination, with_turns
from pattern_lang.estimate.errors import ChainDivergedError, Errors
from pattern_lang.estimate.evaluate import Rows, to_tensors
from pattern_lang.estimate.fingerprints import Fingerprints, posterior_key
from pattern_lang.estimate.inputs import Inputs
from pattern_lang.estimate.layout import Layout, lay_out
from pattern_lang.estimate.models import LoadedModel
from pattern_lang.estimate.moments import ChainResult
from pattern_lang.estimate.needs import Place, places, plan_of, user_observables
from pattern_lang.estimate.network import restricted
from pattern_lang.estimate.posterior import chain_seed, prepare
from pattern_lang.estimate.precision import settled
from pattern_lang.estimate.probes import WHERE, Probe
from pattern_lang.estimate.processes import run_processes
from pattern_lang.estimate.readout import read_out
from pattern_lang.estimate.reporter import Reporter
from pattern_lang.estimate.responses import PosteriorResult, combine
from pattern_lang.estimate.tasks import Posterior, Task, run_here
from pattern_lang.estimate.user_code import UserCode
from pattern_lang.ir.observables import UserObservable
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.susceptibility import Estimate


def prepare_posteriors(queries: Queries, inputs: Inputs, code: UserCode) -> list[Posterior]:
    """Evaluate every model at its checkpoint; raise PatternError with all that fail.

    Posteriors of one model that follow the same things share their rows and what was evaluated.
    """
    errors = Errors()
    shared: dict[object, tuple[Layout, Setting] | None] = {}
    found = []
    for place in places(queries):
        key = plan_of(queries, place)
        if key not in shared:
            shared[key] = errors.attempt(partial(_prepare, queries, inputs, place, code))
        ready = shared[key]
        if ready is not None:
            found.append(_posterior(inputs, place, *ready))
    errors.stop()
    return found


def _prepare(
    queries: Queries, inputs: Inputs, place: Place, code: UserCode
) -> tuple[Layout, Setting]:
    model, layout = inputs.models[place.model], lay_out(queries, inputs, place)
    probes = [
        (_probe(item, inputs, model), item.function.file.origin or model.source.origin)
        for item in user_observables(queries, place)
    ]
    return layout, prepare(model, layout, queries.sampler, code, probes)


def _probe(item: UserObservable, inputs: Inputs, model: LoadedModel) -> Probe:
    assert item.on is not None  # or it would not have come so far
    numbers, kept = inputs.tables[item.on.base].numbers, inputs.kept[item.on]
    columns = {name: column[kept.rows] for name, column in numbers.items()}
    if kept.positions is not None:
        columns[WHERE] = kept.positions
    batch = to_tensors(columns, model.network.dtype)
    return Probe(inputs.functions[item], item.arguments, batch)


def _posterior(inputs: Inputs, place: Place, layout: Layout, setting: Setting) -> Posterior:
    model, selection = inputs.models[place.model], inputs.selections.get(place)
    if selection is not None:
        setting = evolve(setting, network=restricted(model.network, selection))
    return Posterior(place, model, layout, setting, selection)


def sample(
    queries: Queries,
    inputs: Inputs,
    posteriors: Sequence[Posterior],
    digests: Fingerprints,
    store: ChainStore,
    code: UserCode,
    reporter: Reporter,
    workers: int | None,
) -> Estimate:
    """Run the chains that `store` has not, and return the estimate.

    Raises PatternError, with Diverged among others.
    """
    started = perf_counter()
    keys = [posterior_key(queries, posterior, digests) for posterior in posteriors]
    results = sample_posteriors(queries, posteriors, keys, store, code, reporter, workers)
    matrix, spectra = combination(queries, inputs, results)
    constants = np.array([observable.constant for observable in queries.observables])
    if spectra:
        # Principal directions become what they are: combinations of their families' members.
        results = [combined(result, matrix) for result in results]
        constants = combine(matrix, constants[:, None])[:, 0]
    table = inputs.units.table
    share = table.size / table.size.sum()
    chi = susceptibility(queries, results, table.size, constants)
    return Estimate(
        susceptibility=chi,
        units=table,
        traces=tuple(trace for result in results for trace in chain_traces(result)),
        diagnostics=tuple(diagnose(queries, result, share) for result in results),
        digests=_digests(queries, digests),
        sampled=store.missed,
        seconds=perf_counter() - started,
        spectra=with_turns(queries, spectra, chi),
    )


def sample_posteriors(
    queries: Queries,
    posteriors: Sequence[Posterior],
    keys: Sequence[PosteriorKey],
    store: ChainStore,
    code: UserCode,
    reporter: Reporter,
    workers: int | None,
) -> list[PosteriorResult]:
    """Return what the chains of each posterior left, running those that `store` has not.

    The chains of a posterior are seeded by what they depend on, not by what is observed on them,
    so that patterns which ask different things of one posterior share its chains.
    """
    kept = [store.find(key) for key in keys]
    missing = [number for number, chains in enumerate(kept) if chains is None]
    fresh = _run(
        queries,
        [posteriors[number] for number in missing],
        [keys[number] for number in missing],
        (code, reporter, workers),
    )
    for number, chains in zip(missing, fresh, strict=True):
        store.keep(keys[number], chains)
        kept[number] = chains
    results = [
        _result(queries, posterior, chains or (), code)
        for posterior, chains in zip(posteriors, kept, strict=True)
    ]
    whole = {
        posterior.place.model: result
        for posterior, result in zip(posteriors, results, strict=True)
        if posterior.place.component is None
    }
    return [
        evolve(result, full=whole[posterior.place.model]) if result.readout.mixed.any() else result
        for posterior, result in zip(posteriors, results, strict=True)
    ]


def posteriors_cost(
    queries: Queries, posteriors: Sequence[Posterior], code: UserCode, workers: int | None
) -> CostEstimate:
    """Time a few gradient steps and one evaluation of each posterior, and add up."""
    serial = 0.0
    for posterior in posteriors:
        with posterior.running(code):
            serial += serial_seconds(posterior.setting)
    losses = [posterior.setting.rows.width for posterior in posteriors]
    return count_cost(queries.sampler, losses, serial, workers)


def _run(
    queries: Queries,
    posteriors: Sequence[Posterior],
    keys: Sequence[PosteriorKey],
    how: tuple[UserCode, Reporter, int | None],
) -> list[tuple[ChainResult, ...]]:
    """Run all chains of some posteriors, and return them posterior by posterior."""
    code, reporter, workers = how
    if not posteriors:
        return []
    tasks = [
        Task(number, chain, chain_seed(key.family, chain))
        for number, key in enumerate(keys)
        for chain in range(queries.sampler.chains)
    ]
    posteriors, figures = _settled(posteriors, code)
    cost = posteriors_cost(queries, posteriors, code, workers)
    reporter.message(str(cost))
    try:
        with reporter.progress(cost.gradient_steps, "sampling") as progress:
            if cost.processes > 1:
                chains = run_processes(tasks, posteriors, cost.processes, progress.advance)
            else:
                chains = run_here(tasks, posteriors, code, progress.advance)
        return [
            tuple(
                evolve(chain, figures=chain.figures | figures[number])
                for task, chain in chains.items()
                if task.posterior == number
            )
            for number in range(len(posteriors))
        ]
    except ChainDivergedError as error:
        raise PatternError([_diverged(error, posteriors[error.posterior], code)]) from error


def _settled(
    posteriors: Sequence[Posterior], code: UserCode
) -> tuple[list[Posterior], list[dict[str, float]]]:
    """Choose the precision of the losses at the draws; return what diagnostics show of it.

    Posteriors that share their rows go on doing so, in either precision.
    """
    shared: dict[int, Rows] = {}
    chosen, figures = [], []
    for posterior in posteriors:
        with posterior.running(code):
            setting, rounding = settled(posterior.setting)
        if rounding is not None:
            rows = shared.setdefault(id(posterior.setting.rows), setting.rows)
            posterior = evolve(posterior, setting=evolve(setting, rows=rows))
        chosen.append(posterior)
        found = {} if rounding is None else {"loss_bits": 16.0, "loss_rounding": rounding.losses}
        figures.append(found)
    return chosen, figures


def _diverged(error: ChainDivergedError, posterior: Posterior, code: UserCode) -> Diverged:
    with posterior.running(code):
        advice = advise(posterior.setting)
    return Diverged(
        span=posterior.setting.sampler.origin,
        model=posterior.place.name,
        chain=error.chain,
        step=error.step,
        symptom=error.symptom,
        advice=advice,
    )


def _result(
    queries: Queries, posterior: Posterior, chains: Sequence[ChainResult], code: UserCode
) -> PosteriorResult:
    layout, setting, place = posterior.layout, posterior.setting, posterior.place
    units = setting.averager.unit_losses(setting.anchor[None, : layout.rows])[0]
    means = setting.averager.means(setting.anchor[None])[0].numpy()
    readout = read_out(queries, place, layout, means)
    with posterior.running(code):
        stiffness = stiffness_of(setting) if setting.sampler.kind == "sgld" else nan
    return PosteriorResult(
        place.name, readout, setting.averager, units.numpy(), means, tuple(chains), stiffness
    )


def _digests(queries: Queries, digests: Fingerprints) -> dict[str, str]:
    models = {f"model:{source.name}": digest for source, digest in digests.models.items()}
    return {"data": digests.data[queries.reweight.data], "queries": digests.content, **models}
