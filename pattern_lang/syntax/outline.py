"""The statements of a text that does not parse: where each begins and ends.

Every statement begins with a reserved word, so a text falls into its statements even where some
of them are broken. The hard part is to tell a word that begins a statement from a reserved word
used as a name, and a misspelt first word from the rest of an expression.
"""

from collections.abc import Sequence

from attrs import define, frozen

from pattern_lang.diagnostics.suggest import near
from pattern_lang.syntax import words
from pattern_lang.syntax.scan import Token

_CONTINUES = words.RESERVED - set(words.STATEMENTS) - {"not", "true", "false"}
_CLOSERS = {")", "]", "}"}


@frozen
class Piece:
    """One statement: its tokens, the first of which says what it is."""

    tokens: tuple[Token, ...]

    @property
    def keyword(self) -> str:
        """Return its first word, reserved or not."""
        return self.tokens[0].text if self.tokens else ""

    @property
    def start(self) -> int:
        """Return where it begins."""
        return self.tokens[0].start

    @property
    def end(self) -> int:
        """Return where its last token ends."""
        return self.tokens[-1].end


@frozen
class Block:
    """A `pattern`, `rules` or `study` with a body.

    `opened` and `closed` are its braces, None where they are missing; `before` is the statement
    in front of which the missing `}` was noticed.
    """

    head: Piece
    opened: Token | None
    items: tuple[Piece, ...]
    closed: Token | None
    before: Token | None = None


Item = Piece | Block


def outline(tokens: Sequence[Token]) -> tuple[Item, ...]:
    """Return the statements of a text."""
    return _Outliner(tokens).items()


@define
class _Outliner:
    """Walks over tokens.

    `extra` counts the `{` that open no body and are not closed yet; `brace` is the next brace, as
    far as it is known.
    """

    tokens: Sequence[Token]
    at: int = 0
    extra: int = 0
    brace: int = -1

    def items(self) -> tuple[Item, ...]:
        found: list[Item] = []
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.text == "}":
                self.at += 1
                if not self.closes_extra():
                    found.append(Piece((token,)))
                continue
            piece = self.piece()
            has_body = self.opens_body(piece)
            found.append(self.block(piece) if has_body else piece)
        return tuple(found)

    def opens_body(self, piece: Piece) -> bool:
        if piece.keyword not in words.WITH_BODY:
            return False
        following = self.tokens[self.at] if self.at < len(self.tokens) else None
        if following is not None and following.text == "{":
            return True
        # A head without its brace still owns the goals that follow it.
        is_instance = any(token.text == "=" for token in piece.tokens)
        return not is_instance

    def block(self, head: Piece) -> Block:
        opened = closed = before = None
        if self.at < len(self.tokens) and self.tokens[self.at].text == "{":
            opened = self.tokens[self.at]
            self.at += 1
        items: list[Piece] = []
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.text == "}":
                self.at += 1
                if self.closes_extra():
                    continue
                closed = token
                break
            if token.text in words.DECLARATIONS and (opened is None or self.ends_body()):
                before = token
                break
            items.append(self.piece())
        return Block(head, opened, tuple(items), closed, before)

    def closes_extra(self) -> bool:
        self.extra -= 1
        if self.extra >= 0:
            return True
        self.extra = 0
        return False

    def ends_body(self) -> bool:
        """Tell whether a declaration in a body shows that its `}` is missing.

        It does when the next brace opens another body, or there is none.
        """
        if self.brace < self.at:
            self.brace = self.next_brace()
        return self.brace == len(self.tokens) or self.tokens[self.brace].text == "{"

    def next_brace(self) -> int:
        """Return where the next brace is that belongs to no `use`, or the end of the tokens."""
        used = inside = False
        for number in range(self.at, len(self.tokens)):
            text = self.tokens[number].text
            used = text == "use" if text in words.STATEMENTS else used
            if text == "{" and used:
                inside = True
            elif text == "}" and inside:
                used = inside = False
            elif text in ("{", "}"):
                return number
        return len(self.tokens)

    def piece(self) -> Piece:
        """Take the statement that begins here, up to the next one or the end of the body."""
        start = self.at
        head = self.tokens[start].text in words.WITH_BODY
        stack: list[str] = []
        self.at += 1
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.text == "{" and head:
                break
            if token.text == "}" and "{" not in stack:
                break
            if token.kind == "word" and self.begins(start, bool(stack)):
                break
            if token.kind == "bracket":
                _nest(stack, token.text)
            self.at += 1
        if self.tokens[start].text != "use":
            self.extra += stack.count("{")
        return Piece(tuple(self.tokens[start : self.at]))

    def begins(self, start: int, nested: bool) -> bool:
        """Tell whether the word here begins another statement than the one from `start`."""
        token, previous = self.tokens[self.at], self.tokens[self.at - 1]
        following = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else None
        if token.text in words.STATEMENTS:
            return _begins_known(token, previous, following, nested)
        # `import std`, `per group row.field`: here two names stand side by side.
        unknown = self.tokens[start].text not in words.STATEMENTS
        side_by_side = (unknown and self.at - 1 == start) or self.tokens[self.at - 2].text == "per"
        return not side_by_side and _begins_unknown(token, previous, following, nested)


def _nest(stack: list[str], bracket: str) -> None:
    if bracket not in _CLOSERS:
        stack.append(bracket)
    elif stack:
        stack.pop()


def _begins_known(token: Token, previous: Token, following: Token | None, nested: bool) -> bool:
    """Tell a statement's first word from a reserved word where a name should stand."""
    sign = following.text if following is not None else ""
    if sign == ":" or (sign in {",", ")", "]"} and not token.first):
        return False
    if token.first:
        return not (nested and not _ends_value(previous) and sign in {",", ")", "]", "."})
    if _ends_value(previous):
        return True
    if following is None or following.first or following.text in _CONTINUES:
        return False
    return following.kind in ("number", "string") or (
        following.kind == "word" and not nested and previous.text not in words.STATEMENTS
    )


def _begins_unknown(token: Token, previous: Token, following: Token | None, nested: bool) -> bool:
    """Tell whether a name stands where only a statement can, so is one with its word misspelt."""
    unit = previous.kind == "number" and token.text in words.UNITS
    if token.text in words.RESERVED or unit:
        return False
    beside = following is not None and following.kind == "word" and not following.first
    if nested or not _ends_value(previous):
        # Two words side by side are no expression: the statement before stops too early.
        return token.first and beside and words.meant(token.text, words.STATEMENTS) is not None
    if token.first and (previous.kind != "number" or beside):
        return True
    if following is not None and following.text in {":", "=", "("} and not token.first:
        return False
    # After a number a single name is a unit, on whatever line, unless it is nearly a statement.
    return bool(near(token.text, words.STATEMENTS))


def _ends_value(token: Token) -> bool:
    if token.kind == "word":
        return token.text not in words.RESERVED or token.text in ("true", "false")
    return token.kind in ("number", "string", "field") or token.text in (")", "]", "}", "%")
