"""The sampler of a pattern without `estimate`: published settings, chosen by the model's size.

The size is read from the headers of the weight files, so choosing loads no torch.
"""

import json
from math import prod
from pathlib import Path

from attrs import evolve

from pattern_lang.ir.queries import Queries, Sampler
from pattern_lang.ir.sources import ModelSource

_LONGEST_HEADER = 100_000_000

SETTINGS: tuple[tuple[float, Sampler, str], ...] = (
    (
        1e7,
        Sampler("sgld", 1e-3, 30.0, 300.0, 64, 4, 200, 50),
        "a 3-million-parameter language model (2504.18274)",
    ),
    (
        5e9,
        Sampler("rmsprop_sgld", 1e-5, 10.0, 300.0, 16, 4, 100, 4000, thin=160),
        "Pythia-1.4B",
    ),
    (
        float("inf"),
        Sampler("rmsprop_sgld", 1e-7, 300.0, 50_000.0, 16, 4, 100, 750, thin=30),
        "a 9-billion-parameter reward model",
    ),
)
"""Up to how many parameters, the settings, and what they were published for."""


def with_sampler(queries: Queries) -> tuple[Queries, str | None]:
    """Return the queries with a sampler, and the line to print when it had to be chosen."""
    if queries.sampler.kind != "default":
        return queries, None
    size = max((_parameters(query.model) for query in queries.posteriors), default=0)
    settings, origin = next((s, text) for limit, s, text in SETTINGS if size < limit)
    line = f"no `estimate` in the pattern; using {_written(settings)}, published for {origin}"
    return evolve(queries, sampler=settings), line


def _written(sampler: Sampler) -> str:
    thin = f", thin: {sampler.thin}" if sampler.thin > 1 else ""
    return (
        f"{sampler.kind}(step: {sampler.step:g}, nbeta: {sampler.nbeta:g}, localization: "
        f"{sampler.localization:g}, batch: {sampler.batch}, chains: {sampler.chains}, draws: "
        f"{sampler.draws}, burn_in: {sampler.burn_in}{thin})"
    )


def _parameters(model: ModelSource) -> int:
    """Return how many numbers a safetensors file holds; 0 where that cannot be told."""
    for candidate in model.weights.candidates if model.weights else ():
        path = Path(candidate)
        try:
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                header = json.loads(file.read(min(length, _LONGEST_HEADER)))
            return sum(prod(e["shape"]) for n, e in header.items() if n != "__metadata__")
        except (OSError, ValueError, TypeError, KeyError):
            continue
    return 0
