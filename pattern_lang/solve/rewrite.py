"""Changes of form that make a constraint conic, each with the factor that takes its price back.

A share of the mass is a ratio, and becomes linear when multiplied by the total mass. A lower
bound on the effective sample size and an upper bound on a sum of squares are balls in w - 1.
"""

from math import isclose, sqrt

import attrs
import numpy as np

from pattern_lang.ir.program import (
    KL,
    Chi2,
    EffectiveSampleSize,
    Entries,
    Maximum,
    Minimum,
    Norm,
    SumSquares,
)
from pattern_lang.solve.normal import (
    AFFINE,
    CONCAVE,
    CONVEX,
    Combined,
    Grouped,
    NormalConstraint,
    NormalProgram,
    Share,
    Terms,
    Vector,
)


class UnsupportedError(ValueError):
    """An expression that is no convex program; the text says which part and why."""


def standard(program: NormalProgram) -> NormalProgram:
    """Rewrite every constraint and the cost; what comes out has canonicalisers only.

    Raises UnsupportedError where an expression is not convex.
    """
    return attrs.evolve(
        program,
        constraints=tuple(
            _constraint(c, program.n, program.conserved) for c in program.constraints
        ),
        cost=_cost(_combined(program.cost, program.conserved), program.n),
    )


def equal_sizes(atom: Share) -> bool:
    """Tell whether all units weigh the same, so that shares are linear when mass is conserved."""
    first = float(atom.sizes[0])
    return bool(np.all(np.abs(atom.sizes - first) <= 1e-12 * abs(first)))


def _constraint(constraint: NormalConstraint, n: int, conserved: bool) -> NormalConstraint:
    if any(isinstance(atom, Share) for _, atom in constraint.terms):
        constraint = _without_shares(constraint, conserved)
    constraint = attrs.evolve(constraint, terms=_combined(constraint.terms, conserved))
    constraint = _ball(constraint, n)
    if conserved:
        constraint = _without_entropy(constraint)
    _check_convex(constraint)
    return constraint


def _combined(terms: Terms, conserved: bool) -> Terms:
    """Rewrite the parts of combined atoms: shares become linear, and all must be convex."""
    return tuple(
        (c, _with_parts(atom, conserved)) if isinstance(atom, Combined) else (c, atom)
        for c, atom in terms
    )


def _with_parts(atom: Combined, conserved: bool) -> Combined:
    return attrs.evolve(
        atom, parts=tuple(_part(terms, constant, conserved) for terms, constant in atom.parts)
    )


def _part(terms: Terms, constant: float, conserved: bool) -> tuple[Terms, float]:
    if any(isinstance(a, Share) and not (conserved and equal_sizes(a)) for _, a in terms):
        raise UnsupportedError("mass(...) within another function needs units of equal size")
    more, linear = _linear_shares(terms)
    for coefficient, atom in linear:
        _check_term(coefficient, atom, equality=False)
    return _combined(linear, conserved), constant + more


def _without_shares(constraint: NormalConstraint, conserved: bool) -> NormalConstraint:
    """Multiply a constraint on shares by `Σ m w / Σ m`, which equal sizes make 1."""
    shares = [atom for _, atom in constraint.terms if isinstance(atom, Share)]
    if conserved and all(equal_sizes(atom) for atom in shares):
        constant, terms = _linear_shares(constraint.terms)
        return attrs.evolve(constraint, terms=terms, constant=constraint.constant + constant)
    if len(shares) != len(constraint.terms) or constraint.target:
        raise UnsupportedError(
            "mass(...) stands beside other terms, which needs units of equal size"
        )
    scale = shares[0].sizes / float(np.sum(shares[0].sizes))
    constant, terms = _linear_shares(constraint.terms)
    level = np.asarray(constraint.constant, dtype=np.float64)
    if level.ndim and level.size > 1:
        raise UnsupportedError("mass(...) with one limit per group needs units of equal size")
    number = float(level.reshape(-1)[0]) if level.ndim else float(level)
    whole = Grouped(np.zeros(scale.size, dtype=np.int64), number * scale, 1)
    return attrs.evolve(
        constraint, terms=(*terms, (1.0, whole)), constant=number + constant, scale=scale
    )


def _linear_shares(terms: Terms) -> tuple[float, Terms]:
    """Replace each share by its linear numerator in x = w - 1, which adds 1 at w = 1."""
    constant = 0.0
    linear: list[tuple[float, Grouped]] = []
    rest = tuple((c, atom) for c, atom in terms if not isinstance(atom, Share))
    for coefficient, atom in terms:
        if isinstance(atom, Share):
            constant += coefficient
            linear.append((coefficient, _numerator(atom)))
    return constant, (*rest, *linear)


def _numerator(atom: Share) -> Grouped:
    inside = atom.codes >= 0
    totals = np.bincount(atom.codes[inside], atom.sizes[inside], minlength=atom.groups)
    coefficients = np.zeros(atom.sizes.size)
    coefficients[inside] = atom.sizes[inside] / totals[atom.codes[inside]]
    return Grouped(atom.codes, coefficients, atom.groups)


