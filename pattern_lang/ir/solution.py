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
    """

    status: str
    weights: NDArray[np.float32] | None
    dose: float | None
    goals: tuple[GoalOutcome, ...]
    constraints: tuple[GoalOutcome, ...]
    certificate: dict[str, Any]
    conflict: tuple[int, ...] = ()
    directions: tuple[Direction, ...] = ()
    relaxations: tuple[Relaxation, ...] = ()
    nearest: Nearest | None = None
    escape: Escape | None = None
