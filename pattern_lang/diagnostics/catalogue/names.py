"""PAT1xxx: files, imports, names and arguments that do not resolve."""

from pattern_lang.diagnostics.model import Label, Problem, problem
from pattern_lang.diagnostics.source import Span


@problem
class UnknownName(Problem):
    """A name that nothing declares."""

    code = "PAT1001"
    title = "unknown name"
    message = "nothing here is called `{name}`"
    label = "not declared"
    help = "{advice}"

    name: str
    advice: str


@problem
class DuplicateName(Problem):
    """A name declared twice in one place."""

    code = "PAT1002"
    title = "name declared twice"
    message = "`{name}` is already declared in this {where}"
    label = "declared again here"
    help = "rename one of the two"

    name: str
    where: str
    first: Span

    def labels(self) -> tuple[Label, ...]:
        """Point at the first declaration."""
        return (Label(self.first, "first declared here"),)


@problem
class ModuleNotFound(Problem):
    """A `use` of a file or module that does not exist."""

    code = "PAT1003"
    title = "module not found"
    message = "there is no {what}"
    label = "not found"
    help = "{advice}"

    what: str
    advice: str
    tried: tuple[str, ...] = ()

    def notes(self) -> tuple[str, ...]:
        """List every place that was tried."""
        return tuple(f"tried {place}" for place in self.tried)


@problem
class ImportCycle(Problem):
    """Files that use each other in a circle."""

    code = "PAT1004"
    title = "import cycle"
    message = "these files use each other in a circle: {chain}"
    label = "closes the circle"
    help = "move what both need into a third file"

    chain: str


@problem
class NotInModule(Problem):
    """A name that a module does not have."""

    code = "PAT1005"
    title = "not in that module"
    message = "`{module}` has nothing called `{name}`"
    label = "not declared there"
    help = "{advice}"

    module: str
    name: str
    advice: str


@problem
class UnknownArgument(Problem):
    """A named argument that the function does not take."""

    code = "PAT1006"
    title = "unknown argument"
    message = "`{function}` takes no argument called `{name}`"
    label = "unknown argument"
    help = "{advice}"

    function: str
    name: str
    advice: str


@problem
class MissingArgument(Problem):
    """A call without an argument that it needs."""

    code = "PAT1007"
    title = "missing argument"
    message = "{what} lacks {missing}"
    label = "lacks {missing}"
    help = "the form is `{form}`"

    what: str
    missing: str
    form: str


@problem
class TooManyArguments(Problem):
    """More positional arguments than the function takes."""

    code = "PAT1008"
    title = "too many arguments"
    message = "`{function}` takes {most} by position, and this is one more"
    label = "one too many"
    help = "{advice}"

    function: str
    most: str
    advice: str


@problem
class RepeatedArgument(Problem):
    """An argument given twice."""

    code = "PAT1009"
    title = "argument given twice"
    message = "`{name}` is given twice to `{function}`"
    label = "given again here"
    help = "keep one of the two"

    function: str
    name: str


@problem
class CyclicDefinition(Problem):
    """A declaration that needs itself."""

    code = "PAT1010"
    title = "cyclic definition"
    message = "`{name}` is defined by itself: {chain}"
    label = "leads back to `{name}`"
    help = "break the circle by writing one of them out"

    name: str
    chain: str


@problem
class UnknownEdition(Problem):
    """An edition that this compiler does not know."""

    code = "PAT1011"
    title = "unknown edition"
    message = "this compiler does not know edition {edition}"
    label = "unknown edition"
    help = "write `edition {newest}`, or install a newer pattern-lang"

    edition: str
    newest: int


@problem
class MisplacedEdition(Problem):
    """An edition that is not the first statement."""

    code = "PAT1012"
    title = "edition out of place"
    message = "`edition` has to be the first statement of the file, and stand there once"
    label = "not the first statement"
    help = "{advice}"

    advice: str


@problem
class UnknownOverride(Problem):
    """`-p NAME=VALUE` for a parameter that does not exist."""

    code = "PAT1013"
    title = "unknown parameter"
    message = "the spec has no parameter called `{name}`"
    help = "{advice}"

    name: str
    advice: str


@problem
class UnknownPattern(Problem):
    """`--pattern NAME` for a pattern that does not exist, or that needs arguments."""

    code = "PAT1014"
    title = "no such pattern"
    message = "the spec has no pattern called `{name}` that can be compiled"
    help = "{advice}"

    name: str
    advice: str


@problem
class SpecNotFound(Problem):
    """A spec file that cannot be read."""

    code = "PAT1015"
    title = "spec not found"
    message = "cannot read `{path}`: {reason}"
    help = "check the path; a spec is a file that ends in .pat"

    path: str
    reason: str


@problem
class UnknownMember(Problem):
    """`x.name` where x has no such member."""

    code = "PAT1016"
    title = "unknown member"
    message = "{type} has nothing called `{name}`"
    label = "no such member"
    help = "{advice}"

    type: str
    name: str
    advice: str


@problem
class CannotWrite(Problem):
    """A file that cannot be written."""

    code = "PAT1017"
    title = "cannot write"
    message = "cannot write `{path}`: {reason}"
    help = "check the permissions and the space on the disk; the old file is unchanged"

    path: str
    reason: str


@problem
class UnnamedModule(Problem):
    """A file that is used by its own name, which no spec can write."""

    code = "PAT1018"
    title = "file name is not a name"
    message = "`{name}` cannot be written as a name, so nothing can refer to this file"
    label = "needs a name"
    help = "{advice}"

    name: str
    advice: str
