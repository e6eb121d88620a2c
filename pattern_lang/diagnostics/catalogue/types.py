"""PAT2xxx: types, units and values that do not fit."""

from pattern_lang.diagnostics.model import Label, Problem, problem
from pattern_lang.diagnostics.source import Span


@problem
class TypeMismatch(Problem):
    """A value of one type where another is needed."""

    code = "PAT2001"
    title = "type mismatch"
    message = "{place} has to be {wanted}, but {found}"
    label = "{found}"
    help = "{advice}"

    place: str
    wanted: str
    found: str
    advice: str = ""


@problem
class UnitMismatch(Problem):
    """Two units that do not convert into each other."""

    code = "PAT2002"
    title = "unit mismatch"
    message = "{fact}"
    label = "this is {right}"
    help = "{advice}"

    fact: str
    left: str
    right: str
    other: Span
    advice: str

    def labels(self) -> tuple[Label, ...]:
        """Point at the other operand."""
        return (Label(self.other, f"this is {self.left}"),)


@problem
class UnknownUnit(Problem):
    """A unit name that does not exist."""

    code = "PAT2003"
    title = "unknown unit"
    message = "`{name}` is not a unit"
    label = "not a unit"
    help = "{advice}"

    name: str
    advice: str


@problem
class NotAFunction(Problem):
    """A call of something that cannot be called."""

    code = "PAT2004"
    title = "not a function"
    message = "{found}, which cannot be called"
    label = "not a function"
    help = "{advice}"

    found: str
    advice: str = "remove the parentheses"


@problem
class NoOperator(Problem):
    """An operator between types that it does not join."""

    code = "PAT2005"
    title = "operator does not apply"
    message = "{fact}"
    label = "{right}"
    help = "{advice}"

    fact: str
    right: str
    advice: str
    left: str = ""
    other: Span | None = None

    def labels(self) -> tuple[Label, ...]:
        """Point at the other operand."""
        return (Label(self.other, self.left),) if self.other is not None else ()


@problem
class UnknownType(Problem):
    """A type name that does not exist."""

    code = "PAT2006"
    title = "unknown type"
    message = "`{name}` is not a type"
    label = "not a type"
    help = "{advice}"

    name: str
    advice: str


@problem
class WrongIndexing(Problem):
    """Indices on something that is not a family, or too few or many of them."""

    code = "PAT2007"
    title = "wrong indexing"
    message = "{fact}"
    label = "{short}"
    help = "{advice}"

    fact: str
    short: str
    advice: str


@problem
class IndexOutOfRange(Problem):
    """An index that the family does not have."""

    code = "PAT2008"
    title = "index out of range"
    message = "`{family}` has no member {index}: index `{name}` runs over {range}"
    label = "out of range"
    help = "use an index from {range} (the end of a range is not part of it)"

    family: str
    index: str
    name: str
    range: str


@problem
class BadReference(Problem):
    """A string that should name a function in a file."""

    code = "PAT2009"
    title = "not a function reference"
    message = '"{text}" does not name a function in a file'
    label = 'expected "file.py:function"'
    help = 'write the file, a colon and the function: "model.py:build"'

    text: str


@problem
class ValueOutOfRange(Problem):
    """A setting outside the values that make sense."""

    code = "PAT2010"
    title = "value out of range"
    message = "{name} has to be {condition}"
    label = "{value}"
    help = "{advice}"

    name: str
    condition: str
    value: str
    advice: str


@problem
class EmptyRange(Problem):
    """A range without members."""

    code = "PAT2011"
    title = "empty range"
    message = "the range {range} has no members"
    label = "empty"
    help = "ranges are half open: `0..3` is 0, 1, 2"

    range: str


@problem
class DivisionByZero(Problem):
    """A division by a constant zero."""

    code = "PAT2012"
    title = "division by zero"
    message = "this divides by zero"
    label = "is zero"
    help = "divide by a number that is not zero"


@problem
class WrongTypeArguments(Problem):
    """A type with too few, too many or the wrong arguments."""

    code = "PAT2013"
    title = "wrong type arguments"
    message = "`{type}` takes {wanted}"
    label = "expected `{form}`"
    help = "{advice}"

    type: str
    wanted: str
    form: str
    advice: str


@problem
class PathLeavesFolder(Problem):
    """An output path that names no file inside the pattern's folder."""

    code = "PAT2014"
    title = "path leaves the output folder"
    message = '"{path}" does not lie in the output folder of the pattern'
    label = "{reason}"
    help = 'name a file relative to the output folder, such as "{name}"'

    path: str
    reason: str
    name: str


@problem
class TooManyCalls(Problem):
    """Functions or rules that call each other too deeply or too often."""

    code = "PAT2015"
    title = "too many calls"
    message = "working out this call takes {what}"
    label = "called here"
    help = "write some of the functions or rules out"

    what: str
