"""A statement's tokens nested by their brackets, with the spaces between them."""

from collections.abc import Iterable

from attrs import define, field, frozen

from pattern_lang.syntax.formatting.pieces import Word
from pattern_lang.syntax.words import RESERVED

_PAIRS = {"(": ")", "[": "]", "{": "}"}
_TIGHT = {"^", ".."}
_ENDS_OPERAND = {"NAME", "NUMBER", "STRING", "ATTRIBUTE", "PERCENT", "RPAR", "RSQB"}


@frozen
class Spaced:
    """A token and whether a space stands before it."""

    word: Word
    space: bool


@define
class Group:
    """A bracket, its elements (split at commas), and what closes it.

    `follows` tells whether it stands behind an operand, as in a call or an index; `comments` of an
    element stand above it when the group is written over several lines.
    """

    opening: Spaced
    closing: str
    follows: bool = False
    elements: list["Element"] = field(factory=list)
    loose: list[Word] = field(factory=list)


@define
class Element:
    """What stands between two commas: tokens and groups, and the comments found in it."""

    parts: list["Spaced | Group"] = field(factory=list)
    comments: list[Word] = field(factory=list)
    after: Word | None = None


def nest(words: Iterable[Word]) -> Element:
    """Nest the tokens of a statement; the whole statement is one element."""
    root = Element()
    stack: list[tuple[Group | None, Element]] = [(None, root)]
    previous: Spaced | None = None
    comma_line = 0
    for word in words:
        group, element = stack[-1]
        if word.is_comment:
            _attach(group, element, word, comma_line)
            continue
        spaced = Spaced(word, previous is not None and _space_between(previous, word))
        follows = previous is not None and previous.word.kind in _ENDS_OPERAND
        previous = spaced
        if word.text in _PAIRS and word.kind != "STRING":
            inner = Group(spaced, _PAIRS[word.text], follows)
            element.parts.append(inner)
            inner.elements.append(Element())
            stack.append((inner, inner.elements[-1]))
        elif word.text in _PAIRS.values() and word.kind != "STRING" and group is not None:
            _close(group)
            stack.pop()
        elif word.kind == "COMMA" and group is not None:
            comma_line = word.end_line
            group.elements.append(Element())
            stack[-1] = (group, group.elements[-1])
        else:
            element.parts.append(spaced)
    return root


def _attach(group: Group | None, element: Element, comment: Word, comma_line: int) -> None:
    """Put a comment to its element: behind the one whose comma ends its line, else above."""
    if group is not None and not element.parts and len(group.elements) > 1:
        earlier = group.elements[-2]
        if comment.line == comma_line and earlier.after is None:
            earlier.after = comment
            return
    element.comments.append(comment)


def _close(group: Group) -> None:
    """Drop the empty element behind a last comma, keeping its comments."""
    if not group.elements[-1].parts:
        group.loose = group.elements.pop().comments


def _space_between(previous: Spaced, word: Word) -> bool:
    before = previous.word
    if word.kind in ("COMMA", "COLON", "ATTRIBUTE", "RPAR", "RSQB") or word.text in _TIGHT:
        return False
    if before.text in _TIGHT or before.kind in ("LPAR", "LSQB"):
        return False
    if before.kind == "SIGN":  # a binary one has a kind of its own
        return False
    if word.kind in ("LPAR", "LSQB"):
        return before.kind not in ("NAME", "ATTRIBUTE", "RPAR", "RSQB")
    return True


def mark_signs(words: Iterable[Word]) -> list[Word]:
    """Return the words with binary signs told from unary ones, by a kind of their own."""
    marked: list[Word] = []
    previous: Word | None = None
    for word in words:
        kind = word.kind
        if kind == "SIGN" and previous is not None:
            ends = previous.kind in _ENDS_OPERAND or previous.text in ("true", "false")
            is_word = previous.text in RESERVED and previous.kind not in _ENDS_OPERAND
            if ends and not is_word:
                kind = "BINARY_SIGN"
        marked.append(Word(kind, word.text, word.line, word.end_line))
        if not word.is_comment:
            previous = word
    return marked
