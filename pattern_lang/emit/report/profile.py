"""Which units the weights pick out: the extremes, and the mean weight by field."""

from itertools import pairwise
from typing import Any

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from pattern_lang.emit.report.words import Clipped, clip, count, fixed, number
from pattern_lang.ir.susceptibility import Susceptibility, UnitTable
from pattern_lang.ir.variances import blocks

MOST = 12
_CATEGORIES = 12
_FIELDS = 8
_SHORT = 14
_BEFORE, _CONTEXT = 16, 60  # tokens and letters shown before a token


@frozen
class UnitRow:
    """One unit among the most up- or down-weighted."""

    unit_id: int
    weight: str
    fields: tuple[tuple[str, Clipped], ...]


@frozen
class Category:
    """Units that share a value of a field. `bar` and `start` are percentages of the track."""

    label: Clipped
    units: str
    mean: str
    value: float
    tone: str
    start: float = 0.0
    bar: float = 0.0


@frozen
class FieldProfile:
    """Mean weights by the values of one field, with the share of variance that they explain."""

    name: str
    explains: float
    categories: tuple[Category, ...]
    quarters: bool
    baseline: float = 0.0


def pull(weights: NDArray[np.float32], susceptibility: Susceptibility) -> NDArray[np.float64]:
    """Return how hard χ pulls each unit: the part of w - 1 that is a combination of χ's rows.

    It orders the units whose weights share a bound.
    """
    k, n = susceptibility.chi.shape
    gram, target, found = np.zeros((k, k)), np.zeros(k), np.empty(n)
    for units in blocks(n):
        chi = np.nan_to_num(susceptibility.chi[:, units])
        gram += chi @ chi.T
        target += chi @ (weights[units] - 1).astype(np.float32)
    factors, *_ = np.linalg.lstsq(gram, target, rcond=None)
    for units in blocks(n):
        found[units] = factors.astype(np.float32) @ np.nan_to_num(susceptibility.chi[:, units])
    return found


def extremes(
    weights: NDArray[np.float32], susceptibility: Susceptibility, units: UnitTable
) -> tuple[list[UnitRow], list[UnitRow]]:
    """Return the most up-weighted and the most down-weighted units, each the most extreme first."""
    order = np.lexsort((pull(weights, susceptibility), np.round(weights, 6)))
    lows = [int(i) for i in order[:MOST] if weights[i] < 1]
    highs = [int(i) for i in order[::-1][:MOST] if weights[i] > 1]
    return (
        [_unit_row(i, weights, units) for i in highs],
        [_unit_row(i, weights, units) for i in lows],
    )


def _unit_row(index: int, weights: NDArray[np.float32], units: UnitTable) -> UnitRow:
    fields = [(clip(name, 32).text, clip(values[index])) for name, values in units.fields.items()]
    told = _token(index, units)
    if units.unit == "group":
        fields.append(("rows", clip(count(int(units.size[index])))))
    short_first = sorted(fields, key=lambda item: len(item[1].text) > _SHORT)
    return UnitRow(
        unit_id=int(units.unit_id[index]),
        weight=fixed(float(weights[index])),
        fields=(*told, *short_first[: _FIELDS - len(told)]),
    )


def _token(index: int, units: UnitTable) -> tuple[tuple[str, Clipped], ...]:
    """Return the predicted token of a unit, and what stands before it, where texts are known."""
    tokens = units.tokens
    if tokens is None or tokens.texts is None:
        return ()
    row = int(np.searchsorted(tokens.rows, units.fields["sample_id"][index]))
    position = int(units.fields["position"][index])
    before = tokens.text_of(tokens.ids[row, max(0, position + 1 - _BEFORE) : position + 1])
    (token,) = tokens.text_of(tokens.ids[row, position + 1 : position + 2])
    return ("token", clip(repr(token)[1:-1])), ("after", clip(_together(before, units)[-_CONTEXT:]))


def _together(texts: list[str], units: UnitTable) -> str:
    """Join the texts of tokens: by spaces where the tokenizer keeps none of its own."""
    known = () if units.tokens is None or units.tokens.texts is None else units.tokens.texts
    spaced = any(str(text)[:1].isspace() for text in known)
    return ("" if spaced else " ").join(texts)


