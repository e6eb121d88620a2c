"""When no weights exist: which statements clash, and how much of the goals would be possible."""

import attrs
import numpy as np

from pattern_lang.solve.box import Box, box_of
from pattern_lang.solve.conic.engine import solve_conic
from pattern_lang.solve.dual import Finding, decide
from pattern_lang.solve.engine import Engine, Verdict
from pattern_lang.solve.normal import Dose, NormalConstraint, NormalProgram, size_of
from pattern_lang.solve.optimize import FEASIBLE, REGULAR, Answer, elastic
from pattern_lang.solve.structured.engine import solve_structured

SUPPORT = 1e-7
NOTHING = 1e-9
HALVED = 1e-6
# Units times constraints from which it pays to halve.
LARGE = 200_000


def conflict(answer: Answer, engine: Engine = solve_conic) -> tuple[int, ...]:
    """Return the owners of a minimal clashing set: drop any one and the rest is feasible.

    A deletion filter (Chinneck & Dravnieks 1991) over the support of the Farkas ray.
    """
    program = attrs.evolve(answer.program, cost=REGULAR)
    kept = _support(answer)
    if feasible(program.only(kept), engine):
        kept = tuple(sorted({c.owner for c in program.constraints}))
    for owner in reversed(kept):
        rest = tuple(o for o in kept if o != owner)
        if not feasible(program.only(rest), engine):
            kept = rest
    return kept


def feasible(program: NormalProgram, engine: Engine = solve_conic, tolerance: float = 1e-9) -> bool:
    """Tell whether a program in standard form has any weights at all."""
    box = box_of(program)
    if box.crossed:
        return False
    program = attrs.evolve(program, cost=REGULAR)
    finding = Finding.UNDECIDED if program.has_dose else _decided(program, box, tolerance)
    if finding is not Finding.UNDECIDED:
        return finding is Finding.FEASIBLE
    result = engine(program, box, tolerance)
    if result.verdict is Verdict.OPTIMAL:
        return True
    if result.verdict is Verdict.INFEASIBLE:
        return False
    relaxed = elastic(program, box, tolerance, engine)
    return relaxed.verdict is Verdict.OPTIMAL and relaxed.dual_cost <= FEASIBLE


def _decided(program: NormalProgram, box: Box, tolerance: float) -> Finding:
    """Ask the exact oracle about small programs, and passes over the data about others."""
    if not is_large(program):
        return decide(program, box)
    result = solve_structured(program, box, tolerance)
    if result is None:
        return Finding.UNDECIDED
    return Finding.INFEASIBLE if result.verdict is Verdict.INFEASIBLE else Finding.FEASIBLE


def is_large(program: NormalProgram) -> bool:
    """Tell whether passes over the data pay."""
    return program.n * len(program.constraints) > LARGE


def _support(answer: Answer) -> tuple[int, ...]:
    constraints = answer.program.constraints
    if answer.box.crossed:
        return _crossing(answer)
    if answer.result is None:
        return tuple(sorted({c.owner for c in constraints}))
    weights = [
        float(np.sum(np.abs(m))) * size_of(c)
        for c, m in zip(constraints, answer.result.multipliers, strict=True)
    ]
    floor = SUPPORT * max(weights, default=0.0)
    return tuple(sorted({c.owner for c, x in zip(constraints, weights, strict=True) if x > floor}))


def _crossing(answer: Answer) -> tuple[int, ...]:
    box = answer.box
    worst = int(np.argmax(box.lower - box.upper))
    pair = (int(box.lower_by[worst]), int(box.upper_by[worst]))
    return tuple(sorted({answer.program.constraints[k].owner for k in pair}))


def fraction(program: NormalProgram, engine: Engine = solve_conic) -> float | None:
    """Return the largest t in [0, 1] such that the targets times t are feasible, or None.

    Only what a statement asks for is scaled (`target`), not what it holds or limits.
    """
    if not any(c.target for c in program.constraints) or box_of(program).crossed:
        return None
    if is_large(program):
        largest = by_passes(program)
        largest = by_halving(program) if largest is None else largest
        if largest is not None:
            return largest if largest > NOTHING else 0.0
    largest = by_maximising(program, engine)
    return largest if largest is None or largest > NOTHING else 0.0


def by_passes(program: NormalProgram) -> float | None:
    """Return the fraction by passes over the data, None where they do not come to an answer."""
    wide = _with_fraction(program)
    result = solve_structured(wide, box_of(wide), 1e-8)
    if result is None or result.proof is None:
        return None
    share = -result.proof.primal_cost
    return None if share < -NOTHING else float(min(max(share, 0.0), 1.0))


def by_halving(program: NormalProgram) -> float | None:
    """Return the fraction by asking whether fractions are feasible, None where that is unclear.

    Each question costs a few passes, where one conic program of this size costs minutes.
    """
    box = box_of(program)
    low, high = 0.0, 1.0
    if program.has_dose or decide(_at_fraction(program, low), box) is not Finding.FEASIBLE:
        return None
    while high - low > HALVED * high and high > NOTHING:
        middle = 0.5 * (low + high)
        finding = decide(_at_fraction(program, middle), box)
        if finding is Finding.UNDECIDED:
            return None
        low, high = (middle, high) if finding is Finding.FEASIBLE else (low, middle)
    return low


def _at_fraction(program: NormalProgram, share: float) -> NormalProgram:
    scaled = tuple(attrs.evolve(c, target=share * c.target) for c in program.constraints)
    return attrs.evolve(program, constraints=scaled)


def by_maximising(program: NormalProgram, engine: Engine) -> float | None:
    """Return the fraction as the optimum of one program, None where no fraction is feasible."""
    wide = _with_fraction(program)
    result = engine(wide, box_of(wide), 1e-9)
    if result.verdict is Verdict.INFEASIBLE or not np.isfinite(result.dual_cost):
        return None
    if result.verdict is Verdict.DOUBTFUL and not feasible(wide, engine):
        return None
    return float(min(max(-result.dual_cost, 0.0), 1.0))


def _with_fraction(program: NormalProgram) -> NormalProgram:
    """Return the program that scales all targets by one more number, as large as it can be."""
    rows = [size_of(c) / abs(c.target) for c in program.constraints if c.target]
    share = Dose("fraction", min(1.0, *rows))
    scaled = [_scaled(c, share) for c in program.constraints]
    cap = NormalConstraint(((1.0, share),), -1.0, owner=-1)
    return attrs.evolve(program, constraints=(*scaled, cap), cost=((-1.0, share),))


def _scaled(constraint: NormalConstraint, share: Dose) -> NormalConstraint:
    if not constraint.target:
        return constraint
    terms = (*constraint.terms, (-constraint.target, share))
    return attrs.evolve(constraint, terms=terms, target=0.0)
