"""PAT0xxx: what cannot be read."""

from pattern_lang.diagnostics.model import Label, Problem, problem
from pattern_lang.diagnostics.source import Span


@problem
class UnexpectedCharacter(Problem):
    """A character that no token starts with."""

    code = "PAT0001"
    title = "unexpected character"
    message = "`{character}` ({name}) means nothing in this language"
    label = "not part of the language"
    help = "{advice}"

    character: str
    name: str
    advice: str


@problem
class UnterminatedString(Problem):
    """A string without its closing quote on the same line."""

    code = "PAT0002"
    title = "unterminated string"
    message = "this string has no closing quote on its line"
    label = "the string starts here"
    help = 'close it with `"`, and write a line break inside a string as `\\n`'


@problem
class UnexpectedToken(Problem):
    """A word or sign where something else has to stand."""

    code = "PAT0003"
    title = "syntax error"
    message = "found {found} where {expected} has to stand"
    label = "expected {expected}"
    help = "{advice}"

    found: str
    expected: str
    advice: str = ""


@problem
class UnfinishedStatement(Problem):
    """A statement that stops before it is complete."""

    code = "PAT0004"
    title = "unfinished statement"
    message = "{what} stops where {expected} has to follow"
    label = "expected {expected} here"
    help = "{form}"

    what: str
    expected: str
    form: str
    opened: Span | None = None

    def labels(self) -> tuple[Label, ...]:
        """Point at the bracket that is still open."""
        if self.opened is None:
            return ()
        return (Label(self.opened, f"this `{self.opened.text}` is not closed"),)


@problem
class ReservedWord(Problem):
    """A keyword used as a name."""

    code = "PAT0005"
    title = "reserved word"
    message = "`{word}` is a reserved word, so {fact}"
    label = "reserved"
    help = "{advice}"

    word: str
    fact: str
    advice: str


@problem
class MissingBrace(Problem):
    """A body that is never closed."""

    code = "PAT0006"
    title = "missing `}`"
    message = "this body is not closed before {found}"
    label = "a `}}` has to stand {where}"
    help = "close the body with `}}`"

    found: str
    where: str
    opened: Span | None = None

    def labels(self) -> tuple[Label, ...]:
        """Point at the brace that was opened."""
        return (Label(self.opened, "opened here"),) if self.opened else ()


@problem
class UnknownEscape(Problem):
    """A backslash sequence that strings do not know."""

    code = "PAT0007"
    title = "unknown escape"
    message = "`{escape}` is not an escape that strings know"
    label = "unknown escape"
    help = 'use one of `\\n`, `\\t`, `\\"`, `\\\\` and `\\u{{…}}` (a code point in hexadecimal)'

    escape: str


@problem
class NumberOutOfRange(Problem):
    """A number beyond what double precision holds."""

    code = "PAT0008"
    title = "number out of range"
    message = "{number} is beyond the range of double precision (about 1e-300 to 1e300)"
    label = "out of range"
    help = "write a number with an exponent between -300 and 300"

    number: str


@problem
class NestedTooDeeply(Problem):
    """More levels of brackets, powers or calls than any spec needs."""

    code = "PAT0009"
    title = "nested too deeply"
    message = "this is nested more deeply than the {limit} levels that pat follows"
    label = "too deep from here"
    help = "give the inner part a name with `param`, `def` or `observable`"

    limit: int


@problem
class StatementOutOfPlace(Problem):
    """A statement in a body or at the top where it does not belong."""

    code = "PAT0010"
    title = "statement out of place"
    message = "`{keyword}` cannot stand here: {where}"
    label = "not allowed here"
    help = "{advice}"

    keyword: str
    where: str
    advice: str


@problem
class TooManyErrors(Problem):
    """The parser gave up."""

    code = "PAT0011"
    title = "too many syntax errors"
    message = "gave up reading after {count} syntax errors; what follows here was not checked"
    label = "not read from here on"
    help = "mend the errors above, then check again"

    count: int


@problem
class UnreadableText(Problem):
    """A spec that is not UTF-8 text."""

    code = "PAT0012"
    title = "not UTF-8 text"
    message = "`{path}` is not UTF-8 text: {reason}"
    help = "save the file as UTF-8"

    path: str
    reason: str


@problem
class UnknownStatement(Problem):
    """A word where a statement has to begin, and with which none does."""

    code = "PAT0013"
    title = "unknown statement"
    message = "{fact}"
    label = "{short}"
    help = "{advice}"

    fact: str
    short: str
    advice: str
