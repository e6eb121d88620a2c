"""A quick scan of a text for what recovery steers by: statement words, braces, docs, nesting."""

import re

from attrs import frozen

from pattern_lang.syntax.words import STATEMENTS, WITH_BODY

_SCAN = re.compile(
    r'(?P<string>"(?:\\.|[^"\\\n])*"?)|(?P<comment>\#[^\n]*)|(?P<field>\.[ \t\r\n\f]*[^\W\d]\w*)'
    r"|(?P<word>[^\W\d]\w*)|(?P<bracket>[{}()\[\]])"
)


@frozen
class Mark:
    """A statement's first word or a brace, with its offset."""

    text: str
    start: int

    @property
    def end(self) -> int:
        """Return the offset just past it."""
        return self.start + len(self.text)


def marks(text: str) -> tuple[Mark, ...]:
    """Return the statement words and braces of a text, in order."""
    found = []
    for match in _SCAN.finditer(text):
        word = match.group()
        if (match.lastgroup == "word" and word in STATEMENTS) or word in {"{", "}"}:
            found.append(Mark(word, match.start()))
    return tuple(found)


def first_deeper_than(text: str, limit: int) -> int | None:
    """Return the offset of the first bracket nested deeper than a limit, or None."""
    depth = 0
    for match in _SCAN.finditer(text):
        if match.lastgroup == "bracket":
            depth += 1 if match.group() in "([{" else -1
            if depth > limit:
                return match.start()
    return None


def opening_brace(found: tuple[Mark, ...], before: int) -> Mark | None:
    """Return the last brace that is still open before an offset."""
    stack: list[Mark] = []
    for mark in found:
        if mark.start >= before:
            break
        if mark.text == "{":
            stack.append(mark)
        elif mark.text == "}" and stack:
            stack.pop()
    return stack[-1] if stack else None


def statement_end(found: tuple[Mark, ...], start: int, after: int, length: int) -> int:
    """Return where the statement that starts at `start` ends, at or after the offset `after`.

    A `pattern`, `rules` or `study` whose head is broken ends behind its body.
    """
    head = next((mark for mark in found if mark.start == start), None)
    following = [mark for mark in found if mark.start > start and mark.start >= after]
    if head is None or head.text not in WITH_BODY or not following or following[0].text != "{":
        return following[0].start if following else length
    depth = 0
    for mark in following:
        depth += {"{": 1, "}": -1}.get(mark.text, 0)
        if depth == 0 and mark.text == "}":
            return mark.end
    return length


def doc_comments(text: str) -> dict[int, str]:
    """Return the `##` comments by the offset of the first word or sign that follows them."""
    found: dict[int, str] = {}
    lines: list[str] = []
    for match in re.finditer(r'(?P<comment>\#[^\n]*)|"(?:\\.|[^"\\\n])*"|\S', text):
        if match.lastgroup != "comment":
            if lines:
                found[match.start()] = "\n".join(lines)
            lines = []
        elif match.group().startswith("##"):
            lines.append(match.group()[2:].removeprefix(" ").rstrip())
    return found
