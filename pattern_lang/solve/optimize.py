"""From a normal program to an answer: standard form, dose, engine, polish, and what if none.

A dose is found in two stages: the largest t first, then, with t held a millionth below it, the
weights of least cost. The margin keeps an interior for the second stage; where the engine cannot
work in so little room, it is ten times wider, and then a hundred times.
"""

import attrs
import numpy as np
from attrs import frozen

from pattern_lang.ir.program import SumSquares
from pattern_lang.solve.active_set import cold_guess, guess_of, refine
from pattern_lang.solve.box import Box, box_of
from pattern_lang.solve.conic.engine import solve_conic
from pattern_lang.solve.dual import Finding, climb, decide, judge
from pattern_lang.solve.engine import Engine, EngineResult, Verdict
from pattern_lang.solve.normal import Dose, NormalConstraint, NormalProgram, Terms, Vector, size_of
from pattern_lang.solve.polish import polish
from pattern_lang.solve.quadratic import Quadratic, quadratic, quadratic_cost
from pattern_lang.solve.rewrite import is_bound, standard
from pattern_lang.solve.structured.engine import solve_structured
from pattern_lang.solve.values import total, violation

DOSE_MARGINS = (1e-6, 1e-5, 1e-4, 0.0)
FEASIBLE = 1e-7
# Quadratic programs up to this many numbers are solved exactly, to rounding error.
SMALL = 200_000
# What the engine does not vouch for is a solution all the same within this; polishing follows.
NEARLY = 1e-6
# Where nothing but bounds curves the cost, a bound on it is closed to this at least.
CLOSED = 3e-6
REGULAR: Terms = ((1.0, SumSquares(1.0, -1.0)),)


@frozen(eq=False)
class Answer:
    """What became of a normal program.

    status: `optimal`, `infeasible`, `unbounded` or `inaccurate`. w: (n,) float64 polished
    weights, None without a point. program and box are in standard form with the dose put in;
    `result` is the engine's last word on them, and its multipliers belong to `program`; None
    when it was seen without an engine that there is no point.
    """

    status: str
    w: Vector | None
    dose: float
    program: NormalProgram
    box: Box
    result: EngineResult | None


def optimize(
    program: NormalProgram,
    tolerance: float = 1e-8,
    engine: Engine = solve_conic,
    start: Vector | None = None,
) -> Answer:
    """Solve a normal program; raises UnsupportedError where it is not convex.

    start: where a search by passes over the data begins, the `start` of a proof of the same program
    with other limits.
    """
    program = standard(program)
    box = box_of(program)
    if box.crossed:
        return Answer("infeasible", None, 0.0, program, box, None)
    if not program.has_dose:
        return _minimise(program, box, 1.0, tolerance, engine, start)
    program = program.with_dose_unit()
    dose_atom = next(a for c in program.constraints for _, a in c.terms if isinstance(a, Dose))
    highest = attrs.evolve(program, cost=((-1.0, dose_atom),))
    top = _highest(highest, box, tolerance, engine)
    if top.verdict is not Verdict.OPTIMAL:
        return Answer(_status(top.verdict), None, 0.0, highest, box, top)
    answer = Answer("inaccurate", None, 0.0, highest, box, top)
    for margin in DOSE_MARGINS:
        dose = top.dose * (1.0 - margin) if top.dose > FEASIBLE * dose_atom.unit else 0.0
        start = None if top.proof is None else top.proof.start
        answer = _minimise(program.at_dose(dose), box, dose, tolerance, engine, start)
        if answer.status == "optimal":
            return answer
    # There are weights with the dose, so what failed is only the search for the cheapest.
    return Answer("inaccurate", box.clip(top.w), top.dose, highest, box, top)


def _highest(program: NormalProgram, box: Box, tolerance: float, engine: Engine) -> EngineResult:
    """Find the largest dose, of many units by passes over the data.

    Of few, cones find it to more digits, which the second stage needs at the very end of a dose.
    """
    if program.n * len(program.constraints) > SMALL:
        result = solve_structured(program, box, tolerance)
        if result is not None and (result.verdict is Verdict.INFEASIBLE or _proven(result)):
            return result
    return _judged(program, box, tolerance, engine)


def _minimise(
    program: NormalProgram,
    box: Box,
    dose: float,
    tolerance: float,
    engine: Engine,
    start: Vector | None = None,
) -> Answer:
    small = program.n * len(program.constraints) <= SMALL
    if not small or quadratic_cost(program.cost, program.n) is None:
        made = _streamed(program, box, dose, tolerance, start)
        if made is not None:
            return made
    problem = quadratic(program)
    exact = _exactly(program, box, problem) if problem is not None else decide(program, box)
    if exact is Finding.INFEASIBLE:
        return Answer("infeasible", None, dose, program, box, None)
    if isinstance(exact, EngineResult):
        return Answer("optimal", box.clip(exact.w), dose, program, box, exact)
    result = _judged(program, box, tolerance, engine)
    if result.verdict in (Verdict.INFEASIBLE, Verdict.UNBOUNDED):
        return Answer(_status(result.verdict), None, dose, program, box, result)
    if problem is not None:
        guess = guess_of(problem, box, result)
        better = refine(program, box, problem, guess, result.iterations)
        if better is not None:
            return Answer("optimal", box.clip(better.w), dose, program, box, better)
    w = polish(program, box, result)
    return Answer(_status(result.verdict), w, dose, program, box, result)


