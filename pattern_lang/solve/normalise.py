"""The values of `constraints.py` in normal form, one small function per kind of constraint."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs
import numpy as np
from attrs import frozen

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.verdicts import EmptyMass, UnusableConstraint
from pattern_lang.ir import program as ir
from pattern_lang.solve import constraints as given
from pattern_lang.solve.normal import Affine, Dose, NormalConstraint, Share, Terms
from pattern_lang.solve.resolve import codes_of
from pattern_lang.solve.response import AnyRow, ConstantRow

# Squares of what is larger leave double precision.
LARGEST = 1e100


@frozen(eq=False)
class Context:
    """What constraints refer to: `row` gives β χ of a named or numbered row, for n units."""

    n: int
    row: Callable[[given.Row], AnyRow]
    groups: Any = None


Made = tuple[NormalConstraint, ...]


def normalise(constraint: given.Constraint, context: Context) -> Made:
    """Return a constraint in normal form; raises PatternError where its numbers do not fit."""
    _check_numbers(constraint)
    return NORMALISERS[type(constraint)](constraint, context)


def refuse(constraint: object, why: str) -> PatternError:
    """Return the error for a constraint whose numbers do not fit the program."""
    return PatternError([UnusableConstraint(constraint=type(constraint).__name__, why=why)])


def _check_numbers(constraint: given.Constraint) -> None:
    for attribute in attrs.fields(type(constraint)):
        value = getattr(constraint, attribute.name)
        if attribute.type is float or (attribute.type == float | None and value is not None):
            check_number(constraint, attribute.name, value)


def check_number(constraint: object, name: str, value: Any) -> None:
    """Refuse what is no number, is not finite, or is too large to be squared."""
    if isinstance(value, str | complex) or np.ndim(value) or not _is_real(value):
        raise refuse(constraint, f"{name} is {value!r}, not a number (shifts: in the row's unit)")
    if not np.isfinite(value):
        raise refuse(constraint, f"{name} is {value}")
    if abs(value) > LARGEST:
        raise refuse(constraint, f"{name} is {value:g}, beyond what can be computed with")


def _is_real(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _affine(context: Context, row: given.Row, sign: float = 1.0) -> Terms:
    return ((sign, Affine(context.row(row))),)


def _equal(c: given.Equal, context: Context) -> Made:
    return (NormalConstraint(_affine(context, c.row), target=float(c.value), equality=True),)


def _between(c: given.Between, context: Context) -> Made:
    if c.lower > c.upper:
        raise refuse(c, f"lower {c.lower:g} lies above upper {c.upper:g}")
    if c.lower == c.upper:
        return (NormalConstraint(_affine(context, c.row), constant=-c.upper, equality=True),)
    return (
        NormalConstraint(_affine(context, c.row), constant=-c.upper),
        NormalConstraint(_affine(context, c.row, -1.0), constant=c.lower),
    )


def _at_least(c: given.AtLeast, context: Context) -> Made:
    return (NormalConstraint(_affine(context, c.row, -1.0), target=-float(c.value)),)


def _at_most(c: given.AtMost, context: Context) -> Made:
    return (NormalConstraint(_affine(context, c.row), target=float(c.value)),)


def _bounds(c: given.Bounds, context: Context) -> Made:
    sides = ((c.lower, -1.0), (c.upper, 1.0))
    made: list[NormalConstraint] = []
    for limit, sign in sides:
        if limit is None:
            continue
        if limit.shape not in ((), (context.n,)):
            raise refuse(c, f"a bound has shape {limit.shape}, not () or ({context.n},)")
        if np.any(np.isnan(limit)) or np.any(limit == -sign * np.inf):
            raise refuse(c, "a bound is NaN, or infinite on the wrong side")
        if np.all(np.isinf(limit)):
            continue
        constant = -sign * (limit if limit.ndim else float(limit))
        made.append(NormalConstraint(((sign, ir.Entries()),), constant=constant))
    if c.lower is not None and c.upper is not None and np.any(c.lower > c.upper):
        raise refuse(c, "a lower bound lies above an upper bound")
    return tuple(made)


def _mean(c: given.Mean, context: Context) -> Made:
    row = Affine(ConstantRow(1.0 / context.n, context.n))
    return (NormalConstraint(((1.0, row),), constant=1.0 - c.value, equality=True),)


def _mass(c: given.Mass, context: Context) -> Made:
    labels = context.groups if c.codes is None else c.codes
    if labels is None:
        raise refuse(c, "no codes, and the program has no groups")
    values = np.asarray(labels)
    if values.shape != (context.n,):
        raise refuse(c, f"codes have shape {values.shape}, not ({context.n},)")
    if values.dtype.kind == "f" and np.any(np.isnan(values)):
        raise refuse(c, f"the group of unit {int(np.argmax(np.isnan(values)))} is NaN")
    codes, names = codes_of(values)
    sizes = np.ones(context.n) if c.sizes is None else c.sizes
    if sizes.shape != (context.n,) or not np.all(np.isfinite(sizes)) or np.any(sizes < 0):
        raise refuse(c, f"sizes must be ({context.n},) finite numbers, at least 0")
    empty = np.flatnonzero(np.bincount(codes, sizes, minlength=len(names)) <= 0)
    if empty.size:
        raise PatternError([EmptyMass(what=f"group {names[int(empty[0])]!r} has no mass")])
    if c.lower is not None and c.upper is not None and c.lower > c.upper:
        raise refuse(c, f"lower {c.lower:g} lies above upper {c.upper:g}")
    share = Share(codes, sizes, len(names))
    if c.lower is not None and c.lower == c.upper:
        return (NormalConstraint(((1.0, share),), constant=-c.upper, equality=True),)
    upper = () if c.upper is None else (NormalConstraint(((1.0, share),), constant=-c.upper),)
    lower = () if c.lower is None else (NormalConstraint(((-1.0, share),), constant=c.lower),)
    return (*upper, *lower)


def _effective_sample_size(c: given.EffectiveSampleSize, context: Context) -> Made:
    return (NormalConstraint(((-1.0, ir.EffectiveSampleSize()),), constant=float(c.share)),)


def _kl(c: given.KL, context: Context) -> Made:
    return (NormalConstraint(((1.0, ir.KL()),), constant=-float(c.cap)),)


def _norm(c: given.Norm, context: Context) -> Made:
    return (NormalConstraint(((1.0, ir.Norm(1.0, -1.0)),), constant=-float(c.cap)),)


def _soft(c: given.Soft, context: Context) -> Made:
    if c.penalty < 0:
        raise refuse(c, f"the penalty {c.penalty:g} is negative")
    context.row(c.row)
    return ()


def _along(c: given.Along, context: Context) -> Made:
    if len(c.rows) != len(c.direction) or not np.any(np.asarray(c.direction) != 0):
        raise refuse(c, "it needs one number per row, not all of them 0")
    for step in c.direction:
        check_number(c, "a step of the direction", step)
    return tuple(
        NormalConstraint((*_affine(context, row), (-float(step), Dose())), equality=True)
        for row, step in zip(c.rows, c.direction, strict=True)
    )


NORMALISERS: Final[Mapping[type, Callable[[Any, Context], Made]]] = MappingProxyType(
    {
        given.Equal: _equal,
        given.Between: _between,
        given.AtLeast: _at_least,
        given.AtMost: _at_most,
        given.Bounds: _bounds,
        given.Mean: _mean,
        given.Mass: _mass,
        given.EffectiveSampleSize: _effective_sample_size,
        given.KL: _kl,
        given.Norm: _norm,
        given.Soft: _soft,
        given.Along: _along,
    }
)
