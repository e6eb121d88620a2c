"""Source texts and places in them. Offsets count code points; lines and columns are derived."""

from bisect import bisect_right
from functools import cached_property

from attrs import define, field, frozen


@define(frozen=True, slots=False, eq=False)
class SourceFile:
    """One text that diagnostics can point into.

    `name` is how the user knows it: a path as typed, `<string>`, `std.tokens` or `<-p dose>`.
    """

    name: str
    text: str = field(repr=False)

    @cached_property
    def line_starts(self) -> tuple[int, ...]:
        """Return the offset at which each line starts."""
        return (0, *(i + 1 for i, char in enumerate(self.text) if char == "\n"))

    def position(self, offset: int) -> tuple[int, int]:
        """Return the 1-based (line, column) of an offset."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line_text(self, line: int) -> str:
        """Return the text of a 1-based line, without its line break."""
        start = self.line_starts[line - 1]
        end = self.line_starts[line] - 1 if line < len(self.line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r")


@frozen
class Span:
    """A half-open range `[start, end)` of a source text."""

    source: SourceFile
    start: int
    end: int

    @property
    def text(self) -> str:
        """Return the source text under the span."""
        return self.source.text[self.start : self.end]

    @property
    def start_position(self) -> tuple[int, int]:
        """Return the 1-based (line, column) of the first character."""
        return self.source.position(self.start)

    @property
    def end_position(self) -> tuple[int, int]:
        """Return the 1-based (line, column) just past the last character."""
        return self.source.position(self.end)

    def encloses(self, other: "Span") -> bool:
        """Tell whether another span lies within this one."""
        same = self.source is other.source
        return same and self.start <= other.start and other.end <= self.end

    def to(self, other: "Span") -> "Span":
        """Return the span from the start of this one to the end of another in the same source."""
        return Span(self.source, self.start, max(self.end, other.end))

    def __str__(self) -> str:
        line, column = self.start_position
        return f"{self.source.name}:{line}:{column}"
