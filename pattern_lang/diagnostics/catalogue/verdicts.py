"""What the solver says: no weights, weights not to trust, numbers it cannot use (PAT5xxx)."""

from typing import ClassVar

from attrs import field

from pattern_lang.diagnostics.model import Label, Problem, Severity, problem


@problem
class Infeasible(Problem):
    """Goals and constraints that cannot hold together."""

    code: ClassVar[str] = "PAT5001"
    title: ClassVar[str] = "no weights satisfy these goals and constraints"
    message: ClassVar[str] = "{reason}"
    label: ClassVar[str] = "{own}"
    help: ClassVar[str] = "{advice}"
    exit_status: ClassVar[int] = 3

    reason: str
    own: str
    advice: str
    others: tuple[Label, ...] = field(default=())
    facts: tuple[str, ...] = field(default=())

    def labels(self) -> tuple[Label, ...]:
        """Return the other statements of the clash."""
        return self.others

    def notes(self) -> tuple[str, ...]:
        """Return what else is known about the clash."""
        return self.facts


@problem
class Unbounded(Problem):
    """An objective, or a dose, that can improve for ever."""

    code: ClassVar[str] = "PAT5002"
    title: ClassVar[str] = "nothing limits the weights"
    message: ClassVar[str] = "{what} can improve for ever under these constraints"
    label: ClassVar[str] = "unlimited"
    help: ClassVar[str] = "add `require {bound}`, which bounds it"
    exit_status: ClassVar[int] = 3

    what: str
    how: str
    bound: str

    def notes(self) -> tuple[str, ...]:
        """Return where the weights run to."""
        return (self.how,)


@problem
class Inaccurate(Problem):
    """A program that the solver could not finish."""

    code: ClassVar[str] = "PAT5003"
    title: ClassVar[str] = "the solver did not reach its accuracy"
    message: ClassVar[str] = "the best weights found miss the optimality conditions by {residual}"
    help: ClassVar[str] = "loosen equalities into ranges (`hold ... within`), or bound the weights"
    exit_status: ClassVar[int] = 3

    residual: str


@problem
class BelowNoise(Problem):
    """A goal smaller than the noise of the estimate."""

    code: ClassVar[str] = "PAT5004"
    title: ClassVar[str] = "goal below the noise of the estimate"
    message: ClassVar[str] = (
        "the shift of `{observable}` that is asked for, {requested}, is lost in the noise of the "
        "estimate: the standard error of its prediction is {stderr}"
    )
    label: ClassVar[str] = "{ratio} standard errors, at least 2 are needed"
    help: ClassVar[str] = "{advice}"
    exit_status: ClassVar[int] = 4

    observable: str
    requested: str
    stderr: str
    ratio: str
    advice: str

    def notes(self) -> tuple[str, ...]:
        """Return why the obvious way out is none."""
        return ("a larger goal takes larger weights, whose noise is larger too",)


@problem
class NoMovement(Problem):
    """A `move` whose largest feasible dose is zero."""

    code: ClassVar[str] = "PAT5005"
    title: ClassVar[str] = "no movement is possible"
    message: ClassVar[str] = "the largest feasible dose is 0: {why}"
    label: ClassVar[str] = "dose 0"
    help: ClassVar[str] = "loosen the constraints, or move along another direction"
    severity: ClassVar[Severity] = Severity.WARNING

    why: str


@problem
class UnknownSpread(Problem):
    """An amount in `sd` of an observable whose standard deviation is zero or unknown."""

    code: ClassVar[str] = "PAT5006"
    title: ClassVar[str] = "no standard deviation to measure by"
    message: ClassVar[str] = (
        "the posterior standard deviation of `{observable}` is {sd}, so an amount in sd means "
        "nothing for it"
    )
    label: ClassVar[str] = "in sd"
    help: ClassVar[str] = "write the amount in {unit}, or leave this observable out"

    observable: str
    sd: str
    unit: str


@problem
class EmptyMass(Problem):
    """The mass of a set of units that has none to begin with."""

    code: ClassVar[str] = "PAT5007"
    title: ClassVar[str] = "mass of nothing"
    message: ClassVar[str] = "{what}, so its share cannot be held to a multiple of itself"
    label: ClassVar[str] = "no units here"
    help: ClassVar[str] = "check the predicate against the fields of the data"

    what: str


