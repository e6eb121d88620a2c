"""From a pattern and its estimate to a solution, in the words of the source."""

from math import isfinite, nan
from typing import Any

import attrs
import numpy as np

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.verdicts import NotConvex, UnusableResponse
from pattern_lang.ir.program import Reliable, WeightPattern
from pattern_lang.ir.solution import GoalOutcome, Softening, Solution
from pattern_lang.ir.susceptibility import Estimate
from pattern_lang.solve.certificate import certify
from pattern_lang.solve.estimated import Estimated
from pattern_lang.solve.findings import below_noise
from pattern_lang.solve.infeasible import conflict, fraction
from pattern_lang.solve.normal import NormalProgram, Vector
from pattern_lang.solve.optimize import Answer, optimize
from pattern_lang.solve.outcomes import outcomes
from pattern_lang.solve.polish import near_faces
from pattern_lang.solve.prices import Final
from pattern_lang.solve.remedies import escape, nearest_outcomes, places_of, relaxations
from pattern_lang.solve.resolve import resolve
from pattern_lang.solve.rewrite import UnsupportedError, standard
from pattern_lang.solve.rounding import Weights, to_float32
from pattern_lang.solve.soften import HALF, Softened, System, directions_of, soften, system_of
from pattern_lang.solve.statements import Statement, statements_of
from pattern_lang.solve.threads import one_thread_each

TOLERANCE = 1e-9
# Residuals above this make an answer `inaccurate`, whatever the engine says.
ACCEPTED = 1e-5
# Equalities hold to this, relative to what was asked, after rounding to float32.
RELATIVE = 5e-7


def solve_pattern(pattern: WeightPattern, estimate: Estimate) -> Solution:
    """Decide the weights of a pattern; χ enters exactly as its float32 numbers.

    The weights are float32 with mean 1 within 1e-6, inside every bound exactly, and with
    equalities met to 1e-6 of what was asked as far as float32 allows. Raises PatternError where
    a statement cannot be served: no finite χ, no standard deviation, no such field, not convex.
    """
    with one_thread_each():
        return _solved(pattern, Estimated(estimate))


def _solved(pattern: WeightPattern, data: Estimated) -> Solution:
    _check(data)
    statements = statements_of(pattern, data)
    program = program_of(pattern, statements, data)
    hard = optimize(program, TOLERANCE)
    if hard.w is None:
        return _without_weights(hard, program, statements, data)
    exact = _with_weights(hard, statements, data)
    system = system_of(statements, data, hard) if hard.status == "optimal" else None
    if system is None:
        return exact
    exact = attrs.evolve(exact, goals=_with_shares(exact.goals, statements, system))
    below = below_noise(exact.goals)
    policy = pattern.reliable or (HALF if below else None)
    if policy is None:
        return exact
    found = soften(program, statements, data, hard, policy, TOLERANCE, system)
    return exact if found is None else _softened(found, policy, below, statements, data)


def _softened(
    found: Softened,
    policy: Reliable,
    below: tuple[GoalOutcome, ...],
    statements: tuple[Statement, ...],
    data: Estimated,
) -> Solution:
    asked = policy is not HALF
    system = found.system
    solution = _with_weights(found.answer, statements, data, found)
    return attrs.evolve(
        solution,
        goals=_with_shares(solution.goals, statements, system),
        softening=Softening(
            at=policy.at,
            rest=found.rest,
            asked=asked,
            directions=directions_of(system.asks, system.on_rows, system.reliability, data),
            count=system.reliability.size - found.kept,
            below=() if asked else below,
        ),
    )


def _with_shares(
    goals: tuple[GoalOutcome, ...],
    statements: tuple[Statement, ...],
    system: System,
) -> tuple[GoalOutcome, ...]:
    """Say of the goals in a system which share of what they ask for is signal."""
    shares = {id(ask): share for ask, share in zip(system.asks, system.shares, strict=True)}
    asks = (ask for statement in statements for ask in statement.asks)
    return tuple(
        attrs.evolve(goal, reliability=share if isfinite(share) else None)
        for goal, ask in zip(goals, asks, strict=True)
        for share in (float(shares.get(id(ask), nan)),)
    )


def answer_of(pattern: WeightPattern, data: Estimated, policy: Reliable | None) -> Answer:
    """Return the answer to a pattern, softened where there is a policy and weights to soften."""
    statements = statements_of(pattern, data)
    program = program_of(pattern, statements, data)
    answer = optimize(program, TOLERANCE)
    if policy is None or answer.status != "optimal":
        return answer
    found = soften(program, statements, data, answer, policy, TOLERANCE)
    return answer if found is None else found.answer


