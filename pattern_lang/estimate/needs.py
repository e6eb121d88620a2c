"""Which data sets and which posteriors a pattern needs, read off its queries."""

from pattern_lang.ir.observables import FreeEnergy, LearningCoefficient, Loss
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.sources import DataSource, ModelSource

Plain = Loss | LearningCoefficient | FreeEnergy


def data_sets(queries: Queries) -> tuple[DataSource, ...]:
    """Return the re-weighted data and every data set that an observable is on, each once."""
    found = {queries.reweight.data: None}
    for observable in queries.observables:
        for _, primitive in observable.terms:
            if isinstance(primitive, Plain):
                found[primitive.on] = None
    return tuple(found)


def posterior_models(queries: Queries) -> tuple[ModelSource, ...]:
    """Return the models whose posteriors are needed, each once, in the order of the queries."""
    found = {query.model: None for query in queries.posteriors}
    for observable in queries.observables:
        for _, primitive in observable.terms:
            if isinstance(primitive, Plain):
                found.setdefault(primitive.model, None)
    return tuple(found)


def primitives_of(queries: Queries, model: ModelSource) -> list[Plain]:
    """Return the primitives of all observables that belong to a model's posterior."""
    return [
        primitive
        for observable in queries.observables
        for _, primitive in observable.terms
        if isinstance(primitive, Plain) and primitive.model == model
    ]
