"""From where the parser stopped in a statement to the problem that the user reads."""

import unicodedata
from typing import Any

import lark

from pattern_lang.diagnostics import Problem, SourceFile, Span
from pattern_lang.diagnostics.catalogue.syntax import (
    ReservedWord,
    UnexpectedCharacter,
    UnexpectedToken,
    UnfinishedStatement,
    UnknownStatement,
    UnterminatedString,
)
from pattern_lang.diagnostics.suggest import near
from pattern_lang.syntax import words
from pattern_lang.syntax.outline import Piece
from pattern_lang.syntax.scan import Token, unclosed

_CONNECTIVES = words.RESERVED - set(words.STATEMENTS)
_MEANT = {
    **dict.fromkeys("'‘’“”„«»`", 'write strings between double quotes: `"`'),
    **dict.fromkeys("−–—", "write a minus sign as `-`"),
    "≤": "write `<=`",
    "≥": "write `>=`",
    "≠": "write `!=`",
    "≡": "write `==`",
    "×": "write `*`",
    "·": "write `*`",
    "÷": "write `/`",
    "…": "write a range with two dots, such as `0..3`",
    "→": "write `->`",
    "∈": "write `in`",
    "∧": "write `and`",
    "∨": "write `or`",
    "¬": "write `not`",
    ";": "leave it out: every statement begins with a reserved word, so nothing separates them",
    "&": "write `and`",
    "|": "write `or`",
    "!": "write `not`, or `!=` between two values",
    "~": "write `not`",
    "$": "write the name of a `param` by itself",
    "\\": "leave it out: a statement goes on over line breaks",
    "@": "leave it out",
}
_SPACES = "write a plain space"


def unknown_statement(source: SourceFile, piece: Piece, allowed: tuple[str, ...]) -> Problem:
    """Return the problem of a word that begins no statement."""
    first = piece.tokens[0]
    span = _span(source, first)
    if first.text == "}":
        fact, short = "this `}` closes nothing", "no body is open here"
        return UnknownStatement(span=span, fact=fact, short=short, advice="remove it")
    intended = words.meant(first.text, words.STATEMENTS) if first.kind == "word" else None
    listed = ", ".join(f"`{word}`" for word in allowed)
    advice = f"did you mean `{intended}`?" if intended else f"a statement begins here with {listed}"
    fact, short = f"no statement begins with `{first.text}`", "not a statement"
    return UnknownStatement(span=span, fact=fact, short=short, advice=advice)


def mistake(source: SourceFile, piece: Piece, error: lark.UnexpectedInput, offset: int) -> Problem:
    """Return what is wrong with a statement; `offset` leads from the parser's place to ours."""
    if isinstance(error, lark.UnexpectedCharacters):
        return _character(source, piece, (error.pos_in_stream or 0) + offset)
    assert isinstance(error, lark.UnexpectedToken)
    token: Any = error.token
    start = token.start_pos + offset
    if token.type == "$END" or not piece.tokens or start >= piece.end:
        return _unfinished(source, piece, set(error.accepts))
    here = Span(source, start, token.end_pos + offset)
    return _token(source, piece, here, error)


def _span(source: SourceFile, token: Token) -> Span:
    return Span(source, token.start, token.end)


def _character(source: SourceFile, piece: Piece, position: int) -> Problem:
    character = source.text[position]
    if character == '"':
        end = source.text.find("\n", position)
        end = len(source.text) if end < 0 else end
        end = position + len(source.text[position:end].rstrip())
        return UnterminatedString(span=Span(source, position, end))
    name = unicodedata.name(character, f"U+{ord(character):04X}").lower()
    shown = character if character.isprintable() else f"\\u{{{ord(character):x}}}"
    span = _quoted(source, position)
    end = span.end
    return UnexpectedCharacter(
        span=span,
        character=shown,
        name=name,
        advice=_advice_on(source.text, position, end),
    )


def _quoted(source: SourceFile, position: int) -> Span:
    """Return the place of a character, or of the whole text where it quotes one."""
    pairs = {"'": "'", "‘": "’", "“": "”", "„": "“", "«": "»", "`": "`"}
    closing = pairs.get(source.text[position])
    line_end = source.text.find("\n", position)
    line_end = len(source.text) if line_end < 0 else line_end
    end = source.text.find(closing, position + 1, line_end) if closing else -1
    return Span(source, position, end + 1 if end > 0 else position + 1)


def _advice_on(text: str, position: int, end: int) -> str:
    character = text[position]
    if end > position + 1:
        return f'write `"{text[position + 1 : end - 1]}"`'
    if character == "." and text[:position].rsplit("\n", 1)[-1].lstrip().startswith("use"):
        return "name a module, such as `std.tokens`"
    if character == ".":
        digits = text[position + 1 : position + 2].isdigit()
        return "write a zero before the point: `0.5`" if digits else "write `5.0`, or leave it out"
    if unicodedata.category(character) == "Zs":
        return _SPACES
    return _MEANT.get(character, "remove it, or put it in a string")