@problem
class UnusableResponse(Problem):
    """Susceptibilities that are not finite numbers of the right shape."""

    code: ClassVar[str] = "PAT5008"
    title: ClassVar[str] = "unusable susceptibilities"
    message: ClassVar[str] = "{what}"
    help: ClassVar[str] = "estimate again with a smaller step, or look at the chains' diagnostics"
    exit_status: ClassVar[int] = 4

    what: str


@problem
class UnusableField(Problem):
    """A row field that the units do not have, or that cannot be used so."""

    code: ClassVar[str] = "PAT5009"
    title: ClassVar[str] = "the units have no such field"
    message: ClassVar[str] = "{what}; the fields of the units are {known}"
    label: ClassVar[str] = "used here"
    help: ClassVar[str] = "use one of the fields, or add it to the data"

    what: str
    known: str


@problem
class NotConvex(Problem):
    """A constraint or an objective that is no convex program once its numbers are known."""

    code: ClassVar[str] = "PAT5010"
    title: ClassVar[str] = "not a convex program"
    message: ClassVar[str] = "`{source}`: {why}"
    label: ClassVar[str] = "not convex"
    help: ClassVar[str] = "bound convex expressions from above and concave ones from below"

    source: str
    why: str


@problem
class UnusableConstraint(Problem):
    """A constraint given from Python whose numbers do not fit the program."""

    code: ClassVar[str] = "PAT5011"
    title: ClassVar[str] = "a constraint that does not fit the program"
    message: ClassVar[str] = "{constraint}: {why}"
    help: ClassVar[str] = "see the shapes in the documentation of pattern_lang.solve"

    constraint: str
    why: str


@problem
class Repeated(Problem):
    """A goal on an observable that moves only as those of other goals do."""

    code: ClassVar[str] = "PAT5020"
    title: ClassVar[str] = "goals that repeat each other"
    message: ClassVar[str] = (
        "weights move `{observable}` only as they move other goals: "
        "its susceptibility is {combination}"
    )
    label: ClassVar[str] = "settled by the other goals"
    help: ClassVar[str] = "leave out this goal, or measure it where it differs from the others"
    severity: ClassVar[Severity] = Severity.WARNING

    observable: str
    combination: str
    others: tuple[Label, ...] = field(default=())

    def labels(self) -> tuple[Label, ...]:
        """Return the goals that settle it."""
        return self.others


@problem
class NotFollowed(Problem):
    """Directions of the goals that are mostly noise, and that the weights do not follow."""

    code: ClassVar[str] = "PAT5027"
    title: ClassVar[str] = "directions of the goals that are mostly noise"
    message: ClassVar[str] = "{count} {done}, {why}: reliable to less than {at}"
    label: ClassVar[str] = "the least reliable is {worst}: {reliability} of it is signal"
    help: ClassVar[str] = "{advice}"
    severity: ClassVar[Severity] = Severity.WARNING

    count: str
    done: str
    why: str
    at: str
    worst: str
    reliability: str
    advice: str


@problem
class NothingToTrade(Problem):
    """A frontier of a pattern that asks for no shift, or whose weights cannot be found at all."""

    code: ClassVar[str] = "PAT5028"
    title: ClassVar[str] = "nothing to trade"
    message: ClassVar[str] = "there is no frontier of `{pattern}`: {why}"
    label: ClassVar[str] = "no dose here"
    help: ClassVar[str] = "{advice}"

    pattern: str
    why: str
    advice: str


@problem
class NoRule(Problem):
    """Weights for new units, of a program whose weights depend on more than χ."""

    code: ClassVar[str] = "PAT5029"
    title: ClassVar[str] = "no rule for new units"
    message: ClassVar[str] = "these weights are no function of χ: {why}"
    help: ClassVar[str] = (
        "bounds, goals, `ess`, `mass(w, across: row.F)` and objectives that add up over units "
        "leave a rule"
    )

    why: str


@problem
class MostlyNoise(Problem):
    """A goal that weights would meet by following the noise of the estimate."""

    code: ClassVar[str] = "PAT5030"
    title: ClassVar[str] = "more noise than signal in a goal"
    message: ClassVar[str] = (
        "of the requested shift of `{observable}` only {share} is signal: weights that meet the "
        "goal follow the noise of the estimate for the rest"
    )
    label: ClassVar[str] = "less than half of this is signal"
    help: ClassVar[str] = (
        "estimate with more draws, or write `require reliable(50 %)` to follow signal only"
    )
    severity: ClassVar[Severity] = Severity.WARNING

    observable: str
    share: str
