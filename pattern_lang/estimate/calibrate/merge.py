"""Patterns that can share one setting: they re-weight the same data and start alike."""

from collections.abc import Iterable

from attrs import evolve

from pattern_lang.ir.program import WeightPattern
from pattern_lang.ir.queries import Queries

Group = tuple[tuple[WeightPattern, ...], Queries]


def merged(patterns: Iterable[WeightPattern]) -> list[Group]:
    """Return groups of patterns, each with queries that ask for all that any of them asks."""
    groups: dict[object, list[WeightPattern]] = {}
    for pattern in patterns:
        reweight = pattern.queries.reweight
        key = (reweight.data, reweight.unit, reweight.group_field, pattern.queries.sampler)
        groups.setdefault(key, []).append(pattern)
    return [(tuple(group), _joined([p.queries for p in group])) for group in groups.values()]


def _joined(queries: list[Queries]) -> Queries:
    observables = dict.fromkeys(item for one in queries for item in one.observables)
    posteriors = dict.fromkeys(item for one in queries for item in one.posteriors)
    return evolve(queries[0], observables=tuple(observables), posteriors=tuple(posteriors))
