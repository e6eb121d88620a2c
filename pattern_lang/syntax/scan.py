"""A forgiving scan of a text into words, signs and brackets: what recovery steers by.

It never fails, whatever the text: characters that no token starts with are signs of their own.
"""

import re
from collections.abc import Container, Sequence

from attrs import frozen

_TOKEN = re.compile(
    r'(?P<string>"(?:\\.|[^"\\\n])*"?)|(?P<comment>\#[^\n]*)'
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<field>\.[ \t\r\n\f]*[^\W\d]\w*)|(?P<word>[^\W\d]\w*)"
    r"|(?P<bracket>[{}()\[\]])|(?P<sign>->|\.\.|[<>=!]=|[^ \t\r\n\f])"
)
_DOC = re.compile(r'(?P<comment>\#[^\n]*)|"(?:\\.|[^"\\\n])*"|\S')
_OUTER = re.compile(r'"(?:\\.|[^"\\\n])*"|\#[^\n]*|\.\.|\.[ \t\r\n\f]*[^\W\d]\w*|([^\W\d]\w*|[{}])')
_CLOSING = {"(": ")", "[": "]", "{": "}"}


@frozen
class Token:
    """A piece of text: a string, number, field, word, bracket or sign. Comments are left out."""

    kind: str
    text: str
    start: int
    first: bool
    """Whether it is the first on its line."""

    @property
    def end(self) -> int:
        """Return the offset just past it."""
        return self.start + len(self.text)


def scan(text: str) -> tuple[Token, ...]:
    """Return the tokens of a text, in order: all but what the grammar ignores."""
    found: list[Token] = []
    line = -1
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "sign"
        if kind != "comment":
            start = match.start()
            first = text.find("\n", line, start) >= 0 if found else True
            found.append(Token(kind, match.group(), start, first))
            line = match.end()
    return tuple(found)


def top_level(text: str, wanted: Container[str]) -> list[int]:
    """Return where these words stand outside all braces."""
    found, depth = [], 0
    for match in _OUTER.finditer(text):
        word = match.group(1)
        if word == "{":
            depth += 1
        elif word == "}":
            depth -= 1
        elif depth == 0 and word in wanted:
            found.append(match.start())
    return found


def unclosed(tokens: Sequence[Token]) -> Token | None:
    """Return the innermost bracket that these tokens leave open."""
    stack: list[Token] = []
    for token in tokens:
        if token.kind != "bracket":
            continue
        if token.text in _CLOSING:
            stack.append(token)
        elif stack and _CLOSING[stack[-1].text] == token.text:
            stack.pop()
    return stack[-1] if stack else None


def doc_comments(text: str) -> dict[int, str]:
    """Return the `##` comments by the offset of the first word or sign that follows them."""
    found: dict[int, str] = {}
    lines: list[str] = []
    for match in _DOC.finditer(text):
        if match.lastgroup != "comment":
            if lines:
                found[match.start()] = "\n".join(lines)
            lines = []
        elif match.group().startswith("##"):
            lines.append(match.group()[2:].removeprefix(" ").rstrip())
    return found
