"""From loaded inputs to an estimate: prepare every posterior, run its chains, put χ together."""

from collections.abc import Sequence
from functools import partial
from time import perf_counter

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.estimates import Diverged
from pattern_lang.estimate.advice import advise
from pattern_lang.estimate.assemble import PosteriorResult, susceptibility
from pattern_lang.estimate.cost import measure_cost
from pattern_lang.estimate.diagnostics import chain_traces, diagnose
from pattern_lang.estimate.errors import ChainDivergedError, Errors
from pattern_lang.estimate.fingerprints import Fingerprints
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
    code: UserCode,
    reporter: Reporter,
    workers: int | None,
) -> Estimate:
    """Run all chains and return the estimate; raise PatternError, with Diverged among others."""
    started = perf_counter()
    results = sample_posteriors(queries, posteriors, digests.content, code, reporter, workers)
    table = inputs.units.table
    share = table.size / table.size.sum()
    return Estimate(
        susceptibility=susceptibility(queries, results, table.size),
        units=table,
        traces=tuple(trace for result in results for trace in chain_traces(result)),
        diagnostics=tuple(diagnose(queries, result, share) for result in results),
        digests=_digests(queries, digests),
        sampled=True,
        seconds=perf_counter() - started,
    )


def sample_posteriors(
    queries: Queries,
    posteriors: Sequence[Posterior],
    digest: str,
    code: UserCode,
    reporter: Reporter,
    workers: int | None,
) -> list[PosteriorResult]:
    """Run all chains, seeded by `digest`, and gather what each posterior left."""
    tasks = [
        Task(number, chain, chain_seed(digest, number, chain))
        for number in range(len(posteriors))
        for chain in range(queries.sampler.chains)
    ]
    chains = _run(tasks, posteriors, code, reporter, workers) if tasks else {}
    return [
        _result(queries, posterior, [c for task, c in chains.items() if task.posterior == number])
        for number, posterior in enumerate(posteriors)
    ]


def _run(
    tasks: Sequence[Task],
    posteriors: Sequence[Posterior],
    code: UserCode,
    reporter: Reporter,
    workers: int | None,
) -> dict[Task, ChainResult]:
    cost = measure_cost(
        posteriors[0].setting.sampler, [posterior.setting for posterior in posteriors], workers
    )
    reporter.message(str(cost))
    try:
        with reporter.progress(cost.gradient_steps, "sampling") as progress:
            if cost.processes > 1:
                return run_processes(tasks, posteriors, cost.processes, progress.advance)
            return run_here(tasks, posteriors, code, progress.advance)
    except ChainDivergedError as error:
        raise PatternError([_diverged(error, posteriors[error.posterior])]) from error


def _diverged(error: ChainDivergedError, posterior: Posterior) -> Diverged:
    return Diverged(
        span=posterior.setting.sampler.origin,
        model=posterior.model.source.name,
        chain=error.chain,
        step=error.step,
        symptom=error.symptom,
        advice=advise(posterior.setting),
    )


def _result(
    queries: Queries, posterior: Posterior, chains: Sequence[ChainResult]
) -> PosteriorResult:
    layout, setting, source = posterior.layout, posterior.setting, posterior.model.source
    units = setting.averager.unit_losses(setting.anchor[None, : layout.rows])[0]
    means = layout.averages @ setting.anchor.numpy()
    readout = read_out(queries, source, layout, means)
    return PosteriorResult(source.name, readout, units.numpy(), means, tuple(chains))


def _digests(queries: Queries, digests: Fingerprints) -> dict[str, str]:
    models = {f"model:{source.name}": digest for source, digest in digests.models.items()}
    return {"data": digests.data[queries.reweight.data], "queries": digests.content, **models}
