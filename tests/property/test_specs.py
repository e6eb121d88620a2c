"""Specs written at random: right ones check, wrong and damaged ones never break the compiler."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from pattern_lang.diagnostics import SourceFile
from pattern_lang.syntax.parser import parser
from pattern_lang.syntax.recover import parse
from tests.property.mutate import damage
from tests.property.soundness import check_soundly
from tests.property.writer import write

SEEDS = st.integers(0, 2**32)
CHAOS = st.sampled_from((0.0, 0.02, 0.1, 0.5))

# The writer does not keep goals on one observable apart.
ALLOWED = {"PAT3007"}


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_right_specs_check_without_errors(seed: int) -> None:
    spec = check_soundly(write(seed))
    assert {d.code for d in spec.diagnostics if d.is_error} <= ALLOWED


@settings(max_examples=60, deadline=None)
@given(SEEDS, CHAOS)
def test_specs_of_any_kinds_parse_and_check(seed: int, chaos: float) -> None:
    text = write(seed, chaos)
    assert parse(SourceFile("spec.pat", text))[1] == ()
    check_soundly(text)


@settings(max_examples=120, deadline=None)
@given(SEEDS, CHAOS, SEEDS)
def test_damaged_specs_are_diagnosed(seed: int, chaos: float, blows: int) -> None:
    check_soundly(damage(write(seed, chaos), Random(blows)))


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_any_text_is_diagnosed(text: str) -> None:
    check_soundly(text)


@settings(max_examples=50, deadline=None)
@given(SEEDS, SEEDS)
def test_reading_by_pieces_is_reading_the_whole(seed: int, blows: int) -> None:
    # The grammar alone decides what is a spec, however a text is cut up for the parser.
    text = write(seed)
    if blows % 3:
        text = damage(text, Random(blows))
    try:
        parser().parse(text)
        whole = True
    except Exception:
        whole = False
    codes = {problem.code for problem in parse(SourceFile("spec.pat", text))[1]}
    assert whole == (not codes - {"PAT0007", "PAT0008", "PAT0009"}) or text.startswith("\ufeff")


def test_the_writer_knows_the_whole_grammar() -> None:
    rules = {str(rule.origin.name) for rule in parser().rules if rule.origin.name[0] != "_"}
    written = {
        tree.data for seed in range(150) for tree in parser().parse(write(seed)).iter_subtrees()
    }
    assert rules - written == set()
