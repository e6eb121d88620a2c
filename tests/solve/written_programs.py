"""Random programs written for the compiler: for the Python interface, or as a pattern."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from random_programs import Cost, Draw, Risk, Row, Vector
from solve_samples import pattern, require

from pattern_lang.ir import program as ir
from pattern_lang.ir.noise import no_noise, noise_of
from pattern_lang.ir.sources import RowField
from pattern_lang.ir.susceptibility import Estimate, Susceptibility, UnitTable
from pattern_lang.semantics.units import Unit
from pattern_lang.solve import (
    KL,
    Along,
    AtLeast,
    AtMost,
    Between,
    Bounds,
    EffectiveSampleSize,
    Equal,
    Mass,
    Maximize,
    Mean,
    Norm,
    Soft,
    SumSquares,
    WeightProgram,
)


def program_of(draw: Draw) -> WeightProgram:
    """Write a draw for the Python interface."""
    made: list[Any] = [_row(row) for row in draw.rows]
    made.append(_bounds(draw))
    if draw.mean:
        made.append(Mean(1.0))
    made += [Soft(i, target, penalty) for i, target, penalty in draw.soft]
    made += [Mass(s.codes, _finite(s.low), _finite(s.high), s.sizes) for s in draw.shares]
    kinds = {"ess": EffectiveSampleSize, "norm": Norm, "kl": KL}
    made += [kinds[kind](limit) for kind, limit in draw.budgets]
    objective: Any = SumSquares()
    if draw.cost.kind == "maximize":
        objective = Maximize(dict(draw.cost.rows))
    if draw.cost.kind == "along":
        made.append(Along([i for i, _ in draw.cost.rows], [c for _, c in draw.cost.rows]))
    return WeightProgram(draw.response, made, objective)


def _row(row: Row) -> Any:
    if row.low == row.high:
        return Equal(row.index, row.low)
    if np.isinf(row.low):
        return AtMost(row.index, row.high)
    if np.isinf(row.high):
        return AtLeast(row.index, row.low)
    return Between(row.index, row.low, row.high)


def _bounds(draw: Draw) -> Bounds:
    same = np.ptp(draw.lower) == 0 and np.all(draw.upper == draw.upper[0])
    return Bounds(draw.lower[0], draw.upper[0]) if same else Bounds(draw.lower, draw.upper)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def pattern_of(draw: Draw) -> tuple[ir.WeightPattern, Estimate]:
    """Write a draw as a pattern, whose bounds per unit are fields of the rows."""
    made: list[ir.Constraint] = []
    for row in draw.rows:
        shift = ir.Predicted(f"o{row.index}", Unit.NATS)
        if row.low == row.high:
            made.append(require((1.0, shift), constant=-row.low, equality=True))
            continue
        if np.isfinite(row.high):
            made.append(require((1.0, shift), constant=-row.high))
        if np.isfinite(row.low):
            made.append(require((-1.0, shift), constant=row.low))
    fields: dict[str, NDArray[Any]] = {"lower": draw.lower, "upper": np.minimum(draw.upper, 1e3)}
    made.append(require((-1.0, ir.Entries()), (1.0, ir.UnitNumber(RowField("lower")))))
    made.append(require((1.0, ir.Entries()), (-1.0, ir.UnitNumber(RowField("upper")))))
    sizes = np.ones(draw.n)
    for share in draw.shares:
        fields["group"], sizes = share.codes, share.sizes
        if np.isfinite(share.high):
            made.append(require((1.0, ir.GroupMass("group")), constant=-share.high))
        if np.isfinite(share.low):
            made.append(require((-1.0, ir.GroupMass("group")), constant=share.low))
    made += [_budget(kind, limit) for kind, limit in draw.budgets]
    made += [_charge(risk) for risk in draw.risks]
    if draw.cost.weights is not None:
        fields["cost"] = draw.cost.weights
    objective = ir.Expression((*_cost(draw.cost), *(_soft(*s) for s in draw.soft)))
    return pattern((), made, objective), _estimate(draw, sizes, fields)


def _budget(kind: str, limit: float) -> ir.Constraint:
    match kind:
        case "ess":
            made = require((-1.0, ir.EffectiveSampleSize()), constant=limit)
        case "norm":
            made = require((1.0, ir.Norm(1.0, -1.0)), constant=-limit)
        case "kl":
            made = require((1.0, ir.KL()), constant=-limit)
        case _:
            made = require((1.0, ir.L1(1.0, -1.0)), constant=-limit)
    return made  # type: ignore[no-any-return]


def _charge(risk: Risk) -> ir.Constraint:
    name = f"o{risk.index}"
    terms: list[tuple[float, ir.Atom]] = [(risk.times, ir.Risk(name, Unit.NATS))]
    if risk.sign:
        terms.append((risk.sign, ir.Predicted(name, Unit.NATS)))
    return require(*terms, constant=-risk.limit)  # type: ignore[no-any-return]


def _cost(cost: Cost) -> tuple[tuple[float, ir.Atom], ...]:
    weighted = None if cost.weights is None else RowField("cost")
    if cost.kind == "kl":
        return ((1.0, ir.KL()),)
    if cost.kind == "elastic":
        return (
            (1.0, ir.UnitCost("magnitudes", 1.0, -1.0, weighted, cost.up, cost.down)),
            (cost.ridge, ir.SumSquares(1.0, -1.0)),
        )
    unit = ir.UnitCost(cost.kind, cost.scale, cost.offset, weighted, cost.up, cost.down, cost.at)
    return ((1.0, unit),)


def _soft(index: int, target: float, penalty: float) -> tuple[float, ir.Atom]:
    shift = ir.Expression(((1.0, ir.Predicted(f"o{index}", Unit.NATS)),), -target)
    return penalty, ir.Joined("squares", (shift,))


def _estimate(draw: Draw, sizes: Vector, fields: dict[str, NDArray[Any]]) -> Estimate:
    m, n = draw.response.shape
    chi = draw.response.astype(np.float32)
    names = tuple(f"o{i}" for i in range(m))
    noise = no_noise(m, n) if draw.replicates is None else noise_of(draw.replicates)
    found = Susceptibility(names, ("nats",) * m, chi, np.zeros(m), np.ones(m), noise, float(n))
    units = UnitTable("sample", np.arange(n, dtype=np.int64), sizes, fields)
    return Estimate(found, units, (), (), {}, True, 0.0)
