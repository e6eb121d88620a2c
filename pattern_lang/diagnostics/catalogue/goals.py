"""PAT3xxx: goals and constraints that make no convex program."""

from pattern_lang.diagnostics.model import Label, Problem, problem
from pattern_lang.diagnostics.source import Span


@problem
class MissingReweight(Problem):
    """A pattern that does not say which data it re-weights."""

    code = "PAT3001"
    title = "no `reweight`"
    message = "pattern `{name}` does not say which data it re-weights"
    label = "needs exactly one `reweight`"
    help = "add `reweight DATA per sample as w`"

    name: str


@problem
class RepeatedStatement(Problem):
    """A statement that may stand once in a pattern or a study."""

    code = "PAT3002"
    title = "statement given twice"
    message = "{owner} takes one {what}, and this is another"
    label = "given again here"
    help = "keep one of the two"

    owner: str
    what: str
    first: Span

    def labels(self) -> tuple[Label, ...]:
        """Point at the first one."""
        return (Label(self.first, "first given here"),)


@problem
class NotConvex(Problem):
    """An expression in w that is neither convex nor concave."""

    code = "PAT3003"
    title = "not convex"
    message = "{fact}"
    label = "{curvature}"
    help = "{advice}"

    fact: str
    curvature: str
    advice: str


@problem
class WrongCurvature(Problem):
    """A convex expression where a concave one is needed, or the other way round."""

    code = "PAT3004"
    title = "not a convex constraint"
    message = "{fact}"
    label = "{curvature}"
    help = "{advice}"

    fact: str
    curvature: str
    advice: str


@problem
class StrictInequality(Problem):
    """`<`, `>` or `!=` on weights."""

    code = "PAT3005"
    title = "not a closed constraint"
    message = "{fact}"
    label = "uses `{operator}`"
    help = "{advice}"

    operator: str
    fact: str
    advice: str


@problem
class NotAConstraint(Problem):
    """`require` of something that says nothing about weights."""

    code = "PAT3006"
    title = "not a constraint"
    message = "`require` takes one comparison of the weights with something, but {found}"
    label = "{found}"
    help = "{advice}"

    found: str
    advice: str = "write a comparison with w in it, such as `0 <= w <= 4` or `ess(w) >= 50 %`"


@problem
class ContradictoryGoals(Problem):
    """Two goals that no shift can meet."""

    code = "PAT3007"
    title = "contradictory goals"
    message = "{fact}"
    label = "this cannot hold together with the other"
    help = "drop one of the two"

    fact: str
    first: Span

    def labels(self) -> tuple[Label, ...]:
        """Point at the other goal."""
        return (Label(self.first, "the other goal"),)


@problem
class NeverHolds(Problem):
    """A constraint that no weights can meet."""

    code = "PAT3008"
    title = "constraint can never hold"
    message = "{fact}"
    label = "can never hold"
    help = "{advice}"

    fact: str
    advice: str


@problem
class NegativeAmount(Problem):
    """A negative amount where the keyword already has the direction."""

    code = "PAT3009"
    title = "negative amount"
    message = "`{keyword}` takes an amount of at least zero, but this is {value}"
    label = "negative"
    help = "{advice}"

    keyword: str
    value: str
    advice: str


@problem
class NotTheReweightedData(Problem):
    """A free energy on data other than the re-weighted ones."""

    code = "PAT3010"
    title = "free energy of other data"
    message = "the free energy responds to weights only through the re-weighted data `{data}`"
    label = "of other data"
    help = "write `on: {data}`, or use `loss` or `llc(…, held: true)` for other data"

    data: str


@problem
class MoveLengths(Problem):
    """A direction with another length than the list of observables."""

    code = "PAT3011"
    title = "lengths differ"
    message = "{observables} and {numbers} do not make a direction"
    label = "{numbers}"
    help = "give one number for each observable"

    observables: str
    numbers: str


@problem
class NothingToCompile(Problem):
    """A file without a pattern that can be compiled as it is."""

    code = "PAT3012"
    title = "nothing to compile"
    message = "`{file}` declares no pattern that can be compiled as it is"
    help = "{advice}"

    file: str
    advice: str


@problem
class ZeroDirection(Problem):
    """A `move` along nothing."""

    code = "PAT3013"
    title = "direction is zero"
    message = "a `move` along zeros asks for nothing"
    label = "all zero"
    help = "give at least one number that is not zero"


@problem
class WrongUnitOfData(Problem):
    """`per X` with an X that does not exist, or a group without its field."""

    code = "PAT3014"
    title = "unknown unit of re-weighting"
    message = "{fact}"
    label = "expected token, sample or group row.FIELD"
    help = "{advice}"

    fact: str
    advice: str


@problem
class TooManyMoves(Problem):
    """Two doses to maximise at once."""

    code = "PAT3015"
    title = "two open doses"
    message = "only one `move` of a pattern can be without `by`: the largest dose is one number"
    label = "a second open dose"
    help = "give this one an amount with `by`"

    first: Span

    def labels(self) -> tuple[Label, ...]:
        """Point at the first open move."""
        return (Label(self.first, "the first one"),)


@problem
class AtomArgument(Problem):
    """A function of the weights with an argument that it cannot take."""

    code = "PAT3016"
    title = "argument of a function of the weights"
    message = "{fact}"
    label = "{short}"
    help = "{advice}"

    fact: str
    short: str
    advice: str


@problem
class NotPerUnit(Problem):
    """`where` after a constraint on something else than the weight of each unit."""

    code = "PAT3017"
    title = "constraint is not on each unit"
    message = "`where` picks units, and this constraint is not on the weight of each unit"
    label = "one number for all units"
    help = "write it for each unit, such as `w <= 2 where row.FIELD == VALUE`, or bound the share \
of those units by `mass(w, of: PREDICATE)`"
