"""`pat fmt` on specs written at random, in odd layouts, with comments anywhere."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pattern_lang.diagnostics import SourceFile
from pattern_lang.syntax.formatting import format_source
from pattern_lang.syntax.formatting.pieces import words_of
from pattern_lang.syntax.recover import parse
from tests.property.loosen import loosen
from tests.property.writer import write

MANY, PART = 10_000, 2_500
SEEDS = st.integers(0, 2**32)


def check_round_trip(seed: int) -> None:
    """Format a spec: the same tree, every token and comment, and a fixed point."""
    random = Random(seed)
    text = write(seed, random.choice((0.0, 0.0, 0.2)))
    if random.random() < 0.8:
        text = loosen(text, random, random.choice((0.0, 0.02, 0.2)))
    formatted = format_source(text)
    assert tree(formatted) == tree(text)
    assert tokens(formatted) == tokens(text)
    assert comments(formatted) == comments(text)
    assert format_source(formatted) == formatted
    lines = formatted.split("\n")
    assert not [line for line in lines if line != line.rstrip() or "\t" in line.split("#")[0]]


def tree(text: str) -> object:
    found, problems = parse(SourceFile("spec.pat", text))
    assert problems == ()
    return found.declarations


def tokens(text: str) -> list[str]:
    """Return the tokens; a comma before a closing bracket is layout."""
    words = [word.text for word in words_of(text) if not word.is_comment]
    following = [*words[1:], ""]
    return [w for w, n in zip(words, following, strict=True) if w != "," or n not in (*")]}",)]


def comments(text: str) -> Counter[str]:
    return Counter(word.text for word in words_of(text) if word.is_comment)


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_formatting_keeps_everything(seed: int) -> None:
    check_round_trip(seed)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_layout_alone_makes_no_difference(seed: int) -> None:
    # Comments and blank lines stay where they are; without them there is one layout.
    words = [word.text for word in words_of(write(seed)) if not word.is_comment]
    tight = format_source(" ".join(words))
    assert format_source(tight.replace("\n", "  \n\t")) == tight
    assert format_source("\n".join(words)) == tight


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", range(0, MANY, PART))
def test_many_specs_round_trip(first: int) -> None:
    for seed in range(first, first + PART):
        try:
            check_round_trip(seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
