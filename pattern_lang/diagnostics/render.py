"""Diagnostics as text for people: the fact, the source with its labels, and one next step."""

import unicodedata
from collections.abc import Iterable, Sequence

from attrs import frozen

from pattern_lang.diagnostics.model import Diagnostic, Label, Severity
from pattern_lang.diagnostics.source import SourceFile, Span

_COLOURS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.NOTE: "36"}
_WIDEST = 100
_CONTEXT = 30


@frozen
class Painter:
    """Adds colour, or does not."""

    colour: bool

    def __call__(self, text: str, *codes: str) -> str:
        """Return a text in a colour and style."""
        return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if self.colour and codes else text


def render(diagnostic: Diagnostic, *, colour: bool = False) -> str:
    """Return a diagnostic as lines of text, without a line break at the end."""
    paint = Painter(colour)
    tint = _COLOURS[diagnostic.severity]
    head = paint(f"{diagnostic.severity.value}[{diagnostic.code}]", "1", tint)
    lines = [f"{head}: {paint(plain(diagnostic.message), '1')}"]
    labels = diagnostic.labels or (
        (Label(diagnostic.span, ""),) if diagnostic.span is not None else ()
    )
    gutter = max((len(str(_line(label.span))) for label in labels), default=1)
    for source, group in _by_source(labels):
        mark = "-->" if source is labels[0].span.source else ":::"
        where = group[0].span
        lines.append(f"{' ' * gutter}{paint(mark, '34')} {plain(str(where))}")
        lines.extend(_excerpt(source, group, gutter, paint, tint, labels[0]))
    lines.extend(f"{' ' * gutter} {paint('=', '34')} note: {plain(n)}" for n in diagnostic.notes)
    if diagnostic.help:
        lines.append(f"{' ' * gutter} {paint('=', '34')} help: {plain(diagnostic.help)}")
    return "\n".join(lines)


def render_all(diagnostics: Iterable[Diagnostic], *, colour: bool = False) -> str:
    """Return diagnostics as text, with a line that counts them; empty for none."""
    found = list(diagnostics)
    if not found:
        return ""
    errors = sum(d.is_error for d in found)
    warnings = sum(d.severity is Severity.WARNING for d in found)
    counts = [_count(errors, "error"), _count(warnings, "warning")]
    summary = " and ".join(count for count in counts if count)
    blocks = [render(diagnostic, colour=colour) for diagnostic in found]
    return "\n\n".join([*blocks, summary] if summary else blocks) + "\n"


def plain(text: str) -> str:
    """Return a text without control characters: user text never steers the terminal."""
    return "".join(
        char if char.isprintable() or char == " " else f"\\u{{{ord(char):x}}}" for char in text
    )


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}" if number else ""


def _line(span: Span) -> int:
    return span.start_position[0]


def _by_source(labels: Sequence[Label]) -> list[tuple[SourceFile, list[Label]]]:
    groups: dict[SourceFile, list[Label]] = {}
    for label in labels:
        groups.setdefault(label.span.source, []).append(label)
    return list(groups.items())


def _excerpt(
    source: SourceFile,
    labels: list[Label],
    gutter: int,
    paint: Painter,
    tint: str,
    primary: Label,
) -> list[str]:
    bar = paint("|", "34")
    lines = [f"{' ' * gutter} {bar}"]
    numbers = sorted({_line(label.span) for label in labels})
    previous = numbers[0]
    for number in numbers:
        if number > previous + 1:
            lines.append(f"{' ' * gutter}{paint('...', '34')}")
        previous = number
        here = [label for label in labels if _line(label.span) == number]
        text, shift = _window(source.line_text(number), min(_column(label) for label in here))
        lines.append(f"{paint(str(number).rjust(gutter), '34')} {bar} {plain(_untab(text))}")
        # Last label first, so that each has its line to itself.
        for label in sorted(here, key=_column, reverse=True):
            lines.append(
                f"{' ' * gutter} {bar} {_underline(label, text, shift, paint, tint, primary)}"
            )
    return lines


def _column(label: Label) -> int:
    return label.span.start_position[1] - 1


def _window(text: str, column: int) -> tuple[str, int]:
    """Cut a long line around a column; return it with how many characters were cut before."""
    if len(text) <= _WIDEST:
        return text, 0
    start = max(0, column - _CONTEXT)
    shown = text[start : start + _WIDEST]
    before, after = "…" if start else "", "…" if start + _WIDEST < len(text) else ""
    return before + shown + after, start - len(before)


def _underline(
    label: Label, text: str, shift: int, paint: Painter, tint: str, primary: Label
) -> str:
    start = _column(label) - shift
    line, column = label.span.start_position
    end_line, end_column = label.span.end_position
    length = end_column - column if end_line == line else len(text) - start
    covered = text[start : start + max(length, 1)]
    mark = "^" if label is primary else "-"
    colour = ("1", tint) if label is primary else ("34",)
    under = mark * max(_width(covered), 1)
    return " " * _width(text[:start]) + paint(f"{under} {plain(label.text)}".rstrip(), *colour)


def _untab(text: str) -> str:
    return text.replace("\t", "    ")


def _width(text: str) -> int:
    """Return how many columns a terminal gives a text."""
    return sum(_character_width(char) for char in text)


def _character_width(char: str) -> int:
    if char == "\t":
        return 4
    if unicodedata.combining(char):
        return 0
    if not char.isprintable():
        return len(plain(char))
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
