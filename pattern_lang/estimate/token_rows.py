"""Documents cut into rows of tokens, and files of token numbers as rows.

Rows of tokens have the fields `input_ids`, (N,) int64, and `labels`, the same with -100 where a row
is shorter than N. Documents are never joined: a document of more than `context` tokens makes
several rows, one after the other, and the fields of the document belong to each of them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pattern_lang.diagnostics import PatternError, Span
from pattern_lang.diagnostics.catalogue.tokens import NoTokens, WrongTokenOption
from pattern_lang.estimate.table import Array, Table
from pattern_lang.ir.sources import DataSource
from pattern_lang.ir.tokens import TokenRows

IDS, LABELS, PADDING = "input_ids", "labels", -100
DTYPES = ("uint8", "uint16", "uint32", "int32", "int64")


def cut_documents(
    source: DataSource,
    documents: Sequence[Array],
    fields: Table,
    texts: Array | None = None,
    digest: str = "",
) -> Table:
    """Cut documents, (length,) token numbers each, into rows of at most `context` tokens.

    fields: the other fields of each document; its rows keep them, beside `document`, its number,
    and `start`, the number of the row's first token in it. Without a `context` each document is one
    row. A rest of one token predicts nothing and makes no row. Raises NoTokens if no row is left.
    """
    longest = max((len(document) for document in documents), default=0)
    width = int(dict(source.arguments).get("context", max(longest, 2)))  # type: ignore[arg-type]
    counts = np.array([_rows(len(document), width) for document in documents], dtype=np.int64)
    if not counts.any():
        reason = "no document has two tokens, so there is nothing to predict"
        raise _none(source, reason, "check the texts in the file")
    owner = np.repeat(np.arange(len(documents)), counts)
    start = (np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)) * width
    ids = np.zeros((len(owner), width), dtype=np.int64)
    lengths = np.zeros(len(owner), dtype=np.int64)
    for row, (document, first) in enumerate(zip(owner.tolist(), start.tolist(), strict=True)):
        piece = documents[document][first : first + width]
        ids[row, : len(piece)], lengths[row] = piece, len(piece)
    own = {"document": owner, "start": start}
    numbers = own | {name: column[owner] for name, column in fields.numbers.items()}
    numbers |= {IDS: ids, LABELS: _labels(ids, lengths)}
    strings = {name: _shared(column)[owner] for name, column in fields.texts.items()}
    tokens = TokenRows(ids, lengths, np.arange(len(owner)), texts, digest)
    numbers = {name: column for name, column in sorted(numbers.items()) if name not in strings}
    return Table(source.name, len(owner), numbers, strings, tokens)


def memory_map(source: DataSource, path: Path) -> Table:
    """Map a file of token numbers as rows of `context`; what fills no row at its end is left out.

    The file is read where rows are used, not into memory. The rows have one field more, `index`,
    their number. Raises WrongTokenOption, and NoTokens for a file of less than one row.
    """
    options = dict(source.arguments)
    kind, width = str(options.get("dtype", "uint16")), int(options["context"])  # type: ignore[arg-type]
    dtype, size = np.dtype(kind).newbyteorder("<"), path.stat().st_size
    if size % dtype.itemsize:
        reason = f"`{path.name}` has {size} bytes, no multiple of {dtype.itemsize}"
        advice = "give the `dtype` that the file was written with"
        raise wrong_option(source.origin, "dtype", kind, reason, advice)
    rows = size // dtype.itemsize // width
    if rows == 0:
        reason = f"`{path.name}` has {size // dtype.itemsize} tokens, fewer than one row of {width}"
        raise _none(source, reason, "write a smaller `context`")
    ids = np.memmap(path, dtype, "r", shape=(rows, width))
    lengths = np.full(rows, width, dtype=np.int64)
    tokens = TokenRows(ids, lengths, np.arange(rows))
    return Table(source.name, rows, {"index": np.arange(rows), IDS: ids, LABELS: ids}, {}, tokens)


def with_own_tokens(table: Table) -> Table:
    """Return a table with the tokens that its rows bring along as a field `input_ids`, if they do.

    Where there is a field `labels` of the same shape, a tail of -100 is padding.
    """
    ids = table.numbers.get(IDS)
    if ids is None or ids.ndim != 2 or ids.dtype.kind not in "iu":
        return table
    labels = table.numbers.get(LABELS)
    real = np.ones(ids.shape, bool)
    if labels is not None and labels.shape == ids.shape:
        real = labels != PADDING
    lengths = np.where(real.any(axis=1), ids.shape[1] - np.argmax(real[:, ::-1], axis=1), 0)
    tokens = TokenRows(ids, lengths, np.arange(table.rows))
    return Table(table.name, table.rows, table.numbers, table.texts, tokens)


def token_lists(source: DataSource, field: str, values: Sequence[Any]) -> list[Array]:
    """Return lists of token numbers as arrays; raise NoTokens for anything else."""
    found = []
    for row, value in enumerate(values):
        array = np.asarray(value) if isinstance(value, list | tuple | np.ndarray) else None
        if array is None or array.ndim != 1 or (len(array) and array.dtype.kind not in "iu"):
            reason = f"field `{field}` of row {row} is no list of token numbers"
            raise _none(source, reason, "give a `tokenizer` for texts")
        found.append(array.astype(np.int64))
    return found


def text_list(source: DataSource, field: str, values: Sequence[Any]) -> list[str]:
    """Return the texts of a field; raise NoTokens for anything else."""
    for row, value in enumerate(values):
        if not isinstance(value, str):
            reason = f"field `{field}` of row {row} is no text"
            raise _none(source, reason, "name the field that holds the text with `field:`")
    return list(values)


def wrong_option(
    span: Span | None, option: str, value: object, reason: str, advice: str
) -> PatternError:
    """Return the error about an option of a reader."""
    problem = WrongTokenOption(
        span=span, option=option, value=str(value), reason=reason, advice=advice
    )
    return PatternError([problem])


def _rows(length: int, width: int) -> int:
    full, rest = divmod(length, width)
    return full + (rest >= 2)


def _labels(ids: Array, lengths: Array) -> Array:
    return np.where(np.arange(ids.shape[1]) < lengths[:, None], ids, PADDING)


def _shared(column: Array) -> Array:
    """Return texts as objects: the rows of a document share its text."""
    return column.astype(object)


def _none(source: DataSource, reason: str, advice: str) -> PatternError:
    problem = NoTokens(span=source.origin, data=source.name, reason=reason, advice=advice)
    return PatternError([problem])
