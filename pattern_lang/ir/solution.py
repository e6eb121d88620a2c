"""What the solver decided, in the words of the source."""

from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.diagnostics import Span


@frozen
class GoalOutcome:
    """One goal or constraint and what became of it, in the unit of the observable.

    `requested` is `(lower, upper)`, either side None where it is open. `predicted` is the
    predicted shift (for a constraint: the value of its left-hand side), `stderr` its standard
    error from the noise of χ (None for constraints on weights alone). `dual` is the shadow price:
    how fast the objective rises when the limit is tightened by one unit; 0 when it does not bind.
    `dual` and `predicted` are None where there is no solution. `crossed` and `crossed_stderr` are
    what weights chosen on one half of the draws are predicted to do by the other half, averaged
    over both ways (None where that is not known): the prediction without its optimism.
    `reliability` is the share of what was asked for that would be left if weights met it exactly:
    the rest is noise of χ that they follow (None for goals that do not bind, or without noise).
    `softened` marks a goal that is missed on purpose, as what it takes to meet it is mostly noise.
    """

    source: str
    kind: str
    observable: str | None
    unit: str
    requested: tuple[float | None, float | None]
    predicted: float | None
    stderr: float | None
    dual: float | None
    binding: bool
    in_sd: float | None = None
    crossed: float | None = None
    crossed_stderr: float | None = None
    origin: Span | None = None
    softened: bool = False
    reliability: float | None = None

    @property
    def violation(self) -> float | None:
        """Return how far the prediction lies outside of what was asked, 0 within it."""
        lower, upper = self.requested
        if self.predicted is None or (lower is None and upper is None):
            return None
        below = 0.0 if lower is None else lower - self.predicted
        above = 0.0 if upper is None else self.predicted - upper
        return max(below, above, 0.0)

    @property
    def violation_in_stderr(self) -> float | None:
        """Return the violation in standard errors of the prediction, None where none is known."""
        violation = self.violation
        if violation is None or not self.stderr:
            return None
        return violation / self.stderr


@frozen
class Relaxation:
    """The least change of one statement of a clash, alone, after which there are weights.

    `place` is its index into goals + constraints. `requested` is what the outcome there would say
    instead, in its unit: `(lower, upper)`, either side None where it is open; of several weights
    or groups that are to be equal to a number, a range around it. `amount` is how far the limit
    moves, and `relative` the same as a share of the limit (of the observable's standard deviation
    where the limit is 0; None where that is unknown).
    """

    place: int
    requested: tuple[float | None, float | None]
    amount: float
    relative: float | None


@frozen
class Nearest:
    """What is reached by the weights that miss the goals of an infeasible program least.

    They satisfy every constraint, and make the sum of the squared misses, each in standard
    deviations of its observable (in lengths of its row where that is unknown), as small as it can
    be. `goals` are the outcomes of the goals at these weights, `ess` their effective sample size as
    a share of the units, `most` the largest of them. They are no solution, and are not written.
    """

    goals: tuple[GoalOutcome, ...]
    ess: float
    most: float


@frozen
class Escape:
    """Where weights run to in an unbounded program, all at once and for ever.

    `rising` and `falling` count the units whose weights grow and shrink without end; `fastest` is
    the place of the one that does so most quickly. `bound` is a constraint, as it is written, that
    would stop them (None where none of the usual ones does).
    """

    rising: int
    falling: int
    fastest: int
    bound: str | None


@frozen
class Direction:
    """A combination of observables, and which share of a shift along it is signal, 0 to 1.

    `loadings`, of unit length, one for each of `observables`, are on rows of χ divided by their
    own lengths over the units.
    """

    reliability: float
    observables: tuple[str, ...]
    loadings: tuple[float, ...]


@frozen
class Softening:
    """Which directions of what the goals ask for the weights do not follow, and why.

    `at` is the reliability below which directions are `rest`: `soft` or `dropped`. `asked` says
    that the spec has `require reliable(…)`; otherwise some goal lies below the noise. `directions`
    are those of the goals that bind, most reliable first; the last `count` of them are not kept.
    `below` are the goals below the noise with weights that meet all goals.
    """

    at: float
    rest: str
    asked: bool
    directions: tuple[Direction, ...]
    count: int
    below: tuple[GoalOutcome, ...] = ()


@frozen
class FrontierPoint:
    """The weights of one dose: what they cost in effective sample size, and what they promise.

    dose: as in `Frontier`. ess: a share of n. objective: its value, in the sense it was written.
    predicted, stderr: of each observable of the frontier, in its own unit (NaN without noise).
    """

    dose: float
    ess: float
    objective: float
    predicted: tuple[float, ...]
    stderr: tuple[float, ...]


@frozen
class Frontier:
    """Dose against effective sample size and risk, all other statements as they stand.

    kind: `fraction`, the dose is the share of what all goals ask for; `dose`, it is the t of a
    `move` without `by`. observables: those of goals that ask for a shift, with their `units` and
    posterior standard deviations `sd` (None without one). points: from dose 0 on. chosen: the
    place of the solution's own dose among the points, None where it has no weights. largest: the
    largest dose that is feasible, None where the path ends before it.
    """

    kind: str
    observables: tuple[str, ...]
    units: tuple[str, ...]
    sd: tuple[float | None, ...]
    points: tuple[FrontierPoint, ...]
    chosen: int | None
    largest: float | None


@frozen(eq=False)
class Solution:
    """The answer to a weight program.

    `status` is `optimal`, `infeasible`, `unbounded` or `inaccurate`. `weights` (n,) float32 has
    mean 1, or is None without a solution. `dose` is the t of a `move` without `by`; otherwise 1
    when optimal, and when infeasible the largest common fraction of the targets that is feasible
    (None when no fraction is). `conflict` holds the indices into goals + constraints of a minimal
    clashing set, and `relaxations` how far each of its statements alone would have to give way,
    the least relative change first; those of which none is enough are left out. `nearest` is what
    the weights reach that miss the goals least (None where the constraints clash by themselves).
    `escape` says where the weights of an unbounded program run to.
    `certificate` holds KKT residuals and figures about w. `directions` are those of
    the goals' observables, most reliable first; none where the noise of χ is not known.
    `softening` says which of what the goals ask for is not followed; None when all of it is.
    `frontier` is there when it was asked for.
    """

    status: str
    weights: NDArray[np.float32] | None
    dose: float | None
    goals: tuple[GoalOutcome, ...]
    constraints: tuple[GoalOutcome, ...]
    certificate: dict[str, Any]
    conflict: tuple[int, ...] = ()
    directions: tuple[Direction, ...] = ()
    softening: Softening | None = None
    frontier: Frontier | None = None
    relaxations: tuple[Relaxation, ...] = ()
    nearest: Nearest | None = None
    escape: Escape | None = None
