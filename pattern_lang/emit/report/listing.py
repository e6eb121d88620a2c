"""The spec's source with line numbers, each goal's line followed by its outcome."""

from collections.abc import Iterable

from attrs import frozen

from pattern_lang.emit.report.outcomes import OutcomeRow
from pattern_lang.emit.report.words import visible
from pattern_lang.ir.solution import GoalOutcome

_LINES = 1500
_COLUMNS = 400


@frozen
class Note:
    """What became of the statement on a line."""

    text: str
    tone: str


@frozen
class Line:
    """One line of the source."""

    text: str
    notes: tuple[Note, ...]
    comment: bool


@frozen
class Listing:
    """The source, and how many lines of a very long one were left out."""

    lines: tuple[Line, ...]
    left_out: int


def listing(text: str, outcomes: Iterable[tuple[GoalOutcome, OutcomeRow]]) -> Listing:
    """Return the annotated source; statements that come from other files have no line here."""
    notes: dict[int, list[Note]] = {}
    for outcome, row in outcomes:
        if outcome.origin is not None and outcome.origin.source.text == text:
            line, _ = outcome.origin.start_position
            _add(notes.setdefault(line, []), _note(outcome, row))
    lines = text.removesuffix("\n").split("\n")
    shown = [
        Line(_tidy(line), tuple(notes.get(index, [])[:4]), line.lstrip().startswith("#"))
        for index, line in enumerate(lines[:_LINES], start=1)
    ]
    return Listing(tuple(shown), max(0, len(lines) - _LINES))


def _add(notes: list[Note], note: Note) -> None:
    """Add a note; of the parts of one chained comparison the one that binds speaks for all."""
    states = {"slack", "binds"}
    if note.text in states:
        for index, other in enumerate(notes):
            if other.text in states:
                notes[index] = other if other.text == "binds" else note
                return
    notes.append(note)


def _tidy(line: str) -> str:
    return visible(line.rstrip("\r").expandtabs(4)[:_COLUMNS])


def _note(outcome: GoalOutcome, row: OutcomeRow) -> Note:
    if outcome.observable is None or outcome.predicted is None:
        return Note(row.state, row.tone)
    size = row.predicted + (f" {row.unit}" if row.unit else "")
    if outcome.in_sd is not None and outcome.unit != "sd":
        size = f"{row.in_sd} sd"
    return Note(f"{size}, {row.state}", row.tone)
