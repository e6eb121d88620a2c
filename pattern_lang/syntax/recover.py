"""Parse a text; on an error note it, blank the broken statement and parse again.

Blanking keeps every offset, so spans stay true. A statement never hides the next one.
"""

import re
import unicodedata
from typing import Any

import lark
from attrs import frozen

from pattern_lang.diagnostics import Problem, SourceFile, Span
from pattern_lang.diagnostics.catalogue.syntax import (
    MissingBrace,
    NestedTooDeeply,
    ReservedWord,
    StatementOutOfPlace,
    TooManyErrors,
    UnexpectedCharacter,
    UnexpectedToken,
    UnfinishedStatement,
    UnterminatedString,
)
from pattern_lang.syntax import ast, words
from pattern_lang.syntax.build import Builder
from pattern_lang.syntax.marks import (
    Mark,
    doc_comments,
    first_deeper_than,
    marks,
    opening_brace,
    statement_end,
)
from pattern_lang.syntax.parser import parser

MOST_ERRORS = 20
MOST_NESTING = 48
_DECLARED = re.compile(r"\b(?:param|model|data|observable|def|rules|pattern|study)\s+([^\W\d]\w*)")
_SUFFIX_RUN = re.compile(r"(?:\^\s*[+-]*\s*[\w.]+\s*){32}")


@frozen
class Repair:
    """What was wrong, and the text to go on with. `lost` is what was blanked."""

    problem: Problem
    text: str
    lost: str = ""


def parse(source: SourceFile) -> tuple[ast.File, tuple[Problem, ...]]:
    """Parse a source into a file, with every syntax error found on the way."""
    whole = Span(source, 0, len(source.text))
    too_deep = _nesting_problem(source)
    if too_deep is not None:
        return ast.File(whole, ()), (too_deep,)
    problems: list[Problem] = []
    lost: set[str] = set()
    text = source.text
    tree: lark.Tree[lark.Token] | None = None
    while tree is None:
        try:
            tree = parser().parse(text)
        except lark.UnexpectedInput as error:
            repair = _repair(source, text, error)
            problems.append(repair.problem)
            lost.update(_DECLARED.findall(repair.lost))
            text = repair.text
            if len(problems) >= MOST_ERRORS:
                problems.append(TooManyErrors(span=repair.problem.span, count=len(problems)))
                return ast.File(whole, (), frozenset(lost)), tuple(problems)
    builder = Builder(source, doc_comments(source.text))
    declarations = builder(tree) if tree.children else ()
    return ast.File(whole, declarations, frozenset(lost)), (*problems, *builder.problems)


def _nesting_problem(source: SourceFile) -> Problem | None:
    deep = first_deeper_than(source.text, MOST_NESTING)
    if deep is None:
        run = _SUFFIX_RUN.search(source.text)
        deep = run.start() if run else None
    if deep is None:
        return None
    return NestedTooDeeply(span=Span(source, deep, deep + 1), limit=MOST_NESTING)


def _repair(source: SourceFile, text: str, error: lark.UnexpectedInput) -> Repair:
    if isinstance(error, lark.UnexpectedCharacters):
        return _repair_character(source, text, error.pos_in_stream or 0)
    assert isinstance(error, lark.UnexpectedToken)
    if error.token.type == "$END":
        return _repair_end(source, text, error)
    return _repair_token(source, text, error)


def _repair_character(source: SourceFile, text: str, position: int) -> Repair:
    found = marks(text)
    character = text[position]
    problem: Problem
    if character == '"':
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        problem = UnterminatedString(span=Span(source, position, end))
    else:
        end = position + 1
        name = unicodedata.name(character, f"U+{ord(character):04X}").lower()
        shown = character if character.isprintable() else f"\\u{{{ord(character):x}}}"
        problem = UnexpectedCharacter(span=Span(source, position, end), character=shown, name=name)
    return _blank_statement(problem, text, found, position, end)


def _repair_end(source: SourceFile, text: str, error: lark.UnexpectedToken) -> Repair:
    found = marks(text)
    end = len(_without_trailing_comments(text))
    here = Span(source, max(end - 1, 0), end)
    brace = opening_brace(found, len(text))
    if "RBRACE" in error.accepts and brace is not None and words.at_boundary(_inside(error)):
        opened = Span(source, brace.start, brace.end)
        problem = MissingBrace(span=here, found="the end of the file", opened=opened)
        return Repair(problem, text + "\n}")
    last = next((mark for mark in reversed(found) if mark.text in words.STATEMENTS), None)
    if last is None:
        expected = words.expectation(error.accepts)
        return Repair(
            UnexpectedToken(span=here, found="the end of the file", expected=expected), ""
        )
    return _blank(_unfinished(here, last, error), text, last.start, len(text))


