"""From loaded inputs to an estimate: prepare every posterior, run its chains, put χ together."""

from collections.abc import Sequence
from functools import partial
from math import nan
from time import perf_counter

import numpy as np
from attrs import evolve

from pattern_lang.estimate.advice import stiffness_of
from pattern_lang.estimate.assemble import combined, susceptibility
from pattern_lang.estimate.chain import Setting
from pattern_lang.estimate.chain_store import PosteriorKey
from pattern_lang.estimate.crew import Crew, Means
from pattern_lang.estimate.diagnostics import chain_traces, diagnose
from pattern_lang.estimate.directions import combination, with_turns
from pattern_lang.estimate.errors import Errors
from pattern_lang.estimate.evaluate import to_tensors
from pattern_lang.estimate.fingerprints import Fingerprints, posterior_key
from pattern_lang.estimate.inputs import Inputs
from pattern_lang.estimate.layout import Layout, lay_out
from pattern_lang.estimate.models import LoadedModel
from pattern_lang.estimate.moments import ChainResult
from pattern_lang.estimate.needs import (
    Place,
    differentiated,
    places,
    plan_of,
    user_observables,
)
from pattern_lang.estimate.network import restricted
from pattern_lang.estimate.posterior import prepare
from pattern_lang.estimate.precision import Shared, settled
from pattern_lang.estimate.probes import WHERE, Probe
from pattern_lang.estimate.readout import read_out
from pattern_lang.estimate.responses import PosteriorResult, combine
from pattern_lang.estimate.reweighing import equalised, weights_of
from pattern_lang.estimate.tasks import Posterior
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
    covarying = differentiated(queries, place) if queries.sampler.is_pathwise else ()
    return layout, prepare(model, layout, queries.sampler, code, probes, covarying)


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
    means: Means,
) -> Estimate:
    """Run the chains that are not stored, and return the estimate.

    Raises PatternError, with Diverged among others.
    """
    started = perf_counter()
    keys = [posterior_key(queries, posterior, digests) for posterior in posteriors]
    results = sample_posteriors(queries, posteriors, keys, means)
    matrix, spectra = combination(queries, inputs, results)
    constants = np.array([observable.constant for observable in queries.observables])
    if spectra:
        # Principal directions become what they are: combinations of their families' members.
        results = [combined(result, matrix) for result in results]
        constants = combine(matrix, constants[:, None])[:, 0]
    table = inputs.units.table
    chi, halves = susceptibility(queries, results, table.size, constants)
    return Estimate(
        susceptibility=chi,
        units=table,
        traces=tuple(trace for result in results for trace in chain_traces(result)),
        diagnostics=tuple(map(partial(diagnose, queries), results, halves)),
        digests=_digests(queries, digests),
        sampled=means.store.missed,
        seconds=perf_counter() - started,
        spectra=with_turns(queries, spectra, chi),
    )


def sample_posteriors(
    queries: Queries,
    posteriors: Sequence[Posterior],
    keys: Sequence[PosteriorKey],
    means: Means,
) -> list[PosteriorResult]:
    """Return what the chains of each posterior left, running those that are not stored.

    The chains of a posterior are seeded by what they depend on, not by what is observed on them,
    so that patterns which ask different things of one posterior share its chains.
    """
    kept = [means.store.find(key) for key in keys]
    missing = [number for number, chains in enumerate(kept) if chains is None]
    if missing:
        crew, figures = _crew(posteriors, keys, missing, means)
        for place, (number, found) in enumerate(zip(missing, crew.run(), strict=True)):
            own = figures[place]
            chains = tuple(evolve(chain, figures=chain.figures | own) for chain in found)
            if place not in crew.stored and means.store.keep(keys[number], chains):
                crew.clear(place)
                chains = means.store.kept(keys[number]) or chains
            kept[number] = chains
    results = [
        _result(queries, posterior, chains or (), means.code)
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


def help_out(
    queries: Queries, posteriors: Sequence[Posterior], digests: Fingerprints, means: Means
) -> None:
    """Run chains that are missing, until each is finished or in other hands; raises Diverged."""
    keys = [posterior_key(queries, posterior, digests) for posterior in posteriors]
    missing = [number for number, key in enumerate(keys) if means.store.find(key) is None]
    if missing:
        _crew(posteriors, keys, missing, means)[0].run()


def _crew(
    posteriors: Sequence[Posterior],
    keys: Sequence[PosteriorKey],
    numbers: Sequence[int],
    means: Means,
) -> tuple[Crew, list[dict[str, float]]]:
    """Return who runs the chains of some posteriors, and what to add to the chains' figures."""
    chosen, figures = _settled([posteriors[n] for n in numbers], means.code)
    return Crew(chosen, [keys[n] for n in numbers], means), figures


def _settled(
    posteriors: Sequence[Posterior], code: UserCode
) -> tuple[list[Posterior], list[dict[str, float]]]:
    """Choose the precision of the losses at the draws; return what diagnostics show of it.

    Posteriors that share their rows go on doing so, in either precision.
    """
    shared = Shared()
    chosen, figures = [], []
    for posterior in posteriors:
        with posterior.running(code):
            setting, rounding = settled(posterior.setting, shared)
        chosen.append(evolve(posterior, setting=setting))
        found = {} if rounding is None else {"loss_bits": 16.0, "loss_rounding": rounding.losses}
        figures.append(found)
    return chosen, figures


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
        place.name,
        readout,
        setting.averager,
        units.numpy(),
        means,
        equalised(chains, setting.averager),
        stiffness,
        weights=weights_of(chains),
        pathwise=setting.sampler.is_pathwise,
    )


def _digests(queries: Queries, digests: Fingerprints) -> dict[str, str]:
    models = {f"model:{source.name}": digest for source, digest in digests.models.items()}
    return {"data": digests.data[queries.reweight.data], "queries": digests.content, **models}
