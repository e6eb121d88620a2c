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
    clashing set. `certificate` holds KKT residuals and figures about w. `directions` are those of
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
