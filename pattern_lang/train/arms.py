"""The weights of each arm of a study: a pattern's own, and controls made from them.

Controls are as far from 1 as the weights that they are of, in root mean square, have mean 1 and no
weight below 0. What is random in them depends on the control and the seed of the run, so that an
average over seeds is one over permutations and directions too. It does not depend on doses: all
doses of one sweep go along the same direction, so that plus and minus are opposites.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.training import NoHeuristic
from pattern_lang.estimate.entries import chosen
from pattern_lang.estimate.inputs import Inputs
from pattern_lang.estimate.predicates import holds, scalar_field
from pattern_lang.ir.queries import Reweight
from pattern_lang.ir.rows import RowTypeError, UnknownFieldError, numbers
from pattern_lang.ir.sources import ModelSource, Predicate, RowArithmetic, RowField, RowLiteral
from pattern_lang.ir.training import (
    Arm,
    ArmKind,
    Base,
    Dosed,
    Heuristic,
    RandomDirection,
    Shuffled,
    Steered,
    pattern_of,
)
from pattern_lang.train.order import seed_of

Weights = NDArray[np.float32]
_Vector = NDArray[np.float64]
_HALVINGS = 60


def arm_weights(
    arm: Arm,
    seed: int,
    solved: Mapping[str, Weights],
    inputs: Inputs,
    model: ModelSource,
) -> Weights | None:
    """Return the weights of an arm for one seed, float32 (n,); None for w = 1.

    solved: the weights of each pattern, by name. Raises NoHeuristic, and what row values raise.
    """
    found = _weights(arm.kind, arm, seed, solved, inputs, model)
    return None if found is None else found.astype(np.float32)


def _weights(
    kind: ArmKind,
    arm: Arm,
    seed: int,
    solved: Mapping[str, Weights],
    inputs: Inputs,
    model: ModelSource,
) -> _Vector | None:
    def inner(of: ArmKind) -> _Vector:
        found = _weights(of, arm, seed, solved, inputs, model)
        return np.ones(inputs.units.count) if found is None else found

    random = np.random.default_rng(seed_of("arm", _drawn_for(kind), seed))
    match kind:
        case Base():
            return None
        case Steered(pattern=pattern):
            return solved[pattern.name].astype(np.float64)
        case Shuffled(arm=of, among=None):
            return random.permutation(inner(of))
        case Shuffled(arm=of, among=row):
            groups = _unit_values(row, arm, _reweight_of(kind), inputs, model)
            return permuted_among(inner(of), groups, random)
        case RandomDirection(arm=of):
            own = inner(of)
            return as_far(random.normal(size=len(own)), distance(own))
        case Heuristic(row=row, like=of):
            reweight = _reweight_of(kind)
            values = _unit_values(row, arm, reweight, inputs, model)
            if np.ptp(values) == 0 or not np.isfinite(values).all():
                reason = "is the same for every unit" if np.isfinite(values).all() else "has NaN"
                raise PatternError([NoHeuristic(span=arm.origin, arm=arm.name, reason=reason)])
            return as_far(values, distance(inner(of)))
        case Dosed(arm=of, dose=dose):
            return floored(1 + dose * (inner(of) - 1))


def permuted_among(weights: _Vector, groups: _Vector, random: np.random.Generator) -> _Vector:
    """Return weights (n,) permuted among the units with the same value in `groups` (n,)."""
    found = weights.copy()
    for value in np.unique(groups):
        own = np.flatnonzero(groups == value)
        found[own] = weights[random.permutation(own)]
    return found


def _drawn_for(kind: ArmKind) -> str:
    """Return what the randomness of an arm depends on beside the seed: it, without any doses."""
    match kind:
        case Steered(pattern=pattern):
            return pattern.name
        case Shuffled(arm=of):
            return f"shuffled({_drawn_for(of)})"
        case RandomDirection(arm=of):
            return f"random_direction({_drawn_for(of)})"
        case Dosed(arm=of):
            return _drawn_for(of)
    return ""  # nothing else draws


def distance(weights: _Vector) -> float:
    """Return how far weights are from 1, in root mean square."""
    return float(np.sqrt(np.mean((weights - 1) ** 2)))


def floored(weights: _Vector) -> _Vector:
    """Return weights with none below 0, and mean 1."""
    above = np.maximum(weights, 0)
    found: _Vector = above / above.mean()
    return found


def as_far(direction: _Vector, wanted: float) -> _Vector:
    """Return `1 + t · direction`, floored, with the t > 0 that makes it as far from 1 as wanted.

    direction: (n,), of any mean and scale. Where no t is far enough, the largest is taken.
    """
    step = direction - direction.mean()
    step = step / max(float(np.sqrt(np.mean(step**2))), 1e-300)
    low, high = 0.0, max(wanted, 1e-12)
    while distance(floored(1 + high * step)) < wanted and high < 1e6:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if distance(floored(1 + middle * step)) < wanted:
            low = middle
        else:
            high = middle
    return floored(1 + high * step)


def _reweight_of(kind: ArmKind) -> Reweight:
    pattern = pattern_of(kind)
    assert pattern is not None  # controls of the base arm are refused when a study is read
    return pattern.queries.reweight


def _unit_values(
    row: object, arm: Arm, reweight: Reweight, inputs: Inputs, model: ModelSource
) -> _Vector:
    """Return a row expression or predicate for each unit: the mean over its entries."""
    data = reweight.data
    table, kept = inputs.tables[data.base], inputs.kept[data]
    if isinstance(row, RowField | RowLiteral | RowArithmetic):
        if isinstance(row, RowField):
            scalar_field(row.name, table, row.origin)
        try:
            values = numbers(row, table.scalars)
        except (UnknownFieldError, RowTypeError) as error:
            reason = f"cannot be worked out, as {error}"
            raise PatternError(
                [NoHeuristic(span=error.origin or arm.origin, arm=arm.name, reason=reason)]
            ) from error
    else:
        assert isinstance(row, Predicate)
        values = holds(row, table, reweight.origin).astype(np.float64)
    own = values[kept.rows]
    entries = chosen(inputs.entries[model][data.base], kept)
    if entries is not None:
        owner, position = np.nonzero(entries)
        own = own[owner] if own.ndim == 1 else own[owner, position]
    elif own.ndim == 2:
        own = own.mean(axis=1)
    units = inputs.units
    if units.unit_of_row is None:
        return own.astype(np.float64)
    total = np.bincount(units.unit_of_row, own, minlength=units.count)
    mean: _Vector = total / np.bincount(units.unit_of_row, minlength=units.count)
    return mean