def _unfinished(source: SourceFile, piece: Piece, accepted: set[str]) -> Problem:
    bracket = unclosed(piece.tokens)
    if bracket is not None and _CLOSING[bracket.text] not in accepted:
        bracket = None
    form = _form(piece)
    end = piece.end if piece.tokens else len(source.text)
    return UnfinishedStatement(
        span=Span(source, end, end),
        what=f"this `{piece.keyword}`" if form else "the value",
        expected=f"`{_CLOSES[bracket.text]}`" if bracket else _expected(piece, None, accepted),
        form=form,
        opened=None if bracket is None else _span(source, bracket),
    )


def _form(piece: Piece) -> str:
    texts = {token.text for token in piece.tokens}
    form = words.form_of(piece.keyword, instance="=" in texts, parameters="(" in texts)
    return f"the form is `{form}`" if form else ""


def _token(source: SourceFile, piece: Piece, here: Span, error: lark.UnexpectedToken) -> Problem:
    word, accepted = here.text, set(error.accepts)
    number = next(i for i, token in enumerate(piece.tokens) if token.end > here.start)
    following = piece.tokens[number + 1].text if number + 1 < len(piece.tokens) else ""
    if word in words.RESERVED and "NAME" in accepted:
        as_name = word not in _CONNECTIVES or not words.takes_expression(accepted)
        if following == ":" and unclosed(piece.tokens[:number]):
            fact, advice = "no argument is called that", "check how the argument is called"
            return ReservedWord(span=here, word=word, fact=fact, advice=advice)
        if as_name:
            fact, advice = "nothing can be called that", f"choose another name, such as `{word}_`"
            return ReservedWord(span=here, word=word, fact=fact, advice=advice)
    named = word == "=" and {"COLON", "RPAR"} <= accepted
    return UnexpectedToken(
        span=here,
        found=_describe(word, error),
        expected="`:`" if named else _expected(piece, number, accepted),
        advice=_advice(piece, number, word, accepted) if number else _form(piece),
    )


def _describe(word: str, error: lark.UnexpectedToken) -> str:
    if word in words.RESERVED:
        return f"the word `{word}`"
    kinds = {"NAME": "the name", "NUMBER": "the number", "STRING": "the string"}
    return f"{kinds.get(error.token.type, '')} `{word}`".strip()


def _expected(piece: Piece, number: int | None, accepted: set[str]) -> str:
    before = piece.tokens[:number]
    if accepted == {"NAME"} and before and before[-1].text in (":", "->"):
        return "a type"
    return words.expectation(accepted)


def _advice(piece: Piece, number: int, word: str, accepted: set[str]) -> str:
    """Return the next step for a word or sign out of place: a guess at what was meant."""
    before = piece.tokens[:number]
    previous, kind = before[-1].text, piece.tokens[number].kind
    following = piece.tokens[number + 1].text if number + 1 < len(piece.tokens) else ""
    bracket = unclosed(before)
    closable = bracket is not None and _CLOSING[bracket.text] in accepted
    if word == "=" and following in ("<", ">"):
        return f"write `{following}=`"
    if word == "=" and "COLON" in accepted and "RPAR" in accepted:
        return f"arguments are given with a colon: `{previous}: …`"
    if word == ":" and "DOTS" in accepted:
        return "a range is written with two dots, such as `0..3`"
    if word == previous == ",":
        return "remove one of the two commas"
    if word == "*" and previous == "*":
        return "powers are written `^`"
    if word in words.UNITS and "STAR_SLASH" in accepted:
        return f"a unit follows a number: write `{previous} * 1 {word}`"
    if kind == "word" and (slip := near(word, (name.lower() for name in accepted), most=1)):
        return f"did you mean `{slip[0]}`?"
    if "COMMA" in accepted and kind in ("word", "number", "string"):
        return "put a `,` between the two" + (", or close the bracket" if closable else "")
    if closable and bracket is not None:
        return f"close the `{bracket.text}` first"
    if word == "=" and "COMPARATOR" in accepted:
        return "equality is written `==`"
    if word in _OPENS and words.at_boundary(accepted):
        return f"remove the `{word}`, or open it with `{_OPENS[word]}`"
    return _form(piece)


_CLOSES = {"(": ")", "[": "]", "{": "}"}
_CLOSING = {"(": "RPAR", "[": "RSQB", "{": "RBRACE"}
_OPENS = {")": "(", "]": "[", "}": "{"}