def _streamed(
    program: NormalProgram, box: Box, dose: float, tolerance: float, start: Vector | None
) -> Answer | None:
    """Solve by passes over the data, None where that does not come to an answer."""
    cost = quadratic_cost(program.cost, program.n)
    begin = cost[0] * start if cost is not None and start is not None else None
    result = solve_structured(program, box, tolerance, begin)
    if result is None:
        return None
    if result.verdict is Verdict.INFEASIBLE:
        return Answer("infeasible", None, dose, program, box, result)
    if not _proven(result):
        return None
    w = result.w
    np.copyto(w, box.upper, where=result.at_upper)
    np.copyto(w, box.lower, where=result.at_lower)
    return Answer("optimal", w, dose, program, box, result)


def _proven(result: EngineResult) -> bool:
    """Tell whether the proof of a result closes."""
    proof = result.proof
    if proof is None:
        return False
    size = max(result.cost_unit, abs(proof.primal_cost))
    return proof.worst <= NEARLY and abs(proof.primal_cost - proof.dual_cost) <= CLOSED * size


def _exactly(program: NormalProgram, box: Box, problem: Quadratic) -> EngineResult | Finding:
    """Try the exact methods for quadratic programs: an active set, first cold, then by the dual."""
    result = refine(program, box, problem, cold_guess(problem, box))
    if result is not None:
        return result
    top = climb(problem, box)
    if top.finding is Finding.FEASIBLE:
        result = refine(program, box, problem, top.guess, top.passes)
    return result if result is not None else judge(problem, box, top)


def _status(verdict: Verdict) -> str:
    return "inaccurate" if verdict is Verdict.DOUBTFUL else verdict.value


def _judged(program: NormalProgram, box: Box, tolerance: float, engine: Engine) -> EngineResult:
    """Run the engine, and where it does not vouch for its answer find out what holds."""
    result = engine(program, box, tolerance)
    if result.verdict is Verdict.OPTIMAL or result.verdict is Verdict.INFEASIBLE:
        return result
    if result.verdict is Verdict.UNBOUNDED:
        plain = engine(attrs.evolve(program, cost=REGULAR), box, tolerance)
        return plain if plain.verdict is Verdict.INFEASIBLE else result
    if _good(program, box, result):
        return attrs.evolve(result, verdict=Verdict.OPTIMAL)
    relaxed = elastic(program, box, tolerance, engine)
    if relaxed.verdict is Verdict.OPTIMAL and relaxed.dual_cost > FEASIBLE:
        return attrs.evolve(relaxed, verdict=Verdict.INFEASIBLE)
    again = engine(program, box, 100.0 * tolerance)
    good = again.verdict is Verdict.OPTIMAL or _good(program, box, again)
    return attrs.evolve(again, verdict=Verdict.OPTIMAL) if good else again


def _good(program: NormalProgram, box: Box, result: EngineResult) -> bool:
    """Tell whether a point is feasible and within 1e-6 of the dual bound all the same."""
    if not np.all(np.isfinite(result.x)):
        return False
    w = result.w
    outside = float(np.max(np.maximum(box.lower - w, w - box.upper), initial=0.0))
    worst = max(
        (violation(c, w, result.dose) / size_of(c) for c in program.constraints), default=0.0
    )
    cost = float(total(program.cost, w, result.dose)[0])
    gap = abs(cost - result.dual_cost) / max(result.cost_unit, abs(cost))
    return outside <= NEARLY and worst <= NEARLY and gap <= NEARLY


def elastic(program: NormalProgram, box: Box, tolerance: float, engine: Engine) -> EngineResult:
    """Minimise the largest violation of the constraints within the box; always feasible.

    The dual cost of the result is the violation, in units of each constraint's size; its
    multipliers, one array per constraint of `program`, are a Farkas ray where that is positive.
    """
    excess = Dose("excess")
    loose: list[NormalConstraint] = []
    for constraint in program.constraints:
        if is_bound(constraint):
            loose.append(constraint)
            continue
        give = (-size_of(constraint), excess)
        up = attrs.evolve(constraint, terms=(*constraint.terms, give), equality=False)
        loose.append(up)
        if constraint.equality:
            loose.append(_negated(up, constraint, give))
    wide = attrs.evolve(program, constraints=tuple(loose), cost=((1.0, excess),))
    result = engine(wide, box_of(wide), tolerance)
    return attrs.evolve(result, multipliers=_folded(program, result))


def _negated(
    up: NormalConstraint, constraint: NormalConstraint, give: tuple[float, Dose]
) -> NormalConstraint:
    terms = tuple((-c, atom) for c, atom in constraint.terms)
    constant = -np.asarray(constraint.constant, dtype=np.float64)
    return attrs.evolve(up, terms=(*terms, give), constant=constant, target=-constraint.target)


def _folded(program: NormalProgram, result: EngineResult) -> tuple[Vector, ...]:
    folded: list[Vector] = []
    rest = iter(result.multipliers)
    for constraint in program.constraints:
        own = next(rest)
        split = constraint.equality and not is_bound(constraint)
        folded.append(own - next(rest) if split else own)
    return tuple(folded)
