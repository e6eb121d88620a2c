"""Which data sets, posteriors and functions a pattern needs, read off its queries."""

from collections.abc import Iterator

from attrs import frozen

from pattern_lang.ir.observables import (
    FreeEnergy,
    LearningCoefficient,
    Loss,
    Observable,
    PrincipalDirection,
    Restricted,
    UserObservable,
)
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.sources import Component, DataSource, ModelSource

_RE_WEIGHTING = LearningCoefficient  # its own loss is re-weighted, which takes parts of rows
Plain = Loss | LearningCoefficient | FreeEnergy | UserObservable


@frozen
class Place:
    """A posterior: of a model, over all of its parameters or over a component alone."""

    model: ModelSource
    component: Component | None = None

    @property
    def name(self) -> str:
        """Return what files and messages call it."""
        if self.component is None:
            return self.model.name
        return f"{self.model.name}, {self.component.text}"


@frozen
class Part:
    """A primitive without its restriction: what it is, under which posterior.

    `mixed` tells that it is read as published, with the first moments of the whole posterior.
    """

    primitive: Plain
    place: Place
    mixed: bool = False


def parts_of(observable: Observable) -> Iterator[tuple[float, Part]]:
    """Yield the terms of an observable with their coefficients; principal directions have none."""
    for coefficient, primitive in observable.terms:
        part = _part(primitive)
        if part is not None:
            yield coefficient, part


def _part(primitive: object) -> Part | None:
    inner = primitive.primitive if isinstance(primitive, Restricted) else primitive
    if not isinstance(inner, Plain) or inner.model is None or inner.on is None:
        return None
    if not isinstance(primitive, Restricted):
        return Part(inner, Place(inner.model))
    # A free energy has no covariance, so there is nothing in it to mix.
    mixed = primitive.posterior == "two-chain" and not isinstance(inner, FreeEnergy)
    return Part(inner, Place(inner.model, primitive.component), mixed)


def all_parts(queries: Queries) -> Iterator[Part]:
    """Yield the parts of all observables, in order."""
    for observable in queries.observables:
        for _, part in parts_of(observable):
            yield part


def directions_of(queries: Queries) -> Iterator[tuple[int, float, PrincipalDirection]]:
    """Yield every principal direction that is asked for: its row, coefficient, and itself."""
    for row, observable in enumerate(queries.observables):
        for coefficient, primitive in observable.terms:
            if isinstance(primitive, PrincipalDirection):
                yield row, coefficient, primitive


def data_sets(queries: Queries) -> tuple[DataSource, ...]:
    """Return the re-weighted data and every data set that an observable is on, each once."""
    found = {queries.reweight.data: None}
    for part in all_parts(queries):
        assert part.primitive.on is not None  # or it would be no part
        found[part.primitive.on] = None
    for _, _, direction in directions_of(queries):
        if direction.toward is not None:
            found[direction.toward] = None
    return tuple(found)


def places(queries: Queries) -> tuple[Place, ...]:
    """Return the posteriors that are needed, each once, in the order of the queries."""
    found = {Place(query.model, query.component): None for query in queries.posteriors}
    for part in all_parts(queries):
        found.setdefault(part.place, None)
        if part.mixed:
            found.setdefault(Place(part.place.model), None)
    return tuple(found)


def posterior_models(queries: Queries) -> tuple[ModelSource, ...]:
    """Return the models whose posteriors are needed, each once, in the order of the queries."""
    return tuple({place.model: None for place in places(queries)})


def primitives_of(queries: Queries, place: Place) -> list[Plain]:
    """Return the primitives of all observables that belong to a posterior."""
    return [part.primitive for part in all_parts(queries) if part.place == place]


def followed_data(queries: Queries, place: Place) -> tuple[DataSource, ...]:
    """Return the data sets whose mean losses a posterior follows; the re-weighted one is first."""
    found = {queries.reweight.data: None}
    for primitive in primitives_of(queries, place):
        if not isinstance(primitive, UserObservable):
            found[primitive.on] = None
    return tuple(found)


def differentiated(queries: Queries, place: Place) -> tuple[int, ...]:
    """Return which followed data sets, by number, an observable has a covariance with."""
    followed = followed_data(queries, place)
    wanted = {
        p.on for p in primitives_of(queries, place) if isinstance(p, Loss | LearningCoefficient)
    }
    return tuple(number for number, data in enumerate(followed) if data in wanted)


def user_observables(queries: Queries, place: Place | None = None) -> tuple[UserObservable, ...]:
    """Return the user's own observables, all or those of one posterior, each once."""
    found = {
        part.primitive: None
        for part in all_parts(queries)
        if isinstance(part.primitive, UserObservable) and place in (None, part.place)
    }
    return tuple(found)


def plan_of(queries: Queries, place: Place) -> tuple[object, ...]:
    """Return what the evaluations of a posterior depend on: posteriors with the same share them."""
    inside = frozenset(p for p in primitives_of(queries, place) if isinstance(p, _RE_WEIGHTING))
    followed, covarying = followed_data(queries, place), differentiated(queries, place)
    return place.model, followed, covarying, user_observables(queries, place), inside
