"""Digests of loaded inputs: the bytes of a network and the sources of its code."""

import hashlib

from attrs import frozen

from pattern_lang.estimate.chain_store import MEAN, PosteriorKey
from pattern_lang.estimate.digests import (
    ESTIMATOR_VERSION,
    SEED_VERSION,
    content_digest,
    digest_of,
    document,
    rows_digest,
    table_digest,
    update_with_array,
)
from pattern_lang.estimate.inputs import Inputs
from pattern_lang.estimate.models import LoadedModel
from pattern_lang.estimate.needs import user_observables
from pattern_lang.estimate.selection import selection_document
from pattern_lang.estimate.tasks import Posterior
from pattern_lang.estimate.user_code import UserCode, UserFunction
from pattern_lang.ir.observables import UserObservable
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.sources import DataSource, ModelSource


@frozen
class Fingerprints:
    """Digests, each `sha256:…`; `content` is that of the whole estimate."""

    data: dict[DataSource, str]
    models: dict[ModelSource, str]
    functions: dict[UserObservable, str]
    content: str


def fingerprint(queries: Queries, inputs: Inputs, code: UserCode) -> Fingerprints:
    """Return the digests of everything that was loaded."""
    tables = {base: table_digest(table) for base, table in inputs.tables.items()}
    data = {
        source: rows_digest(tables[source.base], kept.rows, kept.positions)
        for source, kept in inputs.kept.items()
    }
    models = {source: model_digest(model, code) for source, model in inputs.models.items()}
    functions = {
        item: _observable_digest(item, data, inputs.functions[item], code)
        for item in user_observables(queries)
    }
    content = content_digest(queries, data, models, functions)
    return Fingerprints(data, models, functions, content)


def posterior_key(queries: Queries, posterior: Posterior, digests: Fingerprints) -> PosteriorKey:
    """Return what the chains of a posterior depend on, and which data they are followed on."""
    reweight = queries.reweight
    family = {
        "estimator": ESTIMATOR_VERSION,
        "model": digests.models[posterior.model.source],
        "reweighted": digests.data[reweight.data],
        "unit": [reweight.unit, reweight.group_field],
        "sampler": document(queries.sampler),
    }
    if posterior.selection is not None:
        # What moves, not what a spec calls it.
        family["component"] = selection_document(posterior.selection)
    covarying = posterior.setting.differentiated
    only_mean = MEAN if queries.sampler.is_pathwise else ""
    followed = [
        *(
            digests.data[data] + ("" if number in covarying else only_mean)
            for number, data in enumerate(posterior.layout.data)
        ),
        *(digests.functions[item] for item in user_observables(queries, posterior.place)),
    ]
    seeds = digest_of(family | {"estimator": SEED_VERSION})
    return PosteriorKey(digest_of(family), tuple(followed), seeds)


def _observable_digest(
    item: UserObservable, data: dict[DataSource, str], function: UserFunction, code: UserCode
) -> str:
    """Return the digest of a user's observable: its code, its arguments and its rows."""
    assert item.on is not None  # or it would not have come so far
    return digest_of(
        {
            "observable": function.function,
            "code": sorted(source_digests(function, code)),
            "arguments": document(item.arguments),
            "data": data[item.on],
        }
    )


def model_digest(model: LoadedModel, code: UserCode) -> str:
    """Return the digest of a network: every tensor, the code around it, and its arguments."""
    functions = [model.builder, *([model.loss] if model.loss else [])]
    return digest_of(
        {
            "tensors": tensors_digest(model),
            "code": sorted({digest for f in functions for digest in source_digests(f, code)}),
            "functions": [function.function for function in functions],
            "arguments": document(model.identity),
        }
    )


def tensors_digest(model: LoadedModel) -> str:
    """Return the digest of all parameters and buffers, by name; tied ones count once."""
    import torch

    model.network.reset()
    total = hashlib.sha256()
    module = model.network.module
    named = dict([*module.named_parameters(), *module.named_buffers()])
    for name, tensor in sorted(named.items()):
        raw = tensor.detach().cpu().contiguous()
        label = f"{name}:{tensor.dtype}:{tuple(tensor.shape)}:{tensor.requires_grad}"
        update_with_array(total, label, raw.reshape(-1).view(torch.uint8).numpy())
    return total.hexdigest()


def source_digests(function: UserFunction, code: UserCode) -> list[str]:
    """Return the digests of the files that a user's function consists of."""
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in code.sources(function)]
