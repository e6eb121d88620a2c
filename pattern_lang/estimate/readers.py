"""Reading the rows of a data set: from the user's function or from files, as they are or cut."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.inputs import (
    EmptyData,
    MissingField,
    NotRows,
    UnevenField,
    UnreadableData,
)
from pattern_lang.estimate.columns import stack, table_of
from pattern_lang.estimate.files import locate, locate_within
from pattern_lang.estimate.huggingface.dataset import read_dataset
from pattern_lang.estimate.huggingface.tokenizer import load_tokenizer
from pattern_lang.estimate.table import Array, Table, text_column
from pattern_lang.estimate.token_rows import (
    IDS,
    cut_documents,
    memory_map,
    text_list,
    token_lists,
    with_own_tokens,
)
from pattern_lang.estimate.user_code import UserCode
from pattern_lang.ir.sources import DataSource


def read_table(source: DataSource, code: UserCode) -> Table:
    """Load the rows of a data set before any `where`; raises PatternError about files and rows."""
    match source.reader:
        case "python":
            return with_own_tokens(stack(source.name, _call(source, code), source.origin))
        case "jsonl":
            return _of_rows(source, _json_lines(source, code), code)
        case "parquet":
            return _of_arrow(source, _parquet(source, code), code)
        case "hf_dataset":
            return _of_arrow(source, read_dataset(source, code), code)
        case "tokens":
            return memory_map(source, _file(source, code))
    raise AssertionError(source.reader)  # refused before anything is loaded


def _of_rows(source: DataSource, rows: list[dict[str, Any]], code: UserCode) -> Table:
    field = _token_field(source)
    if field is None:
        return with_own_tokens(stack(source.name, rows, source.origin))
    for number, row in enumerate(rows):
        if row.get(field) is None:
            raise PatternError([_missing(source, number, field)])
    others = [{name: value for name, value in row.items() if name != field} for row in rows]
    return _tokenised(
        source, [row[field] for row in rows], stack(source.name, others, source.origin), code
    )


def _of_arrow(source: DataSource, data: Any, code: UserCode) -> Table:
    if data.num_rows == 0:
        raise PatternError([EmptyData(span=source.origin, data=source.name)])
    field = _token_field(source)
    if field is not None and field not in data.column_names:
        raise PatternError([_missing(source, 0, field)])
    columns = {
        name: _arrow_column(source, name, data.column(name).combine_chunks())
        for name in data.column_names
        if name != field
    }
    table = table_of(source.name, data.num_rows, columns, source.origin)
    if field is None:
        return with_own_tokens(table)
    values = data.column(field)
    if values.null_count:
        row = int(np.argmax(values.is_null().to_numpy()))
        raise PatternError([_missing(source, row, field)])
    return _tokenised(source, values.to_pylist(), table, code)


def _token_field(source: DataSource) -> str | None:
    """Return the field that holds tokens, or a text to make them of; None for rows as they are."""
    options = dict(source.arguments)
    if source.tokenizer is None and not {"field", "context"} & options.keys():
        return None
    return str(options.get("field", IDS if source.tokenizer is None else "text"))


def _tokenised(source: DataSource, values: list[Any], others: Table, code: UserCode) -> Table:
    field = _token_field(source) or ""
    if source.tokenizer is None:
        return cut_documents(source, token_lists(source, field, values), others)
    path = locate_within(source.tokenizer, "tokenizer.json", code.journal, source.origin)
    code.journal.read(path)
    tokenizer = load_tokenizer(path, source.tokenizer.origin or source.origin)
    documents = list(tokenizer.encode(text_list(source, field, values)))
    return cut_documents(source, documents, others, tokenizer.texts(), tokenizer.digest)


def _call(source: DataSource, code: UserCode) -> Sequence[Mapping[str, Any]]:
    assert source.function is not None
    function = code.function(source.function, source.origin)
    action = f"reading data `{source.name}`"
    with code.guarded(action, function.file, function.root, source.origin):
        rows = function.call(**dict(source.arguments))
        if hasattr(rows, "__len__") and hasattr(rows, "__getitem__") and not _table_like(rows):
            return [rows[index] for index in range(len(rows))]
    found = f"`{function.name}` returned {type(rows).__name__}, not a sequence of mappings"
    raise PatternError([NotRows(span=source.origin, data=source.name, found=found)])


def _table_like(rows: object) -> bool:
    """Tell whether something has a length and an index, but not over rows."""
    return isinstance(rows, str | bytes | Mapping) or hasattr(rows, "iloc")


def _json_lines(source: DataSource, code: UserCode) -> list[dict[str, Any]]:
    path = _file(source, code)
    rows: list[dict[str, Any]] = []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(source, path.name, str(error)) from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"{path.name}, line {number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise _unreadable(source, place, f"no JSON: {error}") from error
        if not isinstance(row, dict):
            raise _unreadable(source, place, f"an object has to stand here, not {line[:40]}")
        rows.append(row)
    return rows


def _parquet(source: DataSource, code: UserCode) -> Any:
    import pyarrow.parquet as pq
    from pyarrow.lib import ArrowException

    path = _file(source, code)
    try:
        return pq.read_table(path)
    except (OSError, ArrowException) as error:
        raise _unreadable(source, path.name, str(error)) from error


def _arrow_column(source: DataSource, field: str, column: Any) -> Array | None:
    from pyarrow import types

    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise PatternError([_missing(source, row, field)])
    kind = column.type
    if types.is_string(kind) or types.is_large_string(kind):
        return text_column(column.to_pylist())
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind):
        values: Array = column.to_numpy(zero_copy_only=False)
        return values
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _arrow_lists(source, field, column)
    return None


def _arrow_lists(source: DataSource, field: str, column: Any) -> Array | None:
    lengths = np.array([len(row) for row in column])
    uneven = np.flatnonzero(lengths != lengths[0])
    if uneven.size:
        row = int(uneven[0])
        found, expected = f"a list of {lengths[row]}", f"a list of {lengths[0]}"
        problem = UnevenField(
            span=source.origin,
            data=source.name,
            row=row,
            field=field,
            found=found,
            expected=expected,
        )
        raise PatternError([problem])
    inner = _arrow_column(source, field, column.flatten())
    if inner is None or inner.dtype.kind not in "biuf":
        return None
    return inner.reshape(len(column), int(lengths[0]), *inner.shape[1:])


def _file(source: DataSource, code: UserCode) -> Path:
    assert source.file is not None
    path = locate(source.file, code.journal, source.origin)
    code.journal.read(path)
    return path


def _missing(source: DataSource, row: int, field: str) -> MissingField:
    return MissingField(span=source.origin, data=source.name, row=row, field=field)


def _unreadable(source: DataSource, place: str, reason: str) -> PatternError:
    first = reason.split("\n")[0][:300]
    return PatternError([UnreadableData(span=source.origin, place=place, reason=first)])
