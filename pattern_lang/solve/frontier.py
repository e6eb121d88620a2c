"""The frontier: dose against effective sample size and risk, everything else as it stands.

The dose is the share of what all goals ask for, or the t of a `move` without `by`. Each point is
the program solved again at its dose, from the prices of the point before: these grow in
proportion to the dose as long as nothing new binds.
"""

from collections.abc import Callable

import attrs
import numpy as np
from attrs import frozen

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.verdicts import NothingToTrade
from pattern_lang.ir.program import Reliable, WeightPattern
from pattern_lang.ir.solution import Frontier, FrontierPoint, Solution
from pattern_lang.ir.susceptibility import Estimate
from pattern_lang.solve.assemble import TOLERANCE, program_of
from pattern_lang.solve.crossfit import policy_of
from pattern_lang.solve.estimated import Estimated
from pattern_lang.solve.infeasible import fraction
from pattern_lang.solve.normal import NormalProgram, Vector
from pattern_lang.solve.optimize import Answer, optimize
from pattern_lang.solve.rewrite import standard
from pattern_lang.solve.soften import soften
from pattern_lang.solve.statements import Ask, Statement, statements_of
from pattern_lang.solve.threads import one_thread_each
from pattern_lang.solve.values import effective_sample_size, total

STEPS = 12
# With the dose of the solution itself.
MOST_POINTS = STEPS + 2
# Shares of what was asked beyond which no one looks.
FURTHEST = 3.0
# At the end of a path there is no room; weights a little before it are looked for.
MARGINS = (1e-6, 1e-5, 1e-4, 1e-3)
SAME = 1e-6
ACTIVE = frozenset({"shift", "raise", "lower", "move"})


def with_frontier(
    pattern: WeightPattern,
    estimate: Estimate,
    solution: Solution,
    step: Callable[[], None] = lambda: None,
) -> Solution:
    """Return a solution with its frontier; without it where there are no weights at any dose.

    step: called after each of at most `MOST_POINTS` points. Raises PatternError where the pattern
    asks for no shift.
    """
    with one_thread_each():
        data = Estimated(estimate)
        path = _path(pattern, data, solution)
        largest = path.largest(solution)
        if largest is None or largest <= 0:
            return solution
        found = _drawn(path, solution, largest, step)
    return attrs.evolve(solution, frontier=found)


@frozen(eq=False)
class Path:
    """A program at any dose. free: the dose is that of a `move` without `by`."""

    pattern: WeightPattern
    data: Estimated
    statements: tuple[Statement, ...]
    program: NormalProgram
    policy: Reliable | None

    @property
    def free(self) -> bool:
        """Tell whether the dose is that of a `move` without `by`."""
        return self.program.has_dose

    @property
    def observables(self) -> tuple[str, ...]:
        """Return the observables that goals ask to move."""
        return tuple(dict.fromkeys(ask.observable for ask in _moving(self.statements)))

    def largest(self, solution: Solution) -> float | None:
        """Return the largest dose up to the furthest that is looked at; None where there is none.

        As a share of what was asked, or as the t of a `move`.
        """
        if self.free:
            return solution.dose if solution.weights is not None else None
        share = fraction(standard(_scaled(self.program, FURTHEST)))
        return None if share is None else FURTHEST * share

    def at(self, dose: float, before: Answer | None, dose_before: float) -> Answer | None:
        """Return the answer at a dose, None where there are no weights; starts from another."""
        program = self.program.at_dose(dose) if self.free else _scaled(self.program, dose)
        start = _start(before, dose / dose_before if dose_before > 0 else 0.0)
        answer = optimize(program, TOLERANCE, start=start)
        if answer.status != "optimal":
            return None
        if self.policy is None or dose == 0:
            return answer
        statements = self.statements
        if self.free:
            answer = attrs.evolve(answer, dose=dose)
        else:
            statements = tuple(_asking(s, dose) for s in statements)
        found = soften(program, statements, self.data, answer, self.policy, TOLERANCE)
        return answer if found is None else found.answer

    def point(self, dose: float, answer: Answer) -> FrontierPoint:
        """Return what the weights of an answer cost and promise."""
        assert answer.w is not None
        w = answer.w
        sign = -1.0 if self.pattern.objective.sense == "maximize" else 1.0
        stderrs = [self.data.stderr({name: 1.0}, w) for name in self.observables]
        return FrontierPoint(
            dose=dose,
            ess=effective_sample_size(w),
            objective=sign * float(total(self.program.cost, w, dose)[0]),
            predicted=tuple(
                float(self.data.row(name).read() @ (w - 1.0)) for name in self.observables
            ),
            stderr=tuple(np.nan if error is None else error for error in stderrs),
        )


