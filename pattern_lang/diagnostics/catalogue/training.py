"""PAT7xxx: training on weights, and studies."""

from pattern_lang.diagnostics.model import Problem, problem


@problem
class NoOptimizer(Problem):
    """A run that nothing says how to train."""

    code = "PAT7001"
    title = "no optimizer"
    message = "nothing says how to train `{name}`"
    label = "has no `using`"
    help = "{advice}"

    name: str
    advice: str


@problem
class NotAnOptimizer(Problem):
    """A user's function that should make an optimizer, and made something else."""

    code = "PAT7002"
    title = "not an optimizer"
    message = "`{function}` returned {found}, not an optimizer of torch"
    label = "has to return a `torch.optim.Optimizer`"
    help = "return one, such as `torch.optim.SGD(module.parameters(), lr=0.1)`"

    function: str
    found: str


@problem
class NotMeasurable(Problem):
    """A measure that is no function of the trained parameters."""

    code = "PAT7003"
    title = "cannot be measured"
    message = "`{observable}` cannot be read off the network under training: {reason}"
    label = "not a function of its parameters"
    help = "measure a loss on data, or a function of your own by `python(…)`"

    observable: str
    reason: str


@problem
class WrongMeasure(Problem):
    """A user's measure that returned no number."""

    code = "PAT7004"
    title = "not a number"
    message = "`{function}` returned {found}, not a number"
    label = "has to return a number, or one number for each row"
    help = "return a float, or a tensor whose mean is the measure"

    function: str
    found: str


@problem
class TrainingDiverged(Problem):
    """A run whose loss stopped being a number."""

    code = "PAT7005"
    title = "training diverged"
    message = "the loss of run `{run}` was {value} after step {step} of {steps}"
    label = "too large a rate, or too small a `warmup`"
    help = "lower `lr`, or add `warmup: … steps` or `clip: 1`"
    exit_status = 4

    run: str
    value: str
    step: int
    steps: int


@problem
class OtherRun(Problem):
    """A folder that holds a run with other settings, which would be lost."""

    code = "PAT7006"
    title = "folder holds another run"
    message = "`{path}` holds a run {what}, and it would be lost"
    help = "give another folder by `-o`, or `--fresh` to train anew there"

    path: str
    what: str


@problem
class RunBusy(Problem):
    """A folder in which another process is training."""

    code = "PAT7007"
    title = "another process is training here"
    message = "another process is training in `{path}`"
    help = "wait for it, or give another folder by `-o`"

    path: str


@problem
class SpecOfPlan(Problem):
    """The spec that a plan was made from, missing or changed since."""

    code = "PAT7008"
    title = "not the spec of the plan"
    message = "the plan in `{folder}` was made from `{spec}`, {reason}"
    help = "{advice}"

    folder: str
    spec: str
    reason: str
    advice: str


@problem
class OtherData(Problem):
    """Weights that were made for other data than those that are there now."""

    code = "PAT7009"
    title = "weights of other data"
    message = "the weights in `{folder}` are for other rows of `{data}` than it has now: {reason}"
    help = "run `pat compile` again"

    folder: str
    data: str
    reason: str


@problem
class NothingToTrain(Problem):
    """A plan without weights."""

    code = "PAT7010"
    title = "no weights"
    message = "the plan in `{folder}` has no weights: it is {status}"
    help = "change the goals or constraints that it names, and compile again"

    folder: str
    status: str


@problem
class WhichModel(Problem):
    """A pattern about several networks, of which one has to be trained."""

    code = "PAT7011"
    title = "which network to train"
    message = "`{pattern}` is about {models}, and nothing says which of them to train"
    label = "add `network: …`"
    help = "name one: `{optimizer}(…, network: {first})`"

    pattern: str
    models: str
    optimizer: str
    first: str


@problem
class NoHeuristic(Problem):
    """A row value that no weights can follow."""

    code = "PAT7012"
    title = "no weights from this row value"
    message = "no weights can follow the row value of `{arm}`: it {reason}"
    label = "no number for each unit that tells units apart"
    help = "use a number, or a predicate, that differs between rows"

    arm: str
    reason: str


@problem
class NoStudy(Problem):
    """A study that is not there, or not the only one."""

    code = "PAT7013"
    title = "which study"
    message = "{fact}"
    help = "{advice}"

    fact: str
    advice: str


@problem
class StudyChanged(Problem):
    """A study that was begun with other arms, seeds, budget or measures."""

    code = "PAT7014"
    title = "study has changed"
    message = "`{path}` was begun with other settings: {what}"
    label = "fixed before the first run"
    help = "write into another folder by `-o`, or start over by `--fresh`"

    path: str
    what: str


@problem
class OtherUnits(Problem):
    """Patterns of one study that re-weight different data, or in different units."""

    code = "PAT7015"
    title = "patterns of one study re-weight different data"
    message = "`{first}` re-weights {one}, and `{second}` re-weights {other}"
    label = "cannot be compared with each other"
    help = "write a study for each of them"

    first: str
    one: str
    second: str
    other: str


@problem
class IncompleteStudy(Problem):
    """A study without arms that have weights."""

    code = "PAT7016"
    title = "nothing to compare"
    message = "study `{name}` has {lack}"
    label = "needs `arms`, at least one of them with weights"
    help = "add `arms base, PATTERN, shuffled(PATTERN)`"

    name: str
    lack: str


@problem
class ArmDiverged(Problem):
    """An arm of a study some of whose runs diverged: what is left of it is no fair sample."""

    code = "PAT7020"
    title = "an arm diverged"
    message = "`{arm}` diverged on {seeds}: its loss was {value} after step {step} of {steps}"
    label = "not judged: the seeds that are left are those that went well"
    help = "lower `lr`, or add `warmup: … steps` or `clip: 1`, and run the study anew elsewhere"
    exit_status = 4

    arm: str
    seeds: str
    value: str
    step: int
    steps: int


@problem
class OtherNetworks(Problem):
    """A pattern that cannot be asked anew of the network under training alone."""

    code = "PAT7030"
    title = "not about the network at hand"
    message = (
        "`{pattern}` is about {models}, and `online` asks it anew of `{model}` alone, as it is "
        "while it trains"
    )
    label = "has to be about one network, at one checkpoint"
    help = "use `schedule once()`, or leave out what is about other networks and checkpoints"

    pattern: str
    models: str
    model: str


@problem
class RoundLost(Problem):
    """The weights of a round, missing or changed, without which a run cannot go on."""

    code = "PAT7031"
    title = "weights of a round are lost"
    message = "the run needs `{path}` to go on, which {reason}"
    help = "put it back, or start over: `pat train … --fresh`"

    path: str
    reason: str


@problem
class NoDevice(Problem):
    """A device that is not there, or that torch does not know."""

    code = "PAT7017"
    title = "no such device"
    message = "nothing can be trained on the device `{device}`: {reason}"
    help = "leave `--device` out, or give one that torch has here, such as `cpu`"

    device: str
    reason: str
