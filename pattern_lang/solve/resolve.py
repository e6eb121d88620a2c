"""Atoms of the language with their numbers put in: rows of the response, codes of groups."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.diagnostics import PatternError, Span
from pattern_lang.diagnostics.catalogue.verdicts import EmptyMass, UnusableField
from pattern_lang.ir import program as ir
from pattern_lang.ir.rows import Flags, RowTypeError, UnknownFieldError, evaluate, numbers
from pattern_lang.ir.sources import Predicate, RowExpression
from pattern_lang.ir.tokens import TokenPredicateError
from pattern_lang.solve.estimated import Estimated
from pattern_lang.solve.normal import (
    Affine,
    Atom,
    Codes,
    Combined,
    Costs,
    Share,
    Terms,
    Vector,
)
from pattern_lang.solve.response import ConstantRow


@frozen(eq=False)
class Resolved:
    """`Σ coefficient · atom + constant` with numbers; `constant` came with the atoms.

    It is one number, or one per unit (n,).
    """

    terms: Terms
    constant: float | Vector


# An atom with numbers is (factor, atom, constant); a constant has no atom.
Found = tuple[float, Atom | None, float | Vector]
Resolver = Callable[[Any, Estimated, Span | None], Found]


def resolve(expression: ir.Expression, data: Estimated, span: Span | None) -> Resolved:
    """Put numbers into the atoms of an expression, leaving its own constant out.

    Raises PatternError where the estimate or the units do not have what an atom needs.
    """
    terms: list[tuple[float, Atom]] = []
    constant: float | Vector = 0.0
    for coefficient, atom in expression.terms:
        factor, resolved, offset = RESOLVERS[type(atom)](atom, data, span)
        if resolved is not None:
            terms.append((coefficient * factor, resolved))
        constant = constant + coefficient * offset
    return Resolved(tuple(terms), constant)


def codes_of(values: NDArray[Any]) -> tuple[Codes, tuple[Any, ...]]:
    """Number the distinct values of a column in order of first appearance: (n,) and the values."""
    if values.dtype.kind in "iub" and values.size:
        least, most = int(values.min()), int(values.max())
        if most - least <= 4 * values.size:
            return _counted(values.astype(np.int64) - least, least, most - least + 1)
        kinds, first, places = np.unique(values, return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty_like(order)
        rank[order] = np.arange(order.size)
        return rank[places.reshape(-1)], tuple(kinds[order].tolist())
    numbers: dict[Any, int] = {}
    codes = np.fromiter(
        (numbers.setdefault(value, len(numbers)) for value in values.tolist()),
        dtype=np.int64,
        count=values.shape[0],
    )
    return codes, tuple(numbers)


def _counted(places: Codes, least: int, span: int) -> tuple[Codes, tuple[Any, ...]]:
    """Number values that lie close together: (n,) values less the least of them."""
    first = np.full(span, places.size)
    first[places[::-1]] = np.arange(places.size - 1, -1, -1)  # the last written stays
    kinds = np.flatnonzero(first < places.size)
    order = kinds[np.argsort(first[kinds])]
    rank = np.empty(span, dtype=np.int64)
    rank[order] = np.arange(order.size)
    return rank[places], tuple((order + least).tolist())


def _same(atom: Any, data: Estimated, span: Span | None) -> Found:
    return 1.0, atom, 0.0


def _mean(atom: ir.Mean, data: Estimated, span: Span | None) -> Found:
    return 1.0, Affine(ConstantRow(1.0 / data.n, data.n)), 1.0


def _total(atom: ir.Total, data: Estimated, span: Span | None) -> Found:
    return 1.0, Affine(ConstantRow(1.0, data.n)), float(data.n)


def _predicted(atom: ir.Predicted, data: Estimated, span: Span | None) -> Found:
    factor = data.factor(atom.unit, atom.observable, span)
    return 1.0 / factor, Affine(data.row(atom.observable)), 0.0


def _risk(atom: ir.Risk, data: Estimated, span: Span | None) -> Found:
    factor = data.factor(atom.unit, atom.observable, span)
    return 1.0 / factor, data.spread(atom.observable), 0.0


def _group_mass(atom: ir.GroupMass, data: Estimated, span: Span | None) -> Found:
    if atom.field not in data.units.fields:
        raise _field(f"there is no field `{atom.field}`", data, span)
    codes, values = codes_of(np.asarray(data.units.fields[atom.field]))
    totals = np.bincount(codes, data.sizes, minlength=len(values))
    if np.any(totals <= 0):
        name = values[int(np.argmin(totals))]
        what = f"the group {atom.field} = {name!r} has no rows"
        raise PatternError([EmptyMass(span=span, what=what)])
    return 1.0, Share(codes, data.sizes, len(values)), 0.0


def _share_mass(atom: ir.ShareMass, data: Estimated, span: Span | None) -> Found:
    inside = _satisfying(atom.predicate, data, span)
    if float(np.sum(data.sizes[inside])) <= 0:
        raise PatternError([EmptyMass(span=span, what="no unit satisfies the predicate")])
    return 1.0, Share(np.where(inside, 0, -1).astype(np.int64), data.sizes, 1), 0.0


def units_of(predicate: Predicate, data: Estimated, span: Span | None) -> Flags:
    """Return which units a constraint with `where` is for, (n,); raises PatternError for none."""
    inside = _satisfying(predicate, data, span)
    if not np.any(inside):
        raise _field("no unit satisfies the predicate after `where`", data, span)
    return inside


def _satisfying(predicate: Predicate, data: Estimated, span: Span | None) -> Flags:
    with _about_fields(data, span):
        return evaluate(predicate, data.units.fields, data.units.holds)


def _unit_numbers(expression: RowExpression, data: Estimated, span: Span | None) -> Vector:
    """Return a number from the row fields of each unit, (n,); raises PatternError."""
    with _about_fields(data, span):
        values = numbers(expression, data.units.fields)
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        what = f"a number from the rows is not finite for {bad.size} units, first unit {bad[0]}"
        raise _field(what, data, span)
    return values


@contextmanager
def _about_fields(data: Estimated, span: Span | None) -> Iterator[None]:
    try:
        yield
    except UnknownFieldError as error:
        raise _field(f"there is no field `{error.name}`", data, span) from None
    except (RowTypeError, TokenPredicateError) as error:
        raise _field(str(error), data, span) from None


def _unit_number(atom: ir.UnitNumber, data: Estimated, span: Span | None) -> Found:
    return 1.0, None, _unit_numbers(atom.expression, data, span)


def _unit_cost(atom: ir.UnitCost, data: Estimated, span: Span | None) -> Found:
    weights = np.ones(data.n)
    if atom.weighted is not None:
        weights = _unit_numbers(atom.weighted, data, span)
        if np.any(weights < 0):
            what = f"a weighted cost is negative for unit {int(np.argmax(weights < 0))}"
            raise _field(what, data, span)
    made = Costs(atom.kind, atom.scale, atom.offset, weights, atom.up, atom.down, atom.at)
    return 1.0, made, 0.0


def _joined(atom: ir.Joined, data: Estimated, span: Span | None) -> Found:
    parts: list[tuple[Terms, float]] = []
    for part in atom.parts:
        found = resolve(part, data, span)
        parts.append((found.terms, float(found.constant) + part.constant))
    return 1.0, Combined(atom.kind, tuple(parts)), 0.0


def _field(what: str, data: Estimated, span: Span | None) -> PatternError:
    known = ", ".join(sorted(data.units.fields)) or "none"
    return PatternError([UnusableField(span=span, what=what, known=known)])


RESOLVERS: Final[Mapping[type, Resolver]] = MappingProxyType(
    {
        ir.Entries: _same,
        ir.UnitNumber: _unit_number,
        ir.UnitCost: _unit_cost,
        ir.Joined: _joined,
        ir.Mean: _mean,
        ir.Total: _total,
        ir.GroupMass: _group_mass,
        ir.ShareMass: _share_mass,
        ir.Predicted: _predicted,
        ir.SumSquares: _same,
        ir.Norm: _same,
        ir.L1: _same,
        ir.Maximum: _same,
        ir.Minimum: _same,
        ir.KL: _same,
        ir.Chi2: _same,
        ir.EffectiveSampleSize: _same,
        ir.Risk: _risk,
    }
)
