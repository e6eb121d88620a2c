"""Write a whole file in the canonical layout, and prove that only the layout has changed."""

from collections import Counter

from pattern_lang.diagnostics import SourceFile
from pattern_lang.syntax.formatting.layout import INDENT, lines_of
from pattern_lang.syntax.formatting.pieces import Pieces, Statement, Word, cut, words_of
from pattern_lang.syntax.recover import parse
from pattern_lang.syntax.words import WITH_BODY

KEYWORD_WIDTH = 8
"""In a body, what follows the keywords starts in one column: the longest have eight letters."""


class Unproven(Exception):  # noqa: N818
    """The formatter would have changed more than the layout: a bug of ours."""


def format_source(text: str, name: str = "<format>") -> str:
    """Return a text without syntax errors in the canonical layout.

    Raises Unproven when the result does not have the same tree, the same comments, or is not a
    fixed point.
    """
    formatted = _write(cut(text))
    _prove(text, formatted, name)
    return formatted


def _prove(before: str, after: str, name: str) -> None:
    old, _ = parse(SourceFile(name, before))
    new, problems = parse(SourceFile(name, after))
    if problems or old.declarations != new.declarations:
        raise Unproven("the tree has changed")
    if _comments(before) != _comments(after):
        raise Unproven("a comment was lost or doubled")
    if _write(cut(after)) != after:
        raise Unproven("formatting again changes the text")


def _comments(text: str) -> Counter[str]:
    return Counter(word.text for word in words_of(text) if word.is_comment)


def _write(pieces: Pieces) -> str:
    lines: list[str] = []
    previous: Statement | None = None
    for statement in pieces.statements:
        if previous is not None and _blank_between(previous, statement):
            lines.append("")
        lines.extend(_statement(statement, 0))
        previous = statement
    if pieces.closing:
        lines.extend([""] if lines else [])
        lines.extend(_paragraphs(pieces.closing, ""))
    return "\n".join(lines) + "\n" if lines else ""


def _paragraphs(comments: list[Word], pad: str, until: Word | None = None) -> list[str]:
    """Return comments on lines of their own; blank lines between them, and after them, stay."""
    lines: list[str] = []
    for comment, follower in zip(comments, [*comments[1:], until], strict=False):
        lines.append(pad + comment.text)
        if follower is not None and follower.line > comment.end_line + 1:
            lines.append("")
    return lines


def _blank_between(previous: Statement, statement: Statement) -> bool:
    is_block = previous.body is not None or statement.body is not None
    new_kind = previous.keyword in ("edition", "use") and statement.keyword != previous.keyword
    return statement.blank_before or is_block or new_kind


def _statement(statement: Statement, indent: int) -> list[str]:
    pad = " " * indent
    inside = indent > 0
    width = KEYWORD_WIDTH if inside and statement.keyword not in WITH_BODY else 0
    above, lines = lines_of(statement.words, indent, width)
    result = _paragraphs(statement.before, pad, statement.words[0])
    result += [pad + comment for comment in above]
    lines[0] = pad + lines[0]
    if statement.body is None:
        if statement.after is not None:
            lines[-1] += f"  {statement.after.text}"
        return result + lines
    opening = f"  {statement.opening.text}" if statement.opening else ""
    closing = f"  {statement.after.text}" if statement.after else ""
    body = _body(statement, indent + INDENT)
    if not body and not opening:
        lines[-1] += " {}" + closing
        return result + lines
    lines[-1] += " {" + opening
    return [*result, *lines, *body, pad + "}" + closing]


def _body(statement: Statement, indent: int) -> list[str]:
    lines: list[str] = []
    for inner in statement.body or []:
        if inner.blank_before and lines:
            lines.append("")
        lines.extend(_statement(inner, indent))
    lines.extend(_paragraphs(statement.closing, " " * indent))
    return lines
