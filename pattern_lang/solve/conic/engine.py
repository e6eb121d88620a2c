"""Clarabel (interior point, Goulart & Chen 2405.12762) as an engine for weight programs."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import clarabel
import numpy as np
import scipy.sparse as sp
from attrs import frozen

from pattern_lang.solve.box import Box, Flags, bound_multiplier
from pattern_lang.solve.conic.builder import Block, Cone, ConicBuilder, Handle, fixed
from pattern_lang.solve.conic.canonical import add_cost, expression
from pattern_lang.solve.conic.program import ConicProgram, finish
from pattern_lang.solve.engine import EngineResult, Verdict
from pattern_lang.solve.linear import redundant
from pattern_lang.solve.normal import Codes, NormalConstraint, NormalProgram, Vector, width
from pattern_lang.solve.rewrite import is_bound

ITERATIONS = 300
# How much of the way to the boundary a step may go. Exponential cones can stall at the usual
# first value; the shorter steps cost a few iterations more and then get through.
STEPS = (0.99, 0.9, 0.8)


@frozen(eq=False)
class Layout:
    """Where the rows of each constraint and of the box are. Units are numbers of units."""

    constraints: tuple[Handle | None, ...]
    lower: Handle
    lower_units: Codes
    upper: Handle
    upper_units: Codes
    fixed: Handle
    fixed_units: Codes


def solve_conic(program: NormalProgram, box: Box, tolerance: float) -> EngineResult:
    """Solve a program in standard form; see `engine.Engine`."""
    builder = ConicBuilder(program.n)
    handles = tuple(
        None if is_bound(c) or redundant(c, box) else _constrain(builder, c, program.n)
        for c in program.constraints
    )
    for coefficient, atom in program.cost:
        add_cost(builder, coefficient, atom)
    layout = _box_rows(builder, box, handles)
    conic = finish(builder)
    answer = _run(conic, tolerance, STEPS[0])
    for fraction in STEPS[1:]:
        if _verdict(str(answer.status)) is not Verdict.DOUBTFUL:
            break
        answer = _run(conic, tolerance, fraction)
    return _read(program, box, builder, conic, layout, answer)


def _constrain(builder: ConicBuilder, constraint: NormalConstraint, n: int) -> Handle | None:
    rows = width(constraint.terms, n)
    left = expression(builder, constraint.terms, rows)
    left = left.plus(np.asarray(constraint.constant, dtype=np.float64) - constraint.target)
    if constraint.units is not None:
        left = left.only(constraint.units, 0.0 if constraint.equality else -1.0)
    if not left.parts and not constraint.equality and np.all(left.constant <= 0):
        return None
    cone = Cone.ZERO if constraint.equality else Cone.NONNEGATIVE
    return builder.require(cone, (-1.0) * left)


def _box_rows(builder: ConicBuilder, box: Box, handles: tuple[Handle | None, ...]) -> Layout:
    still = box.fixed
    low = np.flatnonzero(np.isfinite(box.lower) & ~still)
    high = np.flatnonzero(np.isfinite(box.upper) & ~still)
    same = np.flatnonzero(still)
    return Layout(
        constraints=handles,
        lower=builder.require(Cone.NONNEGATIVE, _picked(low, 1.0, 1.0 - box.lower[low])),
        lower_units=low,
        upper=builder.require(Cone.NONNEGATIVE, _picked(high, -1.0, box.upper[high] - 1.0)),
        upper_units=high,
        fixed=builder.require(Cone.ZERO, _picked(same, -1.0, box.upper[same] - 1.0)),
        fixed_units=same,
    )


def _picked(units: Codes, sign: float, constant: Vector) -> Block:
    if not units.size:
        return fixed(np.zeros(0))
    data = np.full(units.size, sign)
    matrix = sp.csr_array(
        (data, (np.arange(units.size), units)), shape=(units.size, units.max() + 1)
    )
    return Block(constant, ((0, matrix),))


def _run(conic: ConicProgram, tolerance: float, fraction: float) -> clarabel.DefaultSolution:
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_iter = ITERATIONS
    settings.max_threads = 1
    settings.max_step_fraction = fraction
    settings.tol_feas = settings.tol_gap_abs = settings.tol_gap_rel = tolerance
    cones = [_CONES[cone](rows) for cone, rows in conic.cones if rows]
    flat = [piece for item in cones for piece in (item if isinstance(item, list) else [item])]
    solver = clarabel.DefaultSolver(
        sp.csc_matrix(sp.diags_array(conic.quadratic)),
        conic.linear,
        sp.csc_matrix(conic.matrix),
        conic.right,
        flat,
        settings,
    )
    return solver.solve()


_CONES: Final[Mapping[Cone, Callable[[int], Any]]] = MappingProxyType(
    {
        Cone.ZERO: clarabel.ZeroConeT,
        Cone.NONNEGATIVE: clarabel.NonnegativeConeT,
        Cone.SECOND_ORDER: clarabel.SecondOrderConeT,
        Cone.EXPONENTIAL: lambda rows: [clarabel.ExponentialConeT()] * (rows // 3),
    }
)


def _verdict(status: str) -> Verdict:
    match status:
        case "Solved":
            return Verdict.OPTIMAL
        case "PrimalInfeasible":
            return Verdict.INFEASIBLE
        case "DualInfeasible":
            return Verdict.UNBOUNDED
        case _:
            return Verdict.DOUBTFUL


def _read(
    program: NormalProgram,
    box: Box,
    builder: ConicBuilder,
    conic: ConicProgram,
    layout: Layout,
    answer: clarabel.DefaultSolution,
) -> EngineResult:
    point, z = np.asarray(answer.x), np.asarray(answer.z)
    ray = conic.multipliers(z)
    active = conic.active(np.asarray(answer.s), z)
    lower, upper = _box_multipliers(program.n, ray, layout)
    gradient = conic.linear + conic.matrix.T @ z
    rest = gradient[program.n :] + conic.quadratic[program.n :] * point[program.n :]
    dual = -0.5 * float(np.dot(conic.quadratic * point, point)) - float(np.dot(conic.right, z))
    return EngineResult(
        verdict=_verdict(str(answer.status)),
        x=point[: program.n].copy(),
        dose=builder.scalar_value("dose", point),
        multipliers=tuple(
            _multiplier(index, c, handle, ray, box, lower, upper)
            for index, (c, handle) in enumerate(
                zip(program.constraints, layout.constraints, strict=True)
            )
        ),
        slope=gradient[: program.n] / conic.cost_scale,
        curvature=conic.quadratic[: program.n] / conic.cost_scale,
        residual=float(np.abs(rest) @ np.abs(point[program.n :])) / conic.cost_scale,
        dual_cost=dual / conic.cost_scale + conic.constant,
        cost_unit=1.0 / conic.cost_scale,
        active=tuple(
            active[h.start : h.stop] if h is not None else np.zeros(1, dtype=np.bool_)
            for h in layout.constraints
        ),
        at_lower=_spread(program.n, active, layout.lower, layout.lower_units),
        at_upper=_spread(program.n, active, layout.upper, layout.upper_units),
        iterations=int(answer.iterations),
        name=f"clarabel {clarabel.__version__}",
    )


def _spread(n: int, active: Flags, handle: Handle, units: Codes) -> Flags:
    result = np.zeros(n, dtype=np.bool_)
    result[units] = active[handle.start : handle.stop]
    return result


def _box_multipliers(n: int, ray: Vector, layout: Layout) -> tuple[Vector, Vector]:
    lower, upper = np.zeros(n), np.zeros(n)
    lower[layout.lower_units] = ray[layout.lower.start : layout.lower.stop]
    upper[layout.upper_units] = ray[layout.upper.start : layout.upper.stop]
    both = ray[layout.fixed.start : layout.fixed.stop]
    lower[layout.fixed_units] = np.maximum(-both, 0.0)
    upper[layout.fixed_units] = np.maximum(both, 0.0)
    return lower, upper


def _multiplier(
    index: int,
    constraint: NormalConstraint,
    handle: Handle | None,
    ray: Vector,
    box: Box,
    lower: Vector,
    upper: Vector,
) -> Vector:
    if handle is not None:
        return ray[handle.start : handle.stop]
    if not is_bound(constraint):
        return np.zeros(1)
    coefficient = constraint.terms[0][0]
    return bound_multiplier(index, coefficient, constraint.equality, box, lower, upper)
