"""The value of every atom of the normal form at given weights: the arithmetic of last resort.

Certificates and outcomes are computed from these, not from what an engine says about itself.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from pattern_lang.ir.program import (
    KL,
    L1,
    Chi2,
    EffectiveSampleSize,
    Entries,
    Maximum,
    Minimum,
    Norm,
    SumSquares,
)
from pattern_lang.solve.normal import (
    Affine,
    Atom,
    Combined,
    Costs,
    Distance,
    Dose,
    Grouped,
    NormalConstraint,
    Share,
    Spread,
    Square,
    Terms,
    Vector,
)


def group_sums(atom: Grouped | Share, values: Vector) -> Vector:
    """Sum values (n,) over groups: (groups,). Units with code -1 count nowhere."""
    inside = atom.codes >= 0
    return np.bincount(atom.codes[inside], values[inside], minlength=atom.groups).astype(np.float64)


def effective_sample_size(w: Vector) -> float:
    """Return `n⁻¹ (Σw)² / Σw²`, between 0 and 1."""
    total = float(np.sum(w))
    square = float(np.dot(w, w))
    return total * total / (w.size * square) if square > 0 else 0.0


def divergence(w: Vector) -> float:
    """Return `mean(w log w)` in nats, with 0 log 0 = 0; negative weights count as 0."""
    positive = w[w > 0]
    return float(np.dot(positive, np.log(positive))) / w.size


def _share(atom: Share, w: Vector) -> Vector:
    mass = atom.sizes * w
    baseline = group_sums(atom, atom.sizes) / float(np.sum(atom.sizes))
    return group_sums(atom, mass) / float(np.sum(mass)) / baseline


def _square_of(scale: float, offset: float, w: Vector) -> float:
    moved = scale * w + offset
    return float(np.dot(moved, moved))


def _costs(atom: Costs, w: Vector) -> float:
    z = atom.scale * w + atom.offset
    signed = np.where(z > 0, atom.up, atom.down) * atom.weights
    size = np.abs(z)
    match atom.kind:
        case "squares":
            each = z * z
        case "magnitudes":
            each = size
        case _:
            each = np.where(size <= atom.at, z * z, atom.at * (2.0 * size - atom.at))
    return float(np.dot(signed, each))


def _combined(atom: Combined, w: Vector, t: float) -> float:
    numbers = np.array([float(total(terms, w, t)[0]) + constant for terms, constant in atom.parts])
    match atom.kind:
        case "norm":
            return float(np.linalg.norm(numbers))
        case "squares":
            return float(np.dot(numbers, numbers))
        case "magnitudes":
            return float(np.sum(np.abs(numbers)))
        case _:
            return float(np.max(numbers))


def _spread(atom: Spread, x: Vector) -> float:
    square = float(np.sum((atom.factor @ (atom.basis @ x)) ** 2))
    rest = 0.0 if atom.residual is None else float(atom.residual @ x**2)
    return float(np.sqrt(square + rest))


def _distance(atom: Distance, x: Vector) -> float:
    at = float(np.dot(atom.row, x))
    return max(atom.lower - at, at - atom.upper, 0.0) ** 2


Value = Callable[[Any, Vector, float], float | Vector]

VALUES: Final[Mapping[type, Value]] = MappingProxyType(
    {
        Entries: lambda atom, w, t: w,
        Costs: lambda atom, w, t: _costs(atom, w),
        Combined: _combined,
        Affine: lambda atom, w, t: float(np.dot(atom.row, w - 1.0)),
        Grouped: lambda atom, w, t: group_sums(atom, atom.coefficients * (w - 1.0)),
        Share: lambda atom, w, t: _share(atom, w),
        Dose: lambda atom, w, t: t,
        SumSquares: lambda atom, w, t: _square_of(atom.scale, atom.offset, w),
        Norm: lambda atom, w, t: _square_of(atom.scale, atom.offset, w) ** 0.5,
        L1: lambda atom, w, t: float(np.sum(np.abs(atom.scale * w + atom.offset))),
        Maximum: lambda atom, w, t: float(np.max(w)),
        Minimum: lambda atom, w, t: float(np.min(w)),
        KL: lambda atom, w, t: divergence(w),
        Chi2: lambda atom, w, t: _square_of(1.0, -1.0, w) / w.size,
        EffectiveSampleSize: lambda atom, w, t: effective_sample_size(w),
        Spread: lambda atom, w, t: _spread(atom, w - 1.0),
        Distance: lambda atom, w, t: _distance(atom, w - 1.0),
        Square: lambda atom, w, t: (float(np.dot(atom.row, w - 1.0)) - atom.target) ** 2,
    }
)


def value(atom: Atom, w: Vector, t: float) -> Vector:
    """Return the entries of an atom at weights w (n,) and dose t: (1,), (groups,) or (n,)."""
    return np.atleast_1d(np.asarray(VALUES[type(atom)](atom, w, t), dtype=np.float64))


def total(terms: Terms, w: Vector, t: float) -> Vector:
    """Return `Σ coefficient · atom` entry by entry; single numbers spread over all entries."""
    result = np.zeros(1)
    for coefficient, atom in terms:
        result = result + coefficient * value(atom, w, t)
    return result


def left_side(constraint: NormalConstraint, w: Vector, t: float) -> Vector:
    """Return the entries of what must be `<= 0` or `== 0`; 0 for units that are not meant."""
    entries = total(constraint.terms, w, t) + constraint.constant - constraint.target
    return entries if constraint.units is None else np.where(constraint.units, entries, 0.0)


def violation(constraint: NormalConstraint, w: Vector, t: float) -> float:
    """Return by how much a constraint is violated at worst, 0 when it holds."""
    entries = left_side(constraint, w, t)
    worst = np.abs(entries) if constraint.equality else entries
    return float(np.maximum(np.max(worst), 0.0))
