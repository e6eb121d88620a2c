"""The JSON outputs beside the plan: what was sampled and why, and how the chains behaved."""

import re
from typing import Any

import attrs
import numpy as np

from pattern_lang.diagnostics import Span
from pattern_lang.emit.canonical import portable_name
from pattern_lang.ir.observables import FreeEnergy, Observable, PrincipalDirection, Restricted
from pattern_lang.ir.queries import PosteriorQuery, Queries, Reason, Sampler
from pattern_lang.ir.sources import FileRef
from pattern_lang.ir.susceptibility import ChainTrace, Estimate, PosteriorDiagnostics, Spectrum

QUERIES_SCHEMA = "pattern-lang/queries/1"
DIAGNOSTICS_SCHEMA = "pattern-lang/diagnostics/1"

_CHAIN = ("kind", "nbeta", "localization", "chains", "draws", "burn_in", "seed")
_SETTINGS = {
    "laplace": ("kind", "nbeta", "localization"),
    "hmc": _CHAIN,
    "importance": ("kind", "nbeta", "localization", "chains", "draws", "seed"),
    "sgld": (*_CHAIN, "step", "batch", "thin", "estimator"),
}

_PLACE = re.compile(r"^(?P<name>.*?)(?P<place>(:\d+){0,2})$", re.DOTALL)


def portable_location(location: str) -> str:
    """Return `name:line:column` without the folders of an absolute name."""
    match = _PLACE.match(location)
    if match is None:
        return portable_name(location)
    return portable_name(match["name"]) + match["place"]


def span_location(span: Span | None) -> str | None:
    """Return where a span starts, as `name:line:column`."""
    return None if span is None else portable_location(str(span))


def tree(value: Any) -> Any:
    """Return a value of the intermediate representation as nested JSON objects.

    Files appear as the spec names them, never as the paths that were tried.
    """
    if isinstance(value, FileRef):
        return portable_name(value.text)
    if isinstance(value, tuple):
        return [tree(item) for item in value]
    if not attrs.has(type(value)):
        return value
    fields = {
        item.name: tree(getattr(value, item.name))
        for item in attrs.fields(type(value))
        if item.name != "origin"
    }
    return {"type": type(value).__name__, **fields}


def sampler_document(sampler: Sampler) -> dict[str, Any]:
    """Return the settings that a sampler of this kind uses."""
    used = _SETTINGS.get(sampler.kind)
    return {
        item.name: getattr(sampler, item.name)
        for item in attrs.fields(Sampler)
        if item.name != "origin" and (used is None or item.name in used)
    }


def queries_document(queries: Queries) -> dict[str, Any]:
    """Return `queries.json`."""
    reweight = queries.reweight
    return {
        "schema": QUERIES_SCHEMA,
        "reweight": {
            "data": tree(reweight.data),
            "unit": reweight.unit,
            "group_field": reweight.group_field,
            "name": reweight.name,
            "location": span_location(reweight.origin),
        },
        "sampler": sampler_document(queries.sampler),
        "observables": [
            {
                "name": item.name,
                "unit": item.unit.value,
                "constant": item.constant,
                "estimator": estimator_of(item),
                "terms": [
                    {"coefficient": factor, "primitive": tree(part)} for factor, part in item.terms
                ],
                "location": span_location(item.origin),
            }
            for item in queries.observables
        ],
        "posteriors": [_posterior(item) for item in queries.posteriors],
    }


def estimator_of(observable: Observable) -> str:
    """Return how χ of an observable is estimated, in a word for each kind of term.

    `covariance`: under the posterior of all parameters. `component`: under the posterior of a
    component, the exact response of a network in which only it moves. `two-chain`: as published,
    second moments under the component's posterior and first moments under that of all parameters.
    `direction`: a combination of the rows of a family.
    """
    kinds: dict[str, None] = {}
    for _, primitive in observable.terms:
        match primitive:
            case Restricted(primitive=FreeEnergy()):
                kinds["component"] = None
            case Restricted(posterior=posterior):
                kinds[posterior] = None
            case PrincipalDirection():
                kinds["direction"] = None
            case _:
                kinds["covariance"] = None
    return " + ".join(kinds)


def _posterior(query: PosteriorQuery) -> dict[str, Any]:
    return {
        "model": query.model.name,
        "model_source": tree(query.model),
        "component": tree(query.component),
        "observables": list(query.observables),
        "reasons": [_reason(item) for item in query.reasons],
    }


def _reason(reason: Reason) -> dict[str, str]:
    return {"source": reason.source, "location": portable_location(reason.location)}


def diagnostics_document(estimate: Estimate) -> dict[str, Any]:
    """Return `diagnostics.json`: each posterior's figures, and a summary of each chain."""
    return {
        "schema": DIAGNOSTICS_SCHEMA,
        "posteriors": [posterior_document(item) for item in estimate.diagnostics],
        "chains": [_chain(trace) for trace in estimate.traces],
        "directions": [_direction(item) for item in estimate.spectra],
        **({"control": dict(estimate.control)} if estimate.control else {}),
    }


def _direction(item: Spectrum) -> dict[str, Any]:
    nearest, gap = item.gap
    return {
        "observable": item.observable,
        "k": item.k,
        "loadings": dict(zip(item.members, item.loadings, strict=True)),
        "singular_values": list(item.singular_values),
        "nearest_singular_value": nearest,
        "gap": gap,
        "turn_degrees": float(f"{np.degrees(item.turn):.3g}"),
    }


def posterior_document(item: PosteriorDiagnostics) -> dict[str, Any]:
    """Return the figures of one posterior."""
    return {
        "posterior": item.posterior,
        "r_hat": item.r_hat,
        "effective_draws": item.effective_draws,
        "autocorrelation_time": item.autocorrelation_time,
        "between_within": item.between_within,
        "anchor_loss": item.anchor_loss,
        "mean_excess": item.mean_excess,
        "split_half": dict(item.split_half),
        "figures": dict(item.figures),
        "verdict": item.verdict,
        "sound": bool(item.sound),
        "reasons": list(item.reasons),
    }


def _chain(trace: ChainTrace) -> dict[str, Any]:
    loss = np.asarray(trace.loss, np.float64)
    finite = loss[np.isfinite(loss)]
    quarter = max(1, len(finite) // 4)
    empty = len(finite) == 0
    return {
        "posterior": trace.posterior,
        "chain": trace.chain,
        "seed": trace.seed,
        "draws": len(loss),
        "draws_not_finite": len(loss) - len(finite),
        "mean_excess": None if empty else float(finite.mean()),
        "sd_excess": None if empty else float(finite.std()),
        "first_quarter": None if empty else float(finite[:quarter].mean()),
        "last_quarter": None if empty else float(finite[-quarter:].mean()),
        "low": None if empty else float(finite.min()),
        "high": None if empty else float(finite.max()),
    }
