"""PATLxxx: what is allowed and yet probably not meant."""

from pattern_lang.diagnostics.model import Problem, Severity, problem


@problem
class NoEdition(Problem):
    """A file that does not say its edition."""

    code = "PATL001"
    title = "no edition"
    message = "this file does not say which edition of the language it is written in"
    label = "edition {newest} is assumed"
    help = "begin the file with `edition {newest}`"
    severity = Severity.WARNING

    newest: int


@problem
class Unused(Problem):
    """A declaration that nothing uses."""

    code = "PATL002"
    title = "unused declaration"
    message = "`{name}` is never used"
    label = "never used"
    help = "remove it, or use it"
    severity = Severity.WARNING

    name: str


@problem
class NoGoals(Problem):
    """A pattern that asks for nothing."""

    code = "PATL003"
    title = "pattern without goals"
    message = "pattern `{name}` asks for no shift, so its weights will all be 1"
    label = "no goals"
    help = "add a goal such as `lower OBSERVABLE by 1 sd`"
    severity = Severity.WARNING

    name: str
