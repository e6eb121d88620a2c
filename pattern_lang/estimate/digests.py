"""Digests of queries, data and models: what an estimate depends on, and nothing else.

Two estimates with the same content digest are the same numbers. Names, source positions and paths
do not enter it; tensors, rows, sources of the model's code and sampler settings do.
"""

import hashlib
import json
from collections.abc import Callable
from enum import Enum
from typing import Any

import attrs
import numpy as np

from pattern_lang.estimate.needs import places
from pattern_lang.estimate.table import Array, Table
from pattern_lang.ir.observables import Observable, UserObservable
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.sources import DataSource, ModelSource

ESTIMATOR_VERSION = 6
_PIECE_BYTES = 16 * 2**20


def document(value: Any, replace: Callable[[Any], Any] = lambda value: None) -> Any:
    """Return an IR value as JSON types: the fields that equality looks at, so no positions.

    `replace` may return something else to stand for a value, or None to leave it as it is.
    """
    other = replace(value)
    if other is not None:
        return other
    if attrs.has(type(value)):
        fields = {
            field.name: document(getattr(value, field.name), replace)
            for field in attrs.fields(type(value))
            if field.eq
        }
        return {"is": type(value).__name__, **fields}
    if isinstance(value, tuple | list):
        return [document(item, replace) for item in value]
    return value.value if isinstance(value, Enum) else value


def digest_of(value: Any) -> str:
    """Return `sha256:…` of the canonical JSON of a value of JSON types."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def table_digest(table: Table) -> str:
    """Return the digest of all columns of a data set, and of the tokenizer that made them."""
    total = hashlib.sha256()
    if table.tokens is not None and table.tokens.digest:
        total.update(f"tokenizer\0{table.tokens.digest}\0".encode())
    for name, column in sorted({**table.numbers, **table.texts}.items()):
        update_with_array(total, name, column)
    return "sha256:" + total.hexdigest()


def update_with_array(total: "hashlib._Hash", name: str, values: Array) -> None:
    """Add a named array to a digest: its name, kind, shape and little-endian bytes."""
    text = values.dtype.kind in "OU"
    kind = "text" if text else values.dtype.newbyteorder("<").str
    total.update(f"{name}\0{kind}\0{values.shape}\0".encode())
    if text:
        for item in values.tolist():
            raw = str(item).encode("utf-8", "surrogatepass")
            total.update(len(raw).to_bytes(8, "little") + raw)
    else:
        # Piece by piece: what is mapped from a file does not have to fit into memory.
        pieces = [values] if values.ndim == 0 else np.array_split(values, _pieces(values))
        for piece in pieces:
            total.update(np.ascontiguousarray(piece).astype(kind, copy=False).tobytes())


def _pieces(values: Array) -> int:
    return max(1, min(len(values), values.nbytes // _PIECE_BYTES))


def rows_digest(table: str, rows: Array, positions: Array | None = None) -> str:
    """Return the digest of chosen rows, and positions, of a table that has the digest `table`."""
    chosen = [table, hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()]
    if positions is not None:
        chosen.append(hashlib.sha256(np.packbits(positions).tobytes()).hexdigest())
    return digest_of(chosen)


def content_digest(
    queries: Queries,
    data: dict[DataSource, str],
    models: dict[ModelSource, str],
    functions: dict[UserObservable, str],
) -> str:
    """Return the digest of an estimate, from those of its data sets, models and functions."""

    def replace(value: Any) -> Any:
        match value:
            case DataSource():
                return data[value]
            case ModelSource():
                return models[value]
            case UserObservable(model=ModelSource() as model):
                return [functions[value], models[model]]
            case Observable():
                return [document(value.terms, replace), value.constant]
        return None

    reweight = queries.reweight
    content: dict[str, Any] = {
        "estimator": ESTIMATOR_VERSION,
        "reweighted": data[reweight.data],
        "unit": [reweight.unit, reweight.group_field],
        "sampler": document(queries.sampler),
        "observables": document(queries.observables, replace),
        "posteriors": list(models.values()),
    }
    components = [place.component for place in places(queries)]
    if any(components):
        content["components"] = document(components, replace)
    return digest_of(content)