def program_of(
    pattern: WeightPattern, statements: tuple[Statement, ...], data: Estimated
) -> NormalProgram:
    """Return the normal program of a pattern; raises PatternError where it is not convex."""
    sign = -1.0 if pattern.objective.sense == "maximize" else 1.0
    objective = pattern.objective
    resolved = resolve(objective.expression, data, objective.origin)
    program = NormalProgram(
        n=data.n,
        constraints=tuple(c for s in statements for c in s.constraints),
        cost=tuple((sign * c, atom) for c, atom in resolved.terms),
    )
    problems = [
        NotConvex(span=s.origin, source=s.source, why=why)
        for s in statements
        if (why := _refusal(NormalProgram(data.n, s.constraints, ()))) is not None
    ]
    why = _refusal(NormalProgram(data.n, (), program.cost))
    if why is not None:
        problems.append(NotConvex(span=objective.origin, source=objective.source, why=why))
    if problems:
        raise PatternError(problems)
    return program


def _refusal(program: NormalProgram) -> str | None:
    try:
        standard(program)
    except UnsupportedError as error:
        return str(error)
    return None


def _check(data: Estimated) -> None:
    n = data.n
    what = None
    if n == 0:
        what = "there are no units to weigh"
    elif data.sizes.shape != (n,):
        what = f"χ is over {n} units, the unit table over {data.sizes.shape[0]}"
    elif not np.all(np.isfinite(data.sizes)) or np.any(data.sizes < 0):
        what = "the sizes of the units are not all finite and at least 0"
    if what is not None:
        raise PatternError([UnusableResponse(what=what)])


def _with_weights(
    answer: Answer,
    statements: tuple[Statement, ...],
    data: Estimated,
    softened: Softened | None = None,
) -> Solution:
    assert answer.w is not None
    assert answer.result is not None
    weights = _rounded(answer, answer.w)
    final = Final(weights.astype(np.float64), answer)
    certificate = certify(answer, final.w)
    accurate = answer.status == "optimal" and certificate.worst <= ACCEPTED
    goals, constraints = _outcomes(statements, data, final, answer.dose, softened)
    figures = certificate.figures()
    misses = [o.violation_in_stderr for o in (*goals, *constraints)]
    known = [miss for miss in misses if miss is not None]
    if known:
        figures["row_violation_stderrs"] = max(known)
    return Solution(
        status="optimal" if accurate else "inaccurate",
        weights=weights,
        dose=answer.dose,
        goals=goals,
        constraints=constraints,
        certificate=figures,
    )


def _without_weights(
    answer: Answer,
    program: NormalProgram,
    statements: tuple[Statement, ...],
    data: Estimated,
) -> Solution:
    goals, constraints = _outcomes(statements, data, None, None)
    figures: dict[str, Any] = {}
    if answer.result is not None:
        figures = {"iterations": answer.result.iterations, "solver": answer.result.name}
    infeasible = answer.status == "infeasible"
    clash = conflict(answer) if infeasible else ()
    return Solution(
        status=answer.status,
        weights=None,
        dose=fraction(answer.program) if infeasible else None,
        goals=goals,
        constraints=constraints,
        certificate=figures,
        conflict=places_of(clash, statements),
        relaxations=relaxations(program, clash, statements, data),
        nearest=nearest_outcomes(answer, program, statements, data) if infeasible else None,
        escape=escape(answer) if answer.status == "unbounded" else None,
    )


def _outcomes(
    statements: tuple[Statement, ...],
    data: Estimated,
    final: Final | None,
    dose: float | None,
    softened: Softened | None = None,
) -> tuple[Any, Any]:
    prices = {} if softened is None else softened.prices
    goals = [
        o
        for s in statements
        if s.is_goal
        for o in outcomes(s, data, final, dose, prices.get(s.number))
    ]
    others = [o for s in statements if not s.is_goal for o in outcomes(s, data, final, dose)]
    return tuple(goals), tuple(others)


def _rounded(answer: Answer, w: Vector) -> Weights:
    # Rounding may move a row by about 1e-7; what is nearer to its limit must not cross it.
    faces = near_faces(answer.program, w, 1e-5)
    # A target of zero is judged by the size of the whole change, and none by less than a
    # twentieth of what one step of the largest entry of its row does.
    step = 3e-9 * abs(faces.matrix).max(axis=1).toarray().reshape(-1)
    whole = 1e-7 * float(np.linalg.norm(w - 1.0)) + 1e-9
    asked = np.where(faces.right != 0, RELATIVE * np.abs(faces.right), whole)
    tolerance = np.maximum(asked, step)
    return to_float32(w, answer.box, faces.matrix, faces.right, tolerance)
