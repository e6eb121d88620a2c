"""Everything that an estimate reads, loaded: tables, kept rows, units and networks."""

from functools import partial

from attrs import frozen

from pattern_lang.estimate.components import select
from pattern_lang.estimate.entries import Entries, check_agreement, chosen, entries_of
from pattern_lang.estimate.errors import Errors
from pattern_lang.estimate.models import LoadedModel, load_model
from pattern_lang.estimate.needs import Place, data_sets, places, posterior_models, user_observables
from pattern_lang.estimate.predicates import Kept, kept, scalar_field
from pattern_lang.estimate.readers import read_table
from pattern_lang.estimate.selection import Selection
from pattern_lang.estimate.table import Table
from pattern_lang.estimate.units import Units, number_units
from pattern_lang.estimate.user_code import UserCode, UserFunction
from pattern_lang.ir.observables import UserObservable
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.sources import DataSource, ModelSource


@frozen(eq=False)
class Inputs:
    """What was loaded.

    `tables` go by base data, `kept` by data set: its rows and positions in its base. `entries` say
    for each model and base where the model has a loss. `selections` go by the posteriors that move
    a component alone, `functions` by the user's own observables.
    """

    tables: dict[DataSource, Table]
    kept: dict[DataSource, Kept]
    units: Units
    models: dict[ModelSource, LoadedModel]
    entries: dict[ModelSource, Entries]
    selections: dict[Place, Selection]
    functions: dict[UserObservable, UserFunction]


def load_inputs(queries: Queries, code: UserCode) -> Inputs:
    """Load data and models; raise PatternError with every independent mistake."""
    errors = Errors()
    tables, chosen_rows = _load_data(queries, code, errors)
    models: dict[ModelSource, LoadedModel] = {}
    for source in posterior_models(queries):
        model = errors.attempt(partial(load_model, source, code))
        models |= {source: model} if model is not None else {}
    errors.stop()
    entries: dict[ModelSource, Entries] = {}
    for source, model in models.items():
        own = errors.attempt(partial(entries_of, queries, model, tables, chosen_rows, code))
        entries |= {source: own} if own is not None else {}
    selections = _selections(queries, models, errors)
    functions: dict[UserObservable, UserFunction] = {}
    for item in user_observables(queries):
        function = errors.attempt(partial(code.function, item.function, None))
        functions |= {item: function} if function is not None else {}
    errors.stop()
    units = _units(queries, tables, chosen_rows, entries)
    return Inputs(tables, chosen_rows, units, models, entries, selections, functions)


def _selections(
    queries: Queries, models: dict[ModelSource, LoadedModel], errors: Errors
) -> dict[Place, Selection]:
    """Find the parameters of every component that moves alone."""
    selections: dict[Place, Selection] = {}
    for place in places(queries):
        if place.component is not None and place.model in models:
            network = models[place.model].network
            network.reset()  # so that what may move is what the network itself says
            selection = errors.attempt(partial(select, place.component, network.module))
            selections |= {place: selection} if selection is not None else {}
    return selections


def _load_data(
    queries: Queries, code: UserCode, errors: Errors
) -> tuple[dict[DataSource, Table], dict[DataSource, Kept]]:
    tables: dict[DataSource, Table] = {}
    found: dict[DataSource, Kept] = {}
    failed: set[DataSource] = set()
    for data in data_sets(queries):
        base = data.base
        if base not in tables and base not in failed:
            # The base has no span of its own; the data set that asks first lends it.
            table = errors.attempt(partial(read_table, data, code))
            tables |= {base: table} if table is not None else {}
            failed |= {base} if table is None else set()
        if base in tables:
            own = errors.attempt(partial(kept, tables[base], data))
            found |= {data: own} if own is not None else {}
    field = queries.reweight.group_field
    base = queries.reweight.data.base
    if field is not None and base in tables:
        errors.attempt(partial(scalar_field, field, tables[base], queries.reweight.origin))
    return tables, found


def _units(
    queries: Queries,
    tables: dict[DataSource, Table],
    found: dict[DataSource, Kept],
    entries: dict[ModelSource, Entries],
) -> Units:
    """Number the units, by the positions at which the models have losses.

    Without a model, the positions are those that have a next token.
    """
    data = queries.reweight.data
    table, own = tables[data.base], found[data]
    by_model = {m.name: chosen(each[data.base], own) for m, each in entries.items()}
    if by_model:
        check_agreement(queries, by_model)
        return number_units(table, own.rows, next(iter(by_model.values())), queries.reweight)
    wanted = queries.reweight.unit == "token" or own.positions is not None
    places = table.tokens.predicted if table.tokens is not None and wanted else None
    return number_units(table, own.rows, chosen(places, own), queries.reweight)
