"""PAT4031 to PAT4040: tokens, tokenizers and language models that an estimate cannot use."""

from pattern_lang.diagnostics.model import Problem, problem


@problem
class MissingPackage(Problem):
    """A package that is needed for one reader or model alone, and not installed."""

    code = "PAT4031"
    title = "package not installed"
    message = "{what} needs the package `{package}`, which is not installed"
    label = "needs `{package}`"
    help = '`pip install "pattern-lang[hf]"`'

    what: str
    package: str


@problem
class UnreadableTokenizer(Problem):
    """A tokenizer file that the tokenizers package cannot read."""

    code = "PAT4032"
    title = "tokenizer cannot be read"
    message = "`{file}` cannot be read as a tokenizer: {reason}"
    label = "not readable"
    help = "name the `tokenizer.json` that `Tokenizer.save` or `save_pretrained` writes"

    file: str
    reason: str


@problem
class NoTokens(Problem):
    """Tokens asked of data that have none."""

    code = "PAT4033"
    title = "no tokens"
    message = "data `{data}`: {reason}"
    label = "no tokens"
    help = "{advice}"

    data: str
    reason: str
    advice: str


@problem
class WrongTokenOption(Problem):
    """An option of a reader of tokens that makes no sense."""

    code = "PAT4034"
    title = "wrong option for tokens"
    message = "`{option}: {value}`: {reason}"
    label = "does not fit"
    help = "{advice}"

    option: str
    value: str
    reason: str
    advice: str


@problem
class TokenOutOfRange(Problem):
    """A token number that the model has no embedding for."""

    code = "PAT4035"
    title = "token outside the vocabulary"
    message = (
        "row {row} of data `{data}` holds token {token}, and model `{model}` knows {known} tokens"
    )
    label = "not the model's tokens"
    help = "read the data with the tokenizer that the model was trained with"

    data: str
    row: int
    token: int
    model: str
    known: int


@problem
class WrongTokenPredicate(Problem):
    """A predicate on tokens that cannot be evaluated."""

    code = "PAT4036"
    title = "wrong predicate on tokens"
    message = "{reason}"
    label = "cannot be evaluated"
    help = "see `std.tokens` in the reference for what each predicate takes"

    reason: str


@problem
class MisplacedLoss(Problem):
    """A loss at a position after which no token stands: losses are shifted by one."""

    code = "PAT4037"
    title = "a loss without a token"
    message = (
        "the loss of model `{model}` has a value at position {position} of row {row} of `{data}`, "
        "which holds {length} tokens"
    )
    label = "off by one"
    help = "entry t is the loss of predicting token t + 1: put NaN at the last position"

    model: str
    data: str
    row: int
    position: int
    length: int


@problem
class PositionsDiffer(Problem):
    """Two models that do not have losses at the same positions of the re-weighted data."""

    code = "PAT4038"
    title = "models disagree on what a unit is"
    message = "models `{first}` and `{second}` do not have losses at the same positions of `{data}`"
    label = "one weight, two meanings"
    help = "put NaN at the same positions in both losses"

    first: str
    second: str
    data: str


@problem
class UnreadableModel(Problem):
    """A folder that transformers cannot load a causal language model from."""

    code = "PAT4039"
    title = "model cannot be loaded"
    message = "`{folder}` cannot be loaded as a causal language model: {reason}"
    label = "not loadable"
    help = "save it with `save_pretrained(folder)`: a config.json and safetensors, no remote code"

    folder: str
    reason: str


@problem
class NonFiniteGradient(Problem):
    """A gradient that is undefined although all losses are fine: NaN went through arithmetic."""

    code = "PAT4040"
    title = "the gradient is not finite"
    message = "the loss of model `{model}` has an undefined gradient at the checkpoint"
    label = "undefined gradient"
    help = (
        "put NaN in last, with `masked_fill` or `torch.where`: NaN times a loss spoils its gradient"
    )

    model: str