def _ball(constraint: NormalConstraint, n: int) -> NormalConstraint:
    """Write a lone `ess`, `sum_squares` or `chi2` with its limit as a Euclidean ball."""
    if len(constraint.terms) != 1 or constraint.equality:
        return constraint
    coefficient, atom = constraint.terms[0]
    limit = float(np.max(np.asarray(constraint.constant - constraint.target)))
    match atom:
        case EffectiveSampleSize() if coefficient < 0:
            share = limit / -coefficient
            if share <= 0:
                return attrs.evolve(constraint, terms=(), constant=-1.0)
            square = n * (1.0 / share - 1.0) if not isclose(share, 1.0, abs_tol=1e-12) else 0.0
            slope = n / (share * share * -coefficient)
            return _within(constraint, Norm(1.0, -1.0), square, slope)
        case SumSquares() if coefficient > 0:
            norm = Norm(atom.scale, atom.offset)
            return _within(constraint, norm, -limit / coefficient, 1.0 / coefficient)
        case Chi2() if coefficient > 0:
            return _within(constraint, Norm(1.0, -1.0), -n * limit / coefficient, n / coefficient)
        case _:
            return constraint


def _without_entropy(constraint: NormalConstraint) -> NormalConstraint:
    """Write `kl(w) <= 0` as `w == 1`, which it says when the mean is 1, and nothing when it is < 0.

    The divergence grows with the square of w - 1: to a tolerance of its own 0 is no limit at all.
    """
    if len(constraint.terms) != 1 or constraint.equality:
        return constraint
    coefficient, atom = constraint.terms[0]
    limit = float(np.max(np.asarray(constraint.target - constraint.constant)))
    if not isinstance(atom, KL) or coefficient <= 0 or limit > 0:
        return constraint
    if limit < 0:
        return attrs.evolve(constraint, terms=((1.0, Norm(1.0, -1.0)),), constant=1.0, target=0.0)
    terms: Terms = ((1.0, Entries()),)
    return attrs.evolve(
        constraint, terms=terms, constant=-1.0, target=0.0, equality=True, price=float("nan")
    )


def _within(
    constraint: NormalConstraint, norm: Norm, square: float, slope: float
) -> NormalConstraint:
    """Return `norm² <= square`; `slope` is how fast `square` falls as the limit tightens."""
    if square < 0:
        return attrs.evolve(constraint, terms=((1.0, norm),), constant=1.0, target=0.0)
    if square == 0:
        fixed: Vector | float = norm.offset / norm.scale
        terms: Terms = ((1.0, Entries()),)
        return attrs.evolve(
            constraint, terms=terms, constant=fixed, target=0.0, equality=True, price=float("nan")
        )
    radius = sqrt(square)
    return attrs.evolve(
        constraint,
        terms=((1.0, norm),),
        constant=-radius,
        target=0.0,
        price=slope / (2.0 * radius),
    )


def _check_convex(constraint: NormalConstraint) -> None:
    entries = False
    groups = 0
    for coefficient, atom in constraint.terms:
        _check_term(coefficient, atom, constraint.equality)
        entries = entries or isinstance(atom, Entries)
        groups = max(groups, atom.groups if isinstance(atom, Grouped) else 0)
    if entries and groups > 1:
        raise UnsupportedError("one value per unit and one value per group do not add up")


def _check_term(coefficient: float, atom: object, equality: bool) -> None:
    if isinstance(atom, AFFINE) or coefficient == 0:
        return
    name = type(atom).__name__
    if isinstance(atom, EffectiveSampleSize):
        raise UnsupportedError("ess(w) is understood only by itself, bounded from below")
    if equality:
        raise UnsupportedError(f"{name} is not affine, so nothing can be set equal to it")
    if (isinstance(atom, CONVEX) and coefficient > 0) or (
        isinstance(atom, CONCAVE) and coefficient < 0
    ):
        return
    raise UnsupportedError(f"{name} stands on the wrong side: the set it describes is not convex")


def _cost(cost: Terms, n: int) -> Terms:
    if len(cost) == 1 and isinstance(cost[0][1], EffectiveSampleSize) and cost[0][0] < 0:
        # With conserved mass ess = 1 / (1 + chi2), which falls as the sum of squares rises.
        return ((1.0 / n, SumSquares(1.0, -1.0)),)
    if any(isinstance(atom, Share) for _, atom in cost):
        if not all(equal_sizes(atom) for _, atom in cost if isinstance(atom, Share)):
            raise UnsupportedError("mass(...) in the objective needs units of equal size")
        cost = _linear_shares(cost)[1]
    for coefficient, atom in cost:
        if isinstance(atom, Entries) or (isinstance(atom, Grouped) and atom.groups > 1):
            raise UnsupportedError("the objective must be one number")
        _check_term(coefficient, atom, equality=False)
    return cost


def is_bound(constraint: NormalConstraint) -> bool:
    """Tell whether a constraint only bounds single weights: it then belongs to the box."""
    if len(constraint.terms) != 1:
        return False
    coefficient, atom = constraint.terms[0]
    if isinstance(atom, Entries):
        return coefficient != 0
    return (isinstance(atom, Maximum) and coefficient > 0) or (
        isinstance(atom, Minimum) and coefficient < 0
    )
