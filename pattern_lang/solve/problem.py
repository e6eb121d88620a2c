"""`WeightProgram`: the solver alone, on your own response matrix."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import attrs
import numpy as np
from attrs import define, field, frozen
from numpy.typing import ArrayLike, NDArray

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.verdicts import NotConvex, UnusableResponse
from pattern_lang.ir import program as ir
from pattern_lang.ir.noise import Noise
from pattern_lang.solve import constraints as given
from pattern_lang.solve.certificate import certify
from pattern_lang.solve.constraints import Constraint, Maximize, Objective, Row, SumSquares
from pattern_lang.solve.dependence import Dependent, dependent
from pattern_lang.solve.halving import halves_of, stderr_of
from pattern_lang.solve.infeasible import conflict, fraction
from pattern_lang.solve.nearest import Aim, nearest
from pattern_lang.solve.normal import Affine, NormalConstraint, NormalProgram, Square, Terms, Vector
from pattern_lang.solve.normalise import Context, check_number, normalise, refuse
from pattern_lang.solve.optimize import Answer, optimize
from pattern_lang.solve.prices import Final
from pattern_lang.solve.recession import direction
from pattern_lang.solve.relax import least_give
from pattern_lang.solve.response import Response, RowOf
from pattern_lang.solve.rewrite import UnsupportedError
from pattern_lang.solve.rules import prices_of
from pattern_lang.solve.structured.proof import Rule
from pattern_lang.solve.threads import one_thread_each

ACCEPTED = 1e-5


@frozen(eq=False)
class Stuck:
    """A program without a solution: as it was made, in standard form, its clash, and its aims.

    goals: the constraints that ask for shifts, and `aims` the same again, in lengths of rows.
    """

    program: NormalProgram
    standard: NormalProgram
    clash: tuple[int, ...]
    goals: frozenset[int]
    aims: tuple[Aim, ...]


@define(frozen=True, slots=False, eq=False)
class WeightSolution:
    """The answer to a `WeightProgram`; arrays are None where there is no point.

    status: `optimal`, `infeasible`, `unbounded` or `inaccurate`. weights: (n,) float64, inside
    the bounds exactly. shift: (m,) predicted shifts of all rows. stderr: (m,) their standard
    errors, if the program was built with any. objective: its value, in the sense it was written.
    dose: t of `Along`, otherwise 1; when infeasible the largest fraction of the targets of
    `Equal`, `AtLeast` and `AtMost` that is feasible (None when none is). duals: one number per
    constraint, how fast the objective worsens as its limits tighten by one (>= 0), or as the
    right side of an equality rises. conflict: numbers of the constraints in a minimal clashing
    set; `len(constraints)` stands for an added `Mean(1)`. passes: over the response, or
    iterations of an engine that makes none. crossed, crossed_stderr: (m,) shifts of all rows that
    weights chosen on one half of the draws cause by the other half, averaged over both ways, and
    their standard errors; None where the program knows no halves (see `WeightProgram`).

    Without a point three more questions are answered when they are asked: `relaxations`, `nearest`
    and `direction`.
    """

    status: str
    weights: Vector | None
    shift: Vector | None
    stderr: Vector | None
    objective: float | None
    dose: float | None
    duals: Vector | None
    certificate: dict[str, Any]
    passes: int
    conflict: tuple[int, ...] = ()
    crossed: Vector | None = None
    crossed_stderr: Vector | None = None
    origin: Answer | Rule | None = field(default=None, repr=False)
    stuck: Stuck | None = field(default=None, repr=False)

    @cached_property
    def rule(self) -> Rule | None:
        """Return the rule that the weights follow, None where they depend on more than the rows.

        `rule.weights(columns)` are weights (k,) for units that were not in the program, from their
        columns (m, k) of the response; with groups, `rule.weights(columns, codes)`. Bounds hold for
        them; what adds up over units holds for the units of the program.
        """
        return prices_of(self.origin) if isinstance(self.origin, Answer) else self.origin

    @cached_property
    def relaxations(self) -> dict[int, float]:
        """Return by how much single constraints of the conflict would have to give way.

        Each number is enough by itself: the limits of that constraint moved outwards by it, an
        equality turned into a range of that half-width. Constraints that could be dropped
        without a solution appearing are left out.
        """
        if self.stuck is None or self.status != "infeasible":
            return {}
        with one_thread_each():
            found = {owner: least_give(self.stuck.program, owner) for owner in self.stuck.clash}
        return {owner: give.amount for owner, give in found.items() if give is not None}

    @cached_property
    def nearest(self) -> Vector | None:
        """Return weights (n,) that satisfy everything but the targets, and miss these least.

        The targets are those of `Equal`, `AtLeast`, `AtMost` and `Between`; misses are measured in
        lengths of their rows, and the sum of their squares is least. None where all else clashes.
        """
        if self.stuck is None or self.status != "infeasible":
            return None
        with one_thread_each():
            return nearest(self.stuck.program, self.stuck.goals, self.stuck.aims)

    @cached_property
    def direction(self) -> Vector | None:
        """Return where weights of an unbounded program run to, (n,), largest entry 1 in size."""
        if self.stuck is None or self.status != "unbounded":
            return None
        with one_thread_each():
            return direction(self.stuck.standard)


def _tuple(constraints: Iterable[Constraint]) -> tuple[Constraint, ...]:
    return tuple(constraints)


def _shape(numbers: Any) -> tuple[int, ...]:
    if isinstance(numbers, Noise):
        return numbers.loadings.shape[1], numbers.units
    return tuple(np.shape(numbers))


def _matrix(chi: ArrayLike) -> NDArray[Any]:
    """Return an array of real numbers; raises PatternError where it cannot be one."""
    try:
        array = chi if isinstance(chi, np.ndarray) else np.asarray(chi)
        return array if array.dtype.kind in "fiub" else array.astype(np.float64, casting="safe")
    except (TypeError, ValueError):
        pass
    try:
        if np.asarray(chi).dtype.kind == "O":
            return np.asarray(chi).astype(np.float64)
        what = f"the response holds {np.asarray(chi).dtype} values, not real numbers"
    except (TypeError, ValueError) as error:
        what = f"the response is no matrix of numbers: {error}"
    raise PatternError([UnusableResponse(what=what)])


def _ends(constraint: Constraint) -> tuple[float, float] | None:
    """Return the range that a constraint asks of its row, None for one that asks for no shift."""
    match constraint:
        case given.Equal(_, value):
            return value, value
        case given.Between(_, lower, upper):
            return lower, upper
        case given.AtLeast(_, value):
            return value, np.inf
        case given.AtMost(_, value):
            return -np.inf, value
        case _:
            return None


def _objective() -> Objective:
    return SumSquares()


@frozen(eq=False)
class WeightProgram:
    """Choose w (n,): minimise an objective under constraints on w and on `r = β χ (w - 1)`.

    response: (m, n): an array, a memory map, the path of a safetensors file or any source with
    `shape` and `block(columns)`; read in blocks of columns, so it may be larger than memory, and
    where it is float32, what is summed is summed in float64. `beta` multiplies it.
    names: (m,) of the rows. stderr: (m, n) standard errors of the response's entries before
    `beta`, or (S, m, n) replicates of it, or a `pattern_lang.ir.noise.Noise`, which carry the
    errors that units share; entries alone are taken as independent, which understates the noise
    of χ. halves: two responses (m, n) from separate draws, for cross-fitted predictions; from four
    replicates on, their halves serve as well. groups: (n,) labels for `Mass`.
    """

    response: Any
    constraints: tuple[Constraint, ...] = field(converter=_tuple, default=())
    objective: Objective = field(factory=_objective)
    names: tuple[str, ...] | None = None
    beta: float = 1.0
    stderr: Any = None
    groups: Any = None
    halves: Any = None
    source: Response = field(init=False, repr=False)

    @source.default
    def _made(self) -> Response:
        return Response.of(self.response)

    @classmethod
    def build(
        cls,
        chi: ArrayLike,
        stderr: ArrayLike | Noise | None = None,
        beta: float = 1.0,
        groups: ArrayLike | None = None,
        names: tuple[str, ...] | list[str] | None = None,
        halves: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> "WeightProgram":
        """Return a program without constraints on a susceptibility matrix chi (m, n).

        Raises PatternError where shapes do not fit.
        """
        array = _matrix(chi)
        known = tuple(names) if names is not None else None
        program = cls(array, names=known, beta=beta, stderr=stderr, groups=groups, halves=halves)
        program.check()
        return program

    def subject_to(self, *constraints: Constraint) -> "WeightProgram":
        """Return this program with more constraints."""
        return attrs.evolve(self, constraints=(*self.constraints, *constraints))

    def minimizing(self, objective: Objective) -> "WeightProgram":
        """Return this program with another objective."""
        return attrs.evolve(self, objective=objective)

    @property
    def n(self) -> int:
        """Return the number of units."""
        return self.source.shape[1]

    def check(self) -> None:
        """Raise PatternError where the response or the names are not usable."""
        shape = tuple(np.shape(self.response)) or self.source.shape
        what = None
        if len(shape) != 2 or shape[1] == 0:
            what = f"the response has shape {shape}, not (rows, units)"
        elif self.names is not None and len(self.names) != shape[0]:
            what = f"{len(self.names)} names for {shape[0]} rows"
        elif self.names is not None and len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            what = f"two rows are named {twice!r}"
        elif not np.isfinite(self.beta):
            what = f"beta is {self.beta}"
        elif self.stderr is not None and _shape(self.stderr)[-2:] != shape:
            what = f"stderr has shape {_shape(self.stderr)} beside a response of shape {shape}"
        elif self.halves is not None and [_shape(half) for half in self.halves] != [shape, shape]:
            own = " and ".join(str(_shape(half)) for half in self.halves)
            what = f"halves have shapes {own} beside a response of shape {shape}"
        elif self.groups is not None and np.shape(self.groups) != (shape[1],):
            what = f"groups have shape {np.shape(self.groups)}, not ({shape[1]},)"
        if what is not None:
            raise PatternError([UnusableResponse(what=what)])

    def row(self, row: Row) -> Vector:
        """Return β times a named or numbered row, (n,); raises PatternError."""
        return self._stored(row).read()

    def _stored(self, row: Row) -> RowOf:
        index = self._index(row)
        if not np.isfinite(self.source.survey()[index]):
            bad = np.flatnonzero(~np.isfinite(self.source.read(index)))
            what = f"the numbers of row {row!r} of the response are too large to be squared"
            if bad.size:
                what = f"row {row!r} of the response is not finite, first at unit {int(bad[0])}"
            raise PatternError([UnusableResponse(what=what)])
        self._check_stderr(row, index)
        return RowOf(self.source, index, self.beta)

    def _check_stderr(self, row: Row, index: int) -> None:
        if not isinstance(self.stderr, np.ndarray | list | tuple):
            return
        own = np.asarray(self.stderr)[..., index, :]
        if not np.all(np.isfinite(own)) or (own.ndim == 1 and np.any(own < 0)):
            what = f"the standard errors of row {row!r} are not all finite and at least 0"
            raise PatternError([UnusableResponse(what=what)])

    def _index(self, row: Row) -> int:
        if isinstance(row, str):
            if self.names is None or row not in self.names:
                raise refuse(row, f"no row is named {row!r}")
            return self.names.index(row)
        rows = self.source.shape[0]
        if isinstance(row, bool) or not isinstance(row, int | np.integer):
            raise refuse(row, f"{row!r} is neither the number of a row nor its name")
        if not 0 <= row < rows:
            raise refuse(row, f"there is no row {row} of {rows}")
        return int(row)

    def solve(self, tol: float = 1e-8) -> WeightSolution:
        """Solve to a relative tolerance; raises PatternError for numbers that cannot be used."""
        with one_thread_each():
            return self._solved(tol)

    def _solved(self, tol: float) -> WeightSolution:
        self.check()
        if not 0.0 <= tol < 1.0:
            raise refuse(self, f"the tolerance is {tol}, not between 0 and 1")
        solution = self._solution(self._optimized(tol))
        return self._crossed(solution, tol) if solution.status == "optimal" else solution

    def _crossed(self, solution: WeightSolution, tol: float) -> WeightSolution:
        """Add what each half of the draws says of the weights that the other half gives."""
        parts = halves_of(self.source, self.halves, self.stderr)
        if parts is None:
            return solution
        pair = [attrs.evolve(self, response=r, stderr=e, halves=None) for r, e in parts]
        answers = [half._optimized(tol) for half in pair]
        if answers[0].status != "optimal" or answers[1].status != "optimal":
            return solution
        shifts, errors = [], []
        for half, answer in zip(pair, reversed(answers), strict=True):
            assert answer.w is not None
            x = answer.w - 1.0
            rows = range(half.source.shape[0])
            shifts.append(self.beta * np.array([half.source.read(row) @ x for row in rows]))
            errors.append(half._stderr(answer.w))
        known = errors[0] is not None and errors[1] is not None
        crossed_stderr = 0.5 * np.linalg.norm(errors, axis=0) if known else None  # type: ignore[arg-type]
        return attrs.evolve(
            solution, crossed=np.mean(shifts, axis=0), crossed_stderr=crossed_stderr
        )

    def _optimized(self, tol: float) -> Answer:
        program = self._normal()
        try:
            return optimize(program, tol)
        except UnsupportedError as error:
            raise PatternError([NotConvex(source="WeightProgram", why=str(error))]) from None

    def _normal(self) -> NormalProgram:
        context = Context(self.n, self._stored, self.groups)
        made: list[NormalConstraint] = []
        for owner, constraint in enumerate(self._with_mean()):
            made.extend(attrs.evolve(c, owner=owner) for c in normalise(constraint, context))
        conserved = any(isinstance(c, given.Mean) and c.value == 1.0 for c in self._with_mean())
        return NormalProgram(self.n, tuple(made), self._cost(), conserved)

    def _with_mean(self) -> tuple[Constraint, ...]:
        needs = any(isinstance(c, given.EffectiveSampleSize | given.KL) for c in self.constraints)
        has = any(isinstance(c, given.Mean) for c in self.constraints)
        return (*self.constraints, given.Mean(1.0)) if needs and not has else self.constraints

    def _cost(self) -> Terms:
        soft: Terms = tuple(
            (c.penalty, Square(self._stored(c.row), c.target))
            for c in self.constraints
            if isinstance(c, given.Soft)
        )
        if isinstance(self.objective, SumSquares):
            return ((1.0, ir.SumSquares(1.0, -1.0)), *soft)
        return (*self._combination(self.objective), *soft)

    def _combination(self, objective: Maximize) -> Terms:
        rows = objective.rows
        chosen = dict(rows) if isinstance(rows, Mapping) else {rows: 1.0}
        for row, number in chosen.items():
            check_number(objective, f"the coefficient of row {row!r}", number)
        return tuple((-c, Affine(self._stored(row))) for row, c in chosen.items())

    def _solution(self, answer: Answer) -> WeightSolution:
        passes = answer.result.iterations if answer.result is not None else 0
        if answer.w is None:
            stuck = answer.status == "infeasible"
            clash = conflict(answer) if stuck else ()
            return WeightSolution(
                status=answer.status,
                weights=None,
                shift=None,
                stderr=None,
                objective=None,
                dose=fraction(answer.program) if stuck else None,
                duals=None,
                certificate={},
                passes=passes,
                conflict=clash,
                stuck=self._stuck(answer, clash),
            )
        proof = answer.result.proof if answer.result is not None else None
        certificate = certify(answer, answer.w)
        good = answer.status == "optimal" and certificate.worst <= ACCEPTED
        cost = certificate.primal_cost
        shift, stderr = self._shift(answer), self._stderr(answer.w)
        figures = certificate.figures()
        if stderr is not None:
            figures["row_violation_stderrs"] = self._violation(shift, stderr)
        return WeightSolution(
            status="optimal" if good else "inaccurate",
            weights=answer.w,
            shift=shift,
            stderr=stderr,
            objective=-cost if isinstance(self.objective, Maximize) else cost,
            dose=answer.dose,
            duals=self._duals(Final(answer.w, answer)),
            certificate=figures,
            passes=passes,
            origin=answer if proof is None else proof.rule,
        )

    def _stuck(self, answer: Answer, clash: tuple[int, ...]) -> Stuck:
        aims: dict[int, Aim] = {}
        for owner, constraint in enumerate(self.constraints):
            ends = _ends(constraint)
            if ends is not None:
                row = self._stored(constraint.row)  # type: ignore[union-attr]
                aims[owner] = Aim(row, *ends, row.length or 1.0)
        goals, wanted = frozenset(aims), tuple(aims.values())
        return Stuck(self._normal(), answer.program, clash, goals, wanted)

    def dependent_rows(self) -> tuple[Dependent, ...]:
        """Return the rows of the constraints that repeat those before them; one pass.

        Rows count as they stand; where the mean of the weights is fixed, up to a constant.
        """
        named = [c.row for c in self.constraints if hasattr(c, "row")]
        along = [row for c in self.constraints if isinstance(c, given.Along) for row in c.rows]
        order = [self._index(row) for row in (*named, *along)]
        gram, sums = self.source.products()
        if any(isinstance(c, given.Mean) for c in self._with_mean()):
            gram = gram - np.outer(sums, sums) / self.n
        return dependent(gram, order)

    def _shift(self, answer: Answer) -> Vector:
        assert answer.w is not None
        proof = answer.result.proof if answer.result is not None else None
        sums = np.full(self.source.shape[0], np.nan)
        if proof is not None and proof.rows.size == sums.size:
            sums = proof.rows.copy()
        for row in np.flatnonzero(np.isnan(sums)).tolist():
            sums[row] = self.source.read(row) @ (answer.w - 1.0)
        return np.asarray(self.beta * sums)

    def _violation(self, shift: Vector, stderr: Vector) -> float:
        """Return the largest violation of a row in standard errors of its shift."""
        worst = 0.0
        for constraint in self.constraints:
            ends = _ends(constraint)
            if ends is not None:
                row = self._index(constraint.row)  # type: ignore[union-attr]
                miss = max(ends[0] - shift[row], shift[row] - ends[1], 0.0)
                worst = max(worst, float(miss / stderr[row]) if stderr[row] > 0 else 0.0)
        return worst

    def _stderr(self, w: Vector) -> Vector | None:
        found = stderr_of(self.stderr, w - 1.0)
        return None if found is None else np.asarray(abs(self.beta) * found)

    def _duals(self, final: Final) -> Vector:
        return np.asarray([self._dual(i, c, final) for i, c in enumerate(self.constraints)])

    def _dual(self, owner: int, constraint: Constraint, final: Final) -> float:
        prices = final.prices(owner)
        match constraint:
            case given.Soft(row, target, penalty):
                miss = float(self.row(row) @ (final.w - 1.0)) - target
                return -2.0 * penalty * miss
            case given.Along(_, direction):
                return float(sum(p * c for p, c in zip(prices, direction, strict=True)))
            case given.Between(_, lower, upper) if lower == upper:
                return abs(prices[0])
            case _:
                return float(sum(prices))
