"""Which entries a loss has: one for each row, or one for each position that is not NaN.

Which positions have a loss is the model's to say, so the loss is evaluated once, at the checkpoint,
on every row that is needed, before units are numbered.
"""

import numpy as np
import torch
from attrs import frozen
from torch import Tensor

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.inputs import WrongUnitLoss
from pattern_lang.diagnostics.catalogue.tokens import (
    MisplacedLoss,
    PositionsDiffer,
    TokenOutOfRange,
)
from pattern_lang.estimate.evaluate import chunk_rows, to_tensors
from pattern_lang.estimate.models import LoadedModel
from pattern_lang.estimate.needs import data_sets, followed_data, places
from pattern_lang.estimate.network import Batch
from pattern_lang.estimate.predicates import Kept
from pattern_lang.estimate.table import Array, Table
from pattern_lang.estimate.token_rows import IDS
from pattern_lang.estimate.user_code import UserCode
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.sources import DataSource

Entries = dict[DataSource, Array | None]


@frozen
class Shape:
    """How many dimensions losses may have, and how to say so."""

    dimensions: tuple[int, ...]
    words: str


PER_ROW = Shape((1,), "floats of ({rows},)")
PER_POSITION = Shape((2,), "floats of ({rows}, positions)")
EITHER = Shape((1, 2), "floats of ({rows},) or ({rows}, positions)")


def entries_of(
    queries: Queries,
    model: LoadedModel,
    tables: dict[DataSource, Table],
    kept: dict[DataSource, Kept],
    code: UserCode,
) -> Entries:
    """Return, for each base data, where a model has a loss: bool (rows, P), None for one per row.

    Only rows that the model's observables need, and the re-weighted ones, are evaluated. Losses per
    position are for rows of tokens, and for weights per token: elsewhere they are a mistake. Raises
    UserCodeFailed, WrongUnitLoss, TokenOutOfRange and MisplacedLoss.
    """
    own_places = (place for place in places(queries) if place.model == model.source)
    needed = {queries.reweight.data}.union(*(followed_data(queries, p) for p in own_places))
    rows: dict[DataSource, Array] = {}
    shapes: dict[DataSource, Shape] = {}
    for data in data_sets(queries):  # in an order of its own
        if data not in needed:
            continue
        base, own = data.base, kept[data]
        rows[base] = np.union1d(rows[base], own.rows) if base in rows else own.rows
        tokens = tables[base].tokens is not None or queries.reweight.unit == "token"
        if own.positions is not None:
            shapes[base] = PER_POSITION
        shapes.setdefault(base, EITHER if tokens else PER_ROW)
    return {
        base: _entries(model, tables[base], wanted, shapes[base], code)
        for base, wanted in rows.items()
    }


def check_agreement(queries: Queries, found: dict[str, Array | None]) -> None:
    """Raise PositionsDiffer unless all models have losses at the same re-weighted positions.

    found: by the model's name, its entries at the re-weighted rows and positions.
    """
    (first, expected), *others = found.items()
    for name, entries in others:
        same = (entries is None) == (expected is None)
        if same and entries is not None and expected is not None:
            width = max(entries.shape[1], expected.shape[1])
            same = bool((_padded(entries, width) == _padded(expected, width)).all())
        if not same:
            data = queries.reweight.data.name
            span = queries.reweight.origin
            raise PatternError([PositionsDiffer(span=span, first=first, second=name, data=data)])


def chosen(entries: Array | None, kept: Kept) -> Array | None:
    """Return a data set's own entries, bool (kept, P): those of its rows at its positions."""
    if entries is None:
        return None
    own: Array = entries[kept.rows]
    if kept.positions is not None:
        own = own & _padded(kept.positions, own.shape[1])
    return own


def check_losses(model: LoadedModel, losses: object, rows: int, shape: Shape) -> Tensor:
    """Return losses if they are of a shape that fits `rows` rows; raise WrongUnitLoss."""
    if isinstance(losses, Tensor) and losses.is_floating_point():
        fits = losses.ndim in shape.dimensions and losses.shape[0] == rows
        if fits and losses.numel() > 0:
            return losses
    raise PatternError([wrong_loss(model, losses, rows, shape.words.format(rows=rows))])


def wrong_loss(model: LoadedModel, losses: object, rows: int, expected: str) -> WrongUnitLoss:
    """Return the error about losses of a wrong shape or kind."""
    return WrongUnitLoss(
        span=model.source.origin,
        model=model.source.name,
        found=_kind(losses),
        rows=rows,
        expected=expected,
    )


def _entries(
    model: LoadedModel, table: Table, rows: Array, shape: Shape, code: UserCode
) -> Array | None:
    _check_vocabulary(model, table, rows)
    where, action = model.code, f"the loss of model `{model.source.name}`"
    guard = code.guarded(action, where.file, where.root, model.source.origin)
    with code.scope(*model.folders), guard:
        few = _loss(model, _batch(model, table, rows[:4]), shape)
        if few.ndim == 1:
            return None
        block = _batch(model, table, rows)
        size, parts = chunk_rows(model.network, block), []
        for start in range(0, len(rows), size):
            batch = {name: tensor[start : start + size] for name, tensor in block.items()}
            parts.append(~_loss(model, batch, PER_POSITION).isnan())
    found = np.zeros((table.rows, few.shape[1]), dtype=bool)
    found[rows] = torch.cat(parts).numpy()
    _check_places(model, table, found)
    return found


def _batch(model: LoadedModel, table: Table, rows: Array) -> dict[str, Tensor]:
    columns = {name: column[rows] for name, column in table.numbers.items()}
    return to_tensors(columns, model.network.dtype)


def _loss(model: LoadedModel, batch: Batch, shape: Shape) -> Tensor:
    with torch.no_grad():
        losses = model.network.unit_loss(dict(batch))
    return check_losses(model, losses, len(next(iter(batch.values()))), shape)


def _check_vocabulary(model: LoadedModel, table: Table, rows: Array) -> None:
    """Compare token numbers with the embeddings of the model, where it is known to have them."""
    if model.vocabulary is None or IDS not in table.numbers:
        return
    ids = table.numbers[IDS][rows]
    bad = np.argwhere((ids >= model.vocabulary) | (ids < 0))
    if len(bad):
        row, position = bad[0].tolist()
        problem = TokenOutOfRange(
            span=model.source.origin,
            data=table.name,
            row=int(rows[row]),
            token=int(ids[row, position]),
            model=model.source.name,
            known=model.vocabulary,
        )
        raise PatternError([problem])


def _check_places(model: LoadedModel, table: Table, found: Array) -> None:
    """Every loss has to have a token that it is the prediction of."""
    if table.tokens is None:
        return
    predicted = _padded(table.tokens.predicted, found.shape[1])
    bad = np.argwhere(found & ~predicted)
    if len(bad):
        row, position = bad[0].tolist()
        problem = MisplacedLoss(
            span=model.source.origin,
            model=model.source.name,
            data=table.name,
            row=row,
            position=position,
            length=int(table.tokens.lengths[row]),
        )
        raise PatternError([problem])


def _padded(flags: Array, width: int) -> Array:
    """Return flags (r, P) for `width` positions: False beyond P."""
    if flags.shape[1] >= width:
        return flags[:, :width]
    return np.pad(flags, ((0, 0), (0, width - flags.shape[1])))


def _kind(losses: object) -> str:
    if not isinstance(losses, Tensor):
        return f"a {type(losses).__name__}"
    return f"a tensor of shape {tuple(losses.shape)} and type {str(losses.dtype)[6:]}"