def _repair_token(source: SourceFile, text: str, error: lark.UnexpectedToken) -> Repair:
    token: Any = error.token
    start, end = token.start_pos, token.end_pos
    word, here, found = str(token), Span(source, start, end), marks(text)
    if word in words.STATEMENTS and words.at_boundary(_inside(error)):
        return _misplaced(source, text, found, Mark(word, start), error)
    previous = _statement_before(found, start)
    if word in words.RESERVED and error.accepts <= {"NAME", "STRING"}:
        problem: Problem = ReservedWord(span=here, word=word)
        return _blank_statement(problem, text, found, start, end)
    if word == "}" and words.at_boundary(_inside(error)):
        problem = UnexpectedToken(
            span=here, found="a `}` that closes nothing", expected="a declaration"
        )
        return _blank(problem, text, start, end)
    if (word in words.STATEMENTS or word == "}") and previous is not None:
        point = _end_of_previous(source, text, start)
        return _blank(_unfinished(point, previous, error), text, previous.start, start)
    problem = UnexpectedToken(
        span=here,
        found=_describe(token),
        expected=words.expectation(error.accepts),
        advice=_advice(previous),
    )
    if word == "}":
        return _blank(problem, text, start, end)
    return _blank_statement(problem, text, found, start, end)


def _misplaced(
    source: SourceFile, text: str, found: tuple[Mark, ...], mark: Mark, error: lark.UnexpectedToken
) -> Repair:
    here = Span(source, mark.start, mark.end)
    inside = "RBRACE" in error.accepts
    end = statement_end(found, mark.start, mark.end, len(text))
    next_brace = next((m.text for m in found if m.start > mark.start and m.text in "{}"), "}")
    if inside and mark.text in words.DECLARATIONS and next_brace == "{":
        brace = opening_brace(found, mark.start)
        opened = Span(source, brace.start, brace.end) if brace else None
        problem: Problem = MissingBrace(span=here, found=f"this `{mark.text}`", opened=opened)
        return Repair(problem, text[: mark.start - 1] + "}" + text[mark.start :])
    where, advice = _place_of(mark.text)
    problem = StatementOutOfPlace(span=here, keyword=mark.text, where=where, advice=advice)
    return _blank(problem, text, mark.start, end)


def _place_of(keyword: str) -> tuple[str, str]:
    if keyword in words.DECLARATIONS:
        return "it declares something for the whole file", "move it to the top level of the file"
    if keyword in words.GOALS:
        return (
            "it says something about weights",
            "put it inside `pattern NAME { … }` or `rules NAME(w: Weights) { … }`",
        )
    return "it belongs to a study", "put it inside `study NAME { … }`"


def _unfinished(span: Span, statement: Mark, error: lark.UnexpectedToken) -> UnfinishedStatement:
    return UnfinishedStatement(
        span=span,
        keyword=statement.text,
        expected=words.expectation(error.accepts),
        form=f"the form is `{words.STATEMENTS[statement.text]}`",
    )


def _advice(statement: Mark | None) -> str:
    return f"the form is `{words.STATEMENTS[statement.text]}`" if statement else ""


def _describe(token: Any) -> str:
    if str(token) in words.RESERVED:
        return f"the word `{token}`"
    kinds = {"NAME": "the name", "NUMBER": "the number", "STRING": "the string"}
    return f"{kinds.get(token.type, '')} `{token}`".strip()


def _inside(error: lark.UnexpectedToken) -> set[str]:
    return set(error.accepts)


def _without_trailing_comments(text: str) -> str:
    lines = text.rstrip().split("\n")
    while len(lines) > 1 and lines[-1].lstrip()[:1] in {"", "#"}:
        lines.pop()
    return "\n".join(lines).rstrip()


def _end_of_previous(source: SourceFile, text: str, before: int) -> Span:
    end = before
    while end > 0 and text[end - 1].isspace():
        end -= 1
    return Span(source, max(end - 1, 0), max(end, 1))


def _statement_before(found: tuple[Mark, ...], position: int) -> Mark | None:
    earlier = [m for m in found if m.start < position and m.text in words.STATEMENTS]
    return earlier[-1] if earlier else None


def _blank_statement(
    problem: Problem, text: str, found: tuple[Mark, ...], start: int, end: int
) -> Repair:
    """Blank the statement around `start..end`."""
    previous = next((mark for mark in reversed(found) if mark.start < start), None)
    begin = previous.start if previous and previous.text in words.STATEMENTS else start
    return _blank(problem, text, begin, statement_end(found, begin, end, len(text)))


def _blank(problem: Problem, text: str, start: int, end: int) -> Repair:
    gap = "".join(char if char == "\n" else " " for char in text[start:end])
    return Repair(problem, text[:start] + gap + text[end:], lost=text[start:end])
