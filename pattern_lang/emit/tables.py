"""`weights.parquet`: one row per unit, with metadata that says what the numbers mean."""

import io
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pattern_lang.emit.canonical import clean_text
from pattern_lang.emit.figures import weight_figures
from pattern_lang.ir.susceptibility import UnitTable

WEIGHTS_SCHEMA = "pattern-lang/weights/1"

# Which of its neighbours a token's weight belongs to is where consumers silently differ by one.
_ALIGNMENT = {
    "token": "loss position: the weight at position t multiplies the loss at position t, which is "
    "that of predicting token t + 1 of row sample_id",
    "sample": "row: the weight multiplies the loss of that row, and of each of its tokens",
    "group": "group: the weight multiplies the loss of every row of that group",
}


def weights_bytes(
    weights: NDArray[np.float32],
    units: UnitTable,
    group_field: str | None,
    provenance: Mapping[str, str],
) -> bytes:
    """Return the Parquet file of some weights; equal input gives equal bytes."""
    pa = _arrow()
    columns: dict[str, Any] = {
        "unit_id": pa.array(units.unit_id, pa.int64()),
        "weight": pa.array(weights.astype(np.float32), pa.float32()),
    }
    encodings = {"unit_id": "DELTA_BINARY_PACKED", "weight": "BYTE_STREAM_SPLIT"}
    for name, values in _extra_ids(units).items():
        columns[name] = pa.array(values, pa.int64())
        encodings[name] = "DELTA_BINARY_PACKED"
    if units.unit == "group" and group_field is not None and group_field in units.fields:
        columns["group"] = _group_column(units.fields[group_field])
    table = pa.table(columns).replace_schema_metadata(_metadata(weights, units, provenance))
    sink = io.BytesIO()
    import_module("pyarrow.parquet").write_table(
        table, sink, compression="zstd", use_dictionary=False, column_encoding=encodings
    )
    return sink.getvalue()


def _arrow() -> Any:
    """Load pyarrow, which takes 0.2 s that readers of the plan alone should not pay."""
    return import_module("pyarrow")


def _extra_ids(units: UnitTable) -> dict[str, NDArray[np.int64]]:
    extra: dict[str, NDArray[np.int64]] = {}
    if units.filtered and units.row is not None:
        extra["row"] = units.row.astype(np.int64)
    if units.unit == "token":
        for name in ("sample_id", "position"):
            if name in units.fields and units.fields[name].dtype.kind in "iu":
                extra[name] = units.fields[name].astype(np.int64)
    return extra


def _group_column(values: NDArray[Any]) -> Any:
    """Return the groups in their own type, or as text where they have no single one."""
    pa = _arrow()
    if values.dtype.kind in "biuf":
        return pa.array(values)
    items = values.tolist()
    kinds = {type(item) for item in items if item is not None}
    if kinds <= {bool} or kinds <= {int} or kinds <= {float}:
        return pa.array(items)
    return pa.array([None if item is None else clean_text(str(item)) for item in items])


def _metadata(
    weights: NDArray[np.float32], units: UnitTable, provenance: Mapping[str, str]
) -> dict[str, str]:
    figures = weight_figures(weights)
    own = {
        "schema": WEIGHTS_SCHEMA,
        "unit": units.unit,
        "role": "loss",
        "normalisation": "mean 1",
        "alignment": _ALIGNMENT.get(units.unit, "unit"),
        "effective_sample_size": repr(figures.ess_share),
        "effective_units": repr(figures.ess_units),
        "kl": repr(figures.kl),
        "units": str(figures.n),
    }
    return dict(sorted({**provenance, **own}.items()))
