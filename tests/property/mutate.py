"""Damage to a spec: words lost, doubled, swapped and replaced, texts cut, odd characters."""

from collections.abc import Callable
from random import Random

from pattern_lang.syntax.scan import scan
from pattern_lang.syntax.words import RESERVED

ODD = (
    *("\0", "\x07", "\x1b[31m", "\r", "\u2028", "\u202e", "\ufeff", "\u200b", "\u00a0", "é"),
    *("\U0001f600", "\U000e0001", "≤", "“", "'", '"', "\\", "#", "##", ";", "$", "`", "̈", "ﬁ"),
)
SIGNS = (
    *("{", "}", "(", ")", "[", "]", ",", ":", "=", "==", "<=", "..", "->", "-", "+", "*", "^", "%"),
    *("1", "0.5", "1e999", ".", "w", "row", "row.x", "loss", "base", '"x"', "1 sd", "3 parsec"),
)
WORDS = (*SIGNS, *sorted(RESERVED))


def damage(text: str, random: Random) -> str:
    """Return a text with one to four mistakes in it."""
    for _ in range(random.randint(1, 4)):
        text = random.choice(_WAYS)(text, random)
    return text


def flood(text: str, random: Random) -> str:
    """Return a text with one line of a megabyte: a piece of it, or something odd, very often."""
    start, end = _place(text, random)
    piece = random.choice((text[start:end] + " ", *(sign + " " for sign in SIGNS), *ODD, "(", "x"))
    return text[:start] + piece * (1_000_000 // len(piece)) + text[end:]


def _place(text: str, random: Random) -> tuple[int, int]:
    """Return where some token of the text begins and ends."""
    tokens = scan(text)
    if not tokens:
        return 0, len(text)
    token = random.choice(tokens)
    return token.start, token.end


def _delete(text: str, random: Random) -> str:
    start, end = _place(text, random)
    return text[:start] + text[end:]


def _double(text: str, random: Random) -> str:
    start, end = _place(text, random)
    return text[:end] + " " + text[start:end] + text[end:]


def _swap(text: str, random: Random) -> str:
    (a, b), (c, d) = sorted((_place(text, random), _place(text, random)))
    return text if b > c else text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:]


def _replace(text: str, random: Random) -> str:
    start, end = _place(text, random)
    return f"{text[:start]} {random.choice(WORDS)} {text[end:]}"


def _insert(text: str, random: Random) -> str:
    at = random.randint(0, len(text))
    return text[:at] + random.choice((*ODD, *WORDS)) + text[at:]


def _cut(text: str, random: Random) -> str:
    at = random.randint(0, len(text))
    return random.choice((text[:at], text[at:]))


def _nest(text: str, random: Random) -> str:
    at, depth = _place(text, random)[0], random.choice((3, 60, 200))
    kind = random.choice(("(", "[", "{", "not ", "-", "f(", "x.y", "2^", "row."))
    return text[:at] + kind * depth + text[at:]


def _letter(text: str, random: Random) -> str:
    """Misspell: the likeliest mistake of all."""
    start, end = _place(text, random)
    at = random.randint(start, max(end - 1, start))
    return text[:at] + text[at + 1 :] if random.random() < 0.5 else text[:at] + "x" + text[at:]


_WAYS: tuple[Callable[[str, Random], str], ...] = (
    *(_delete, _delete, _double, _swap, _replace, _replace, _insert, _cut, _nest, _letter, _letter),
)
