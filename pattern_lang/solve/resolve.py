"""Atoms of the language with their numbers put in: rows of the response, codes of groups."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.diagnostics import PatternError, Span
from pattern_lang.diagnostics.catalogue.verdicts import EmptyMass, UnusableField
from pattern_lang.ir import program as ir
from pattern_lang.ir.rows import RowTypeError, UnknownFieldError, evaluate
from pattern_lang.solve.estimated import Estimated
from pattern_lang.solve.normal import Affine, Atom, Codes, Share, Spread, Terms


@frozen(eq=False)
class Resolved:
    """`Σ coefficient · atom + constant` with numbers; `constant` came with the atoms."""

    terms: Terms
    constant: float


Resolver = Callable[[Any, Estimated, Span | None], tuple[float, Atom, float]]


def resolve(expression: ir.Expression, data: Estimated, span: Span | None) -> Resolved:
    """Put numbers into the atoms of an expression, leaving its own constant out.

    Raises PatternError where the estimate or the units do not have what an atom needs.
    """
    terms: list[tuple[float, Atom]] = []
    constant = 0.0
    for coefficient, atom in expression.terms:
        factor, resolved, offset = RESOLVERS[type(atom)](atom, data, span)
        terms.append((coefficient * factor, resolved))
        constant += coefficient * offset
    return Resolved(tuple(terms), constant)


def codes_of(values: NDArray[Any]) -> tuple[Codes, tuple[Any, ...]]:
    """Number the distinct values of a column in order of first appearance: (n,) and the values."""
    numbers: dict[Any, int] = {}
    codes = np.fromiter(
        (numbers.setdefault(value, len(numbers)) for value in values.tolist()),
        dtype=np.int64,
        count=values.shape[0],
    )
    return codes, tuple(numbers)


def _same(atom: Any, data: Estimated, span: Span | None) -> tuple[float, Atom, float]:
    return 1.0, atom, 0.0


def _mean(atom: ir.Mean, data: Estimated, span: Span | None) -> tuple[float, Atom, float]:
    return 1.0, Affine(np.full(data.n, 1.0 / data.n)), 1.0


def _total(atom: ir.Total, data: Estimated, span: Span | None) -> tuple[float, Atom, float]:
    return 1.0, Affine(np.ones(data.n)), float(data.n)


def _predicted(atom: ir.Predicted, data: Estimated, span: Span | None) -> tuple[float, Atom, float]:
    factor = data.factor(atom.unit, atom.observable, span)
    return 1.0 / factor, Affine(data.row(atom.observable)), 0.0


def _risk(atom: ir.Risk, data: Estimated, span: Span | None) -> tuple[float, Atom, float]:
    factor = data.factor(atom.unit, atom.observable, span)
    return 1.0 / factor, Spread(data.noise(atom.observable)), 0.0


def _group_mass(
    atom: ir.GroupMass, data: Estimated, span: Span | None
) -> tuple[float, Atom, float]:
    if atom.field not in data.units.fields:
        raise _field(f"there is no field `{atom.field}`", data, span)
    codes, values = codes_of(np.asarray(data.units.fields[atom.field]))
    totals = np.bincount(codes, data.sizes, minlength=len(values))
    if np.any(totals <= 0):
        name = values[int(np.argmin(totals))]
        what = f"the group {atom.field} = {name!r} has no rows"
        raise PatternError([EmptyMass(span=span, what=what)])
    return 1.0, Share(codes, data.sizes, len(values)), 0.0


def _share_mass(
    atom: ir.ShareMass, data: Estimated, span: Span | None
) -> tuple[float, Atom, float]:
    try:
        inside = evaluate(atom.predicate, data.units.fields)
    except UnknownFieldError as error:
        raise _field(f"there is no field `{error.name}`", data, span) from None
    except RowTypeError as error:
        raise _field(str(error), data, span) from None
    if not np.any(inside) or float(np.sum(data.sizes[inside])) <= 0:
        raise PatternError([EmptyMass(span=span, what="no unit satisfies the predicate")])
    return 1.0, Share(np.where(inside, 0, -1).astype(np.int64), data.sizes, 1), 0.0


def _field(what: str, data: Estimated, span: Span | None) -> PatternError:
    known = ", ".join(sorted(data.units.fields)) or "none"
    return PatternError([UnusableField(span=span, what=what, known=known)])


RESOLVERS: Final[Mapping[type, Resolver]] = MappingProxyType(
    {
        ir.Entries: _same,
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