def _path(pattern: WeightPattern, data: Estimated, solution: Solution) -> Path:
    statements = statements_of(pattern, data)
    if not _moving(statements):
        raise PatternError(
            [
                NothingToTrade(
                    span=pattern.origin,
                    pattern=pattern.name,
                    why="none of its goals asks for a shift other than 0",
                    advice="ask for one with `shift`, `raise`, `lower` or `move`, or leave out "
                    "`--frontier`",
                )
            ]
        )
    program = program_of(pattern, statements, data)
    return Path(pattern, data, statements, program, policy_of(pattern, solution))


def _moving(statements: tuple[Statement, ...]) -> tuple[Ask, ...]:
    return tuple(
        ask for s in statements if s.kind in ACTIVE for ask in s.asks if ask.lower or ask.upper
    )


def _drawn(path: Path, solution: Solution, largest: float, step: Callable[[], None]) -> Frontier:
    points: list[FrontierPoint] = []
    before: Answer | None = None
    for dose in _doses(path, solution, largest):
        answer, reached = _reached(path, dose, before, points[-1].dose if points else 0.0)
        step()
        if answer is not None:
            points.append(path.point(reached, answer))
            before = answer
    whole = not path.free and largest >= FURTHEST * (1.0 - SAME)
    susceptibility, names = path.data, path.observables
    return Frontier(
        kind="dose" if path.free else "fraction",
        observables=names,
        units=tuple(susceptibility.unit(name) for name in names),
        sd=tuple(susceptibility.sd(name) for name in names),
        points=tuple(points),
        chosen=_place(points, solution),
        largest=None if whole else largest,
    )


def _doses(path: Path, solution: Solution, largest: float) -> tuple[float, ...]:
    """Return the doses to solve at, rising, that of the solution among them."""
    doses = [largest * k / STEPS for k in range(STEPS + 1)]
    own = solution.dose
    if not path.free and own is not None and solution.weights is not None:
        doses = [dose for dose in doses if abs(dose - own) > SAME * own]
        doses.append(min(own, largest))
    return tuple(sorted(doses))


def _reached(
    path: Path, dose: float, before: Answer | None, dose_before: float
) -> tuple[Answer | None, float]:
    """Solve at a dose, or a little before it where it lies at the very end of what is feasible."""
    for margin in (0.0, *MARGINS):
        reached = dose * (1.0 - margin)
        answer = path.at(reached, before, dose_before)
        if answer is not None or dose == 0:
            return answer, reached
    return None, dose


def _place(points: list[FrontierPoint], solution: Solution) -> int | None:
    """Return which point has the dose of the solution."""
    if solution.weights is None or solution.dose is None or not points:
        return None
    off = [abs(point.dose - solution.dose) for point in points]
    place = int(np.argmin(off))
    return place if off[place] <= 2.0 * MARGINS[-1] * abs(solution.dose) else None


def _start(before: Answer | None, growth: float) -> Vector | None:
    proof = before.result.proof if before is not None and before.result is not None else None
    if proof is None or proof.start is None or not growth:
        return None
    return np.asarray(growth * proof.start)


def _scaled(program: NormalProgram, share: float) -> NormalProgram:
    scaled = tuple(attrs.evolve(c, target=share * c.target) for c in program.constraints)
    return attrs.evolve(program, constraints=scaled)


def _asking(statement: Statement, share: float) -> Statement:
    """Return a goal that asks for a share of its shift; `hold` and constraints are as they are."""
    if statement.kind not in ACTIVE:
        return statement
    asks = tuple(
        attrs.evolve(
            ask,
            lower=None if ask.lower is None else share * ask.lower,
            upper=None if ask.upper is None else share * ask.upper,
        )
        for ask in statement.asks
    )
    return attrs.evolve(statement, asks=asks)
