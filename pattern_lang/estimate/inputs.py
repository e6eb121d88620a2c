"""Everything that an estimate reads, loaded: tables, kept rows, units and networks."""

from functools import partial

from attrs import frozen

from pattern_lang.estimate.components import select
from pattern_lang.estimate.errors import Errors
from pattern_lang.estimate.models import LoadedModel, load_model
from pattern_lang.estimate.needs import Place, data_sets, places, posterior_models, user_observables
from pattern_lang.estimate.predicates import kept_rows
from pattern_lang.estimate.readers import read_table
from pattern_lang.estimate.selection import Selection
from pattern_lang.estimate.table import Array, Table
from pattern_lang.estimate.units import Units, number_units
from pattern_lang.estimate.user_code import UserCode, UserFunction
from pattern_lang.ir.observables import UserObservable
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.sources import DataSource, ModelSource


@frozen(eq=False)
class Inputs:
    """What was loaded.

    `tables` go by base data, `rows` by data set (row numbers in its base), `selections` by the
    posteriors that move a component alone, `functions` by the user's own observables.
    """

    tables: dict[DataSource, Table]
    rows: dict[DataSource, Array]
    units: Units
    models: dict[ModelSource, LoadedModel]
    selections: dict[Place, Selection]
    functions: dict[UserObservable, UserFunction]


def load_inputs(queries: Queries, code: UserCode) -> Inputs:
    """Load data and models; raise PatternError with every independent mistake."""
    errors = Errors()
    tables: dict[DataSource, Table] = {}
    rows: dict[DataSource, Array] = {}
    failed: set[DataSource] = set()
    for data in data_sets(queries):
        base = data.base
        if base not in tables and base not in failed:
            # The base has no span of its own; the data set that asks first lends it.
            table = errors.attempt(partial(read_table, data, code))
            tables |= {base: table} if table is not None else {}
            failed |= {base} if table is None else set()
        if base in tables:
            kept = errors.attempt(partial(kept_rows, tables[base], data))
            rows |= {data: kept} if kept is not None else {}
    models: dict[ModelSource, LoadedModel] = {}
    for source in posterior_models(queries):
        model = errors.attempt(partial(load_model, source, code))
        models |= {source: model} if model is not None else {}
    selections: dict[Place, Selection] = {}
    for place in places(queries):
        if place.component is not None and place.model in models:
            network = models[place.model].network
            network.reset()  # so that what may move is what the network itself says
            selection = errors.attempt(partial(select, place.component, network.module))
            selections |= {place: selection} if selection is not None else {}
    functions: dict[UserObservable, UserFunction] = {}
    for item in user_observables(queries):
        function = errors.attempt(partial(code.function, item.function, None))
        functions |= {item: function} if function is not None else {}
    units = errors.attempt(partial(_units, queries, tables, rows))
    errors.stop()
    assert units is not None
    return Inputs(tables, rows, units, models, selections, functions)


def _units(
    queries: Queries, tables: dict[DataSource, Table], rows: dict[DataSource, Array]
) -> Units | None:
    data = queries.reweight.data
    if data not in rows:
        return None
    return number_units(tables[data.base], rows[data], queries.reweight)
