"""The same spec in an odd layout: any white space between its tokens, comments anywhere."""

from itertools import count, pairwise
from random import Random

from pattern_lang.syntax.formatting.pieces import Word, words_of

GAPS = (*(" ",) * 12, "\n", "\n\n\n", "\t", "\r\n", "  \n\t ", "\n  ")
TIGHT = "()[]{},:"
NOTES = ("# a note {}", "#{}", "#  {}  ≤ \"x\" 'y' }}{{", "# pattern p{} {{", "#! {}\t")


def loosen(text: str, random: Random, notes: float = 0.03) -> str:
    """Return a text with the tokens and comments of another, and comments of its own."""
    words, number = list(words_of(text)), count()
    if not words:
        return text
    parts = []
    for word, follower in pairwise([*words, None]):
        assert word is not None
        parts.append(word.text)
        gap = _gap(word, follower, random)
        if random.random() < notes:
            gap += random.choice(NOTES).format(next(number)) + "\n"
        parts.append(gap)
    return "".join(parts)


def _gap(word: Word, follower: Word | None, random: Random) -> str:
    if word.is_comment:
        return random.choice(("\n", "\n  ", "\n\n\n", "\r\n"))
    texts = {word.text, follower.text if follower else ""}
    if random.random() < 0.4 and any(text and text in TIGHT for text in texts):
        return ""
    return random.choice(GAPS)
