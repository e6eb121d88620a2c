"""PAT4061-PAT4071: components, principal directions and users' observables that cannot be used."""

from typing import ClassVar

from pattern_lang.diagnostics.model import Problem, Severity, problem


@problem
class NothingMatches(Problem):
    """A glob that no parameter name of the model matches."""

    code = "PAT4061"
    title = "no parameter matches"
    message = 'no parameter of model `{model}` matches "{pattern}"'
    label = "matches nothing"
    help = "{advice}"

    pattern: str
    model: str
    advice: str


@problem
class UnknownLayout(Problem):
    """A transformer whose parameters are called or arranged in a way that is not known."""

    code = "PAT4062"
    title = "unknown layout"
    message = "`{component}` does not find {what} in model `{model}`"
    label = "not found"
    help = 'name the parameters: `component({model}, "{first}")`'

    component: str
    what: str
    model: str
    looked_for: tuple[str, ...]
    first: str
    names: tuple[str, ...]

    def notes(self) -> tuple[str, ...]:
        """Say what was looked for, and what there is."""
        wanted = ", ".join(f"`{name}`" for name in self.looked_for)
        found = ", ".join(f"`{name}`" for name in self.names)
        return (f"looked for parameters or modules called {wanted}", f"there are {found}")


@problem
class NoSuchPart(Problem):
    """A layer or a head that the model does not have."""

    code = "PAT4063"
    title = "no such layer or head"
    message = "`{component}` asks for {what} {number}, and model `{model}` has {count}"
    label = "out of range"
    help = "they count from 0: the last is {last}"

    component: str
    what: str
    number: int
    model: str
    count: str
    last: int


@problem
class HeadsUnknown(Problem):
    """An attention that does not say how many heads it has."""

    code = "PAT4064"
    title = "number of heads unknown"
    message = "`{attention}` of model `{model}` does not say how many heads it has"
    label = "which rows are a head's is not known"
    help = "give that module an attribute `num_heads`"

    component: str
    attention: str
    model: str


@problem
class FrozenComponent(Problem):
    """A component all of whose parameters are frozen."""

    code = "PAT4065"
    title = "frozen component"
    message = "every parameter of `{component}` is frozen, so there is nothing to sample"
    label = "nothing moves"
    help = "leave requires_grad on for parameters that a posterior moves"

    component: str


@problem
class WrongObservable(Problem):
    """An observable of the user's own that returns neither a number nor one per row."""

    code = "PAT4066"
    title = "wrong value of an observable"
    message = "`{function}` returned {found}, not a number or floats of ({rows},)"
    label = "returns {found}"
    help = "return one number, or one for each row of the batch; their mean is taken"

    function: str
    found: str
    rows: int


@problem
class IncompleteObservable(Problem):
    """An observable of the user's own without a model or data, where one is estimated."""

    code = "PAT4067"
    title = "observable without a model or data"
    message = "`{function}` is given no {missing}, and a posterior needs both"
    label = "no {missing}"
    help = 'write `python("{function}", MODEL, on: DATA)`'

    function: str
    missing: str


@problem
class NestedObservable(Problem):
    """A restriction or a principal direction of something that has no posterior of its own."""

    code = "PAT4068"
    title = "restriction or direction within another"
    message = "{what}"
    label = "within another"
    help = "{advice}"

    what: str
    advice: str


@problem
class NoDirection(Problem):
    """A principal direction beyond the rank of the susceptibility matrix."""

    code = "PAT4069"
    title = "no such principal direction"
    message = "the susceptibility matrix of the family of `{observable}` has rank {rank}, below {k}"
    label = "no such direction"
    help = "ask for one of the first {rank}, or for a family whose members differ"

    observable: str
    rank: int
    k: int


@problem
class NotReweighted(Problem):
    """`toward` data of which no row is re-weighted."""

    code = "PAT4070"
    title = "`toward` names data that are not re-weighted"
    message = "no row of `{data}` is a row of the re-weighted `{reweighted}`"
    label = "gives no sign"
    help = "write a part of the re-weighted data: `{reweighted} where …`"

    data: str
    reweighted: str


@problem
class NearDegenerate(Problem):
    """A principal direction that its neighbour's variance nearly equals."""

    code = "PAT4071"
    title = "principal direction is hardly determined"
    message = (
        "`{observable}` is hardly determined: its singular value {value} and the nearest other, "
        "{other}, differ by {gap}, and noise may have turned it by {turn}°"
    )
    label = "mixes with its neighbour"
    help = "sample more draws, or aim at members of the family themselves"
    severity: ClassVar[Severity] = Severity.WARNING

    observable: str
    value: str
    other: str
    gap: str
    turn: str
