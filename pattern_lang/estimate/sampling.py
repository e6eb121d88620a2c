"""From loaded inputs to an estimate: prepare every posterior, run its chains, put χ together."""

from collections.abc import Sequence
from functools import partial
from math import nan
from time import perf_counter

import numpy as np

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.estimates import Diverged
from pattern_lang.estimate.advice import advise, stiffness_of
from pattern_lang.estimate.assemble import PosteriorResult, susceptibility
from pattern_lang.estimate.chain_store import ChainStore, PosteriorKey
from pattern_lang.estimate.cost import CostEstimate, count_cost, serial_seconds
from pattern_lang.estimate.diagnostics import chain_traces, diagnose
from pattern_lang.estimate.errors import ChainDivergedError, Errors
from pattern_lang.estimate.fingerprints import Fingerprints, posterior_key
from pattern_lang.estimate.inputs import Inputs
from pattern_lang.estimate.layout import lay_out
from pattern_lang.estimate.models import LoadedModel
from pattern_lang.estimate.moments import ChainResult
from pattern_lang.estimate.posterior import chain_seed, prepare
from pattern_lang.estimate.processes import run_processes
from pattern_lang.estimate.readout import read_out
from pattern_lang.estimate.reporter import Reporter
from pattern_lang.estimate.tasks import Posterior, Task, run_here
from pattern_lang.estimate.user_code import UserCode
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.susceptibility import Estimate


def prepare_posteriors(queries: Queries, inputs: Inputs, code: UserCode) -> list[Posterior]:
    """Evaluate every model at its checkpoint; raise PatternError with all that fail."""
    errors = Errors()
    found = [
        errors.attempt(partial(_prepare, queries, inputs, model, code))
        for model in inputs.models.values()
    ]
    errors.stop()
    return [posterior for posterior in found if posterior is not None]


def _prepare(queries: Queries, inputs: Inputs, model: LoadedModel, code: UserCode) -> Posterior:
    layout = lay_out(queries, inputs, model.source)
    return Posterior(model, layout, prepare(model, layout, queries.sampler, code))


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
    table = inputs.units.table
    share = table.size / table.size.sum()
    return Estimate(
        susceptibility=susceptibility(queries, results, table.size),
        units=table,
        traces=tuple(trace for result in results for trace in chain_traces(result)),
        diagnostics=tuple(diagnose(queries, result, share) for result in results),
        digests=_digests(queries, digests),
        sampled=store.missed,
        seconds=perf_counter() - started,
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
    return [
        _result(queries, posterior, chains or (), code)
        for posterior, chains in zip(posteriors, kept, strict=True)
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
    cost = posteriors_cost(queries, posteriors, code, workers)
    reporter.message(str(cost))
    try:
        with reporter.progress(cost.gradient_steps, "sampling") as progress:
            if cost.processes > 1:
                chains = run_processes(tasks, posteriors, cost.processes, progress.advance)
            else:
                chains = run_here(tasks, posteriors, code, progress.advance)
        return [
            tuple(chain for task, chain in chains.items() if task.posterior == number)
            for number in range(len(posteriors))
        ]
    except ChainDivergedError as error:
        raise PatternError([_diverged(error, posteriors[error.posterior], code)]) from error


def _diverged(error: ChainDivergedError, posterior: Posterior, code: UserCode) -> Diverged:
    with posterior.running(code):
        advice = advise(posterior.setting)
    return Diverged(
        span=posterior.setting.sampler.origin,
        model=posterior.model.source.name,
        chain=error.chain,
        step=error.step,
        symptom=error.symptom,
        advice=advice,
    )


def _result(
    queries: Queries, posterior: Posterior, chains: Sequence[ChainResult], code: UserCode
) -> PosteriorResult:
    layout, setting, source = posterior.layout, posterior.setting, posterior.model.source
    units = setting.averager.unit_losses(setting.anchor[None, : layout.rows])[0]
    means = layout.averages @ setting.anchor.numpy()
    readout = read_out(queries, source, layout, means)
    with posterior.running(code):
        stiffness = stiffness_of(setting) if setting.sampler.kind == "sgld" else nan
    losses = [setting.averager.part_losses(s.rows) for chain in chains for s in chain.segments]
    return PosteriorResult(
        source.name, readout, units.numpy(), means, tuple(chains), np.stack(losses), stiffness
    )


def _digests(queries: Queries, digests: Fingerprints) -> dict[str, str]:
    models = {f"model:{source.name}": digest for source, digest in digests.models.items()}
    return {"data": digests.data[queries.reweight.data], "queries": digests.content, **models}
