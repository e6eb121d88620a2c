"""PAT4001-PAT4029: files, code, models and data that an estimate cannot use."""

from pattern_lang.diagnostics.model import Problem, problem


@problem
class MissingFile(Problem):
    """A file that is at none of the places where it may be."""

    code = "PAT4001"
    title = "file not found"
    message = "there is no file `{text}`"
    label = "not found"
    help = "check the name, or add its folder with `-I FOLDER`"

    text: str
    tried: tuple[str, ...]

    def notes(self) -> tuple[str, ...]:
        """List every place that was tried."""
        return tuple(f"tried {place}" for place in self.tried)


@problem
class CodeOutsideFolder(Problem):
    """Code named by an absolute path, or by one that climbs out of the spec's folder."""

    code = "PAT4002"
    title = "code outside the spec's folder"
    message = "`{text}` is not below {folder}, and only code below it may run"
    label = "leaves the folder"
    help = (
        "move the file beside the spec, or add its folder with `-I FOLDER` and name it from there"
    )

    text: str
    folder: str


@problem
class MissingFunction(Problem):
    """A function that the user's file does not define."""

    code = "PAT4003"
    title = "function not found"
    message = "`{file}` defines no function `{function}`"
    label = "no such function"
    help = "{advice}"

    file: str
    function: str
    advice: str


@problem
class UserCodeFailed(Problem):
    """An exception inside the user's own code."""

    code = "PAT4004"
    title = "user code failed"
    message = "{action} failed at {place}: {error}"
    label = "this code failed"
    help = "run `{file}` in Python by itself to see the whole traceback"

    action: str
    place: str
    error: str
    file: str


@problem
class NotAModule(Problem):
    """A builder that returns something else than a network."""

    code = "PAT4011"
    title = "the builder returned no module"
    message = "`{function}` returned {found}, where a torch.nn.Module has to come back"
    label = "returns {found}"
    help = "end the function with `return module`"

    function: str
    found: str


@problem
class UnreadableWeights(Problem):
    """A weights file that is damaged, or of a kind that is not read."""

    code = "PAT4012"
    title = "weights cannot be read"
    message = "`{file}` cannot be read as weights: {reason}"
    label = "not readable"
    help = "save it again with safetensors.torch.save_file, or torch.save of a state dict"

    file: str
    reason: str


@problem
class WeightsMismatch(Problem):
    """Tensors of a weights file that do not fit the network."""

    code = "PAT4013"
    title = "weights do not fit the model"
    message = "`{file}` does not fit what the builder returns: {first}"
    label = "does not fit"
    help = "give the builder the arguments that the weights were trained with"

    file: str
    first: str
    others: tuple[str, ...] = ()

    def notes(self) -> tuple[str, ...]:
        """List the other tensors that do not fit."""
        return self.others


@problem
class NonFiniteWeights(Problem):
    """A weight that is infinite or not a number."""

    code = "PAT4014"
    title = "weights are not finite"
    message = "tensor `{tensor}` of `{file}` holds infinite or undefined numbers"
    label = "not finite"
    help = "take a checkpoint from before the training run diverged"

    file: str
    tensor: str


@problem
class NoUnitLoss(Problem):
    """A network that does not say what the loss of a row is."""

    code = "PAT4015"
    title = "no loss per row"
    message = "model `{model}` has no method `unit_loss(batch)` and no `loss:` function"
    label = "no loss per row"
    help = 'add a method `unit_loss(batch)` that returns (rows,), or `loss: "file.py:function"`'

    model: str


@problem
class WrongUnitLoss(Problem):
    """A loss per row of the wrong shape or kind."""

    code = "PAT4016"
    title = "wrong loss per row"
    message = "the loss of model `{model}` returned {found} for {rows} rows, not {expected}"
    label = "returns {found}"
    help = 'return one number per row or position, for example with `reduction="none"`'

    model: str
    found: str
    rows: int
    expected: str


@problem
class NonFiniteLoss(Problem):
    """A row whose loss at the checkpoint is infinite or not a number."""

    code = "PAT4017"
    title = "loss is not finite at the checkpoint"
    message = "the loss of model `{model}` on row {row} of `{data}` is {value} at the checkpoint"
    label = "not finite"
    help = "check that row, and that the loss cannot take the logarithm of 0"

    model: str
    data: str
    row: int
    value: str


@problem
class NothingTrainable(Problem):
    """A network without a parameter that may move."""

    code = "PAT4018"
    title = "no trainable parameters"
    message = "model `{model}` has no parameter with requires_grad, so nothing can be sampled"
    label = "nothing to sample"
    help = "leave requires_grad on for the parameters that the posterior moves"

    model: str


@problem
class NotRows(Problem):
    """A data function that returns something else than a sequence of mappings."""

    code = "PAT4021"
    title = "data are not rows"
    message = "data `{data}`: {found}"
    label = "not rows"
    help = "return a sequence of mappings, such as a list of dicts"

    data: str
    found: str


@problem
class UnreadableData(Problem):
    """A data file, or a line of it, that cannot be read."""

    code = "PAT4022"
    title = "data cannot be read"
    message = "{place}: {reason}"
    label = "not readable"
    help = "mend the file; `jsonl` takes one JSON object per line"

    place: str
    reason: str


@problem
class EmptyData(Problem):
    """A data set without rows."""

    code = "PAT4023"
    title = "no rows"
    message = "data `{data}` has no rows"
    label = "empty"
    help = "check what the file or the function returns"

    data: str


@problem
class MissingField(Problem):
    """A row that lacks a field which other rows have."""

    code = "PAT4024"
    title = "field missing in a row"
    message = "row {row} of data `{data}` has no value for `{field}`, which other rows have"
    label = "row {row} lacks `{field}`"
    help = "give every row the same fields"

    data: str
    row: int
    field: str


@problem
class UnevenField(Problem):
    """A field whose values differ in shape or kind from row to row."""

    code = "PAT4025"
    title = "field differs between rows"
    message = "field `{field}` of row {row} of data `{data}` is {found}, and of row 0 {expected}"
    label = "rows differ in `{field}`"
    help = "give `{field}` the same shape and kind in every row"

    data: str
    row: int
    field: str
    found: str
    expected: str


@problem
class NonFiniteField(Problem):
    """A number in the data that is infinite or not a number."""

    code = "PAT4026"
    title = "number is not finite"
    message = "field `{field}` of row {row} of data `{data}` is infinite or undefined"
    label = "not finite"
    help = "drop or mend the row"

    data: str
    row: int
    field: str


@problem
class UnknownField(Problem):
    """`row.FIELD` for a field that the rows do not have, or that is no scalar."""

    code = "PAT4027"
    title = "unknown row field"
    message = "the rows of data `{data}` have no field `{field}` that is a number or a text"
    label = "no such field"
    help = "{advice}"

    data: str
    field: str
    advice: str


@problem
class WrongComparison(Problem):
    """A predicate that mixes texts and numbers."""

    code = "PAT4028"
    title = "predicate mixes kinds"
    message = "{reason}"
    label = "does not fit the data"
    help = "compare texts with texts and numbers with numbers"

    reason: str


@problem
class NothingKept(Problem):
    """A `where` that keeps no row."""

    code = "PAT4029"
    title = "predicate keeps no row"
    message = "`where` keeps none of the {rows} rows of data `{data}`"
    label = "keeps nothing"
    help = "{advice}"

    data: str
    rows: int
    advice: str
