"""PAT9xxx: bugs of pat itself."""

from pattern_lang.diagnostics.model import Problem, problem


@problem
class InternalError(Problem):
    """Anything that escaped."""

    code = "PAT9001"
    title = "internal error"
    message = "this is a bug in pat: {what}"
    help = "please report it together with the file that `PAT_DEBUG=1` and a second run print"
    exit_status = 70

    what: str
