"""What a diagnostic is: a code, a fact with its span, and one next step.

A kind of mistake is a frozen class below `Problem` whose templates are class variables and whose
details are fields. Everything that prints works on the flat `Diagnostic` that a problem becomes.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Any, ClassVar, Self, TypeVar, cast, dataclass_transform

from attrs import AttrsInstance, asdict, evolve, field, frozen

from pattern_lang.diagnostics.source import Span

T = TypeVar("T")


class Severity(Enum):
    """How bad it is: an error stops the compiler, a warning and a note do not."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@frozen
class Label:
    """A few words beside a span."""

    span: Span
    text: str


@frozen
class Diagnostic:
    """One finding, ready to print in any format."""

    code: str
    severity: Severity
    title: str
    message: str
    span: Span | None
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: str | None = None
    exit_status: int = 1

    @property
    def is_error(self) -> bool:
        """Tell whether this finding stops the compiler."""
        return self.severity is Severity.ERROR


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def problem(cls: type[T]) -> type[T]:
    """Make a frozen class of a kind of mistake.

    Comparing and showing are written once, in `Problem`: generating them for each of some hundred
    classes would take a tenth of the time in which `pat check` has to start.
    """
    return frozen(kw_only=True, eq=False, repr=False)(cls)


@problem
class Problem:
    """The base of every kind of mistake.

    Subclasses set `code`, `title` and the templates `message`, `label` and `help`, which are
    filled from the fields with `str.format`. `label` stands beside the span, `help` is the one
    next step. `exit_status` is the status of a process that stops because of it.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    message: ClassVar[str]
    label: ClassVar[str] = ""
    help: ClassVar[str] = ""
    severity: ClassVar[Severity] = Severity.ERROR
    exit_status: ClassVar[int] = 1

    span: Span | None = field(default=None)
    through: tuple[Label, ...] = field(default=())
    """How the compiler got here. Comparing leaves it out: two ways to one mistake are one."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and type(other) is type(self) and other._same(self)

    def __hash__(self) -> int:
        return hash((type(self), self.span))

    def _same(self, other: "Problem") -> bool:
        mine, others = _fields(self), _fields(other)
        return {**mine, "through": ()} == {**others, "through": ()}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in _fields(self).items())})"

    def reached(self, label: Label) -> Self:
        """Return the problem with one more place through which it was reached."""
        changed: Self = evolve(cast("Any", self), through=(*self.through, label))
        return changed

    def labels(self) -> tuple[Label, ...]:
        """Return labels on further places; subclasses with a second span override this."""
        return ()

    def notes(self) -> tuple[str, ...]:
        """Return further facts, one line each; subclasses override this where they have any."""
        return ()

    def diagnostic(self) -> Diagnostic:
        """Fill the templates."""
        values = _fields(self)
        own = self.label.format(**values)
        first = (Label(self.span, own),) if self.span is not None else ()
        return Diagnostic(
            code=self.code,
            severity=self.severity,
            title=self.title,
            message=self.message.format(**values),
            span=self.span,
            labels=first + self.labels() + self.through,
            notes=tuple(note for note in self.notes() if note),
            help=self.help.format(**values) or None,
            exit_status=self.exit_status,
        )


def _fields(item: "Problem") -> dict[str, Any]:
    return asdict(cast("AttrsInstance", item), recurse=False)


class PatternError(Exception):
    """One or more errors that the user can mend; `.diagnostics` holds them in source order."""

    def __init__(self, diagnostics: Iterable[Diagnostic | Problem]) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = tuple(
            item.diagnostic() if isinstance(item, Problem) else item for item in diagnostics
        )
        super().__init__("; ".join(f"{d.code}: {d.message}" for d in self.diagnostics))

    @property
    def exit_status(self) -> int:
        """Return the exit status of the first error."""
        return next((d.exit_status for d in self.diagnostics if d.is_error), 1)