def profiles(weights: NDArray[np.float32], units: UnitTable) -> list[FieldProfile]:
    """Return the fields whose values say something about the weights, the most telling first."""
    found = [
        profile
        for name, values in units.fields.items()
        if (profile := _profile(name, values, weights.astype(np.float64))) is not None
    ]
    telling = sorted(found, key=lambda item: -item.explains)[:_FIELDS]
    means = [item.value for profile in telling for item in profile.categories]
    top = max([1.0, *means]) * 1.02
    return [_with_bars(profile, top) for profile in telling]


def _with_bars(profile: FieldProfile, top: float) -> FieldProfile:
    """Fill the bars in; all fields share one scale, so that their bars can be compared."""
    one = 100 / top
    bars = []
    for item in profile.categories:
        here = 100 * max(item.value, 0.0) / top
        bars.append(evolve(item, start=round(min(one, here), 2), bar=round(abs(here - one), 2)))
    return evolve(profile, baseline=round(one, 2), categories=tuple(bars))


def _profile(name: str, values: NDArray[Any], weights: NDArray[np.float64]) -> FieldProfile | None:
    if values.ndim != 1 or len(values) != len(weights):
        return None
    coded = _coded(values)
    quarters = coded is None
    if coded is None:
        coded = _quarters(values)
    if coded is None or len(coded[0]) < 2:
        return None
    labels, codes = coded
    sizes = np.bincount(codes, minlength=len(labels))
    means = np.bincount(codes, weights=weights, minlength=len(labels)) / np.maximum(sizes, 1)
    total = float(weights.var())
    between = float(sizes @ (means - weights.mean()) ** 2) / len(weights)
    return FieldProfile(
        name=clip(name, 40).text,
        explains=between / total if total > 0 else 0.0,
        categories=tuple(
            _category(label, int(size), float(mean))
            for label, size, mean in zip(labels, sizes, means, strict=True)
        ),
        quarters=quarters,
    )


def _category(label: Clipped, size: int, mean: float) -> Category:
    tone = "up" if mean > 1 else "down"
    return Category(label=label, units=count(size), mean=fixed(mean), value=mean, tone=tone)


def _coded(values: NDArray[Any]) -> tuple[list[Clipped], NDArray[np.intp]] | None:
    """Return labels and the code of each unit, or None when there are too many values."""
    if values.dtype.kind in "biuf":
        distinct, inverse = np.unique(values, return_inverse=True)
        few = len(distinct) <= _CATEGORIES
        return ([clip(item) for item in distinct.tolist()], inverse) if few else None
    seen: dict[Any, int] = {}
    codes = np.empty(len(values), np.intp)
    for index, item in enumerate(values.tolist()):
        key = item if isinstance(item, str | int | float) else repr(item)
        code = seen.setdefault(key, len(seen))
        if code == _CATEGORIES:
            return None
        codes[index] = code
    keys = list(seen)
    order = sorted(range(len(keys)), key=lambda i: (isinstance(keys[i], str), _sortable(keys[i])))
    rank = np.empty(len(keys), np.intp)
    rank[order] = np.arange(len(keys))
    return [clip(keys[i], 40) for i in order], rank[codes]


def _sortable(key: Any) -> tuple[float, str]:
    return (0.0, key) if isinstance(key, str) else (float(key), "")


def _quarters(values: NDArray[Any]) -> tuple[list[Clipped], NDArray[np.intp]] | None:
    """Return the quarters of a numeric field."""
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        return None
    edges = np.unique(np.quantile(values, [0.25, 0.5, 0.75]))
    codes = np.searchsorted(edges, values, side="left")
    marks = [number(float(edge)) for edge in edges]
    labels = [f"≤ {marks[0]}"]
    labels += [f"{low} to {high}" for low, high in pairwise(marks)]
    labels.append(f"> {marks[-1]}")
    if int(codes.max()) < len(edges):
        labels.pop()
    return [Clipped(label) for label in labels], np.asarray(codes, np.intp)
