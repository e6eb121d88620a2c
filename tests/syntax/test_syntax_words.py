"""Words: which are reserved, what they begin, what their documentation is."""

import pytest

from pattern_lang.diagnostics import Problem, SourceFile
from pattern_lang.diagnostics.suggest import closest, near
from pattern_lang.semantics.core import MODEL_METHODS, core_functions
from pattern_lang.semantics.units import UNIT_NAMES
from pattern_lang.syntax import ast, words
from pattern_lang.syntax.parser import parser
from pattern_lang.syntax.recover import parse
from tests.syntax.shown import file

RESERVED = """
edition use as param model data observable def rules apply pattern study reweight per shift raise
lower hold move along by within require minimize maximize estimate schedule emit arms seeds using
measure every where in and or not true false
""".split()


def test_the_reserved_words() -> None:
    assert sorted(RESERVED) == sorted(words.RESERVED)
    # The lexer reserves the same ones.
    strings = {str(t.pattern.value) for t in parser().terminals if t.pattern.type == "str"}
    assert {text for text in strings if text.isalpha()} == set(RESERVED)


def test_no_reserved_word_names_anything() -> None:
    for word in RESERVED:
        assert "PAT0005" in {p.code for p in _problems(f"param {word}: Real = 1")}
        assert file(f"param x: Real = row.{word} + {word}_ + x{word}").declarations


def _problems(text: str) -> tuple[Problem, ...]:
    return parse(SourceFile("spec.pat", text))[1]


def test_no_argument_is_called_by_a_reserved_word() -> None:
    signatures = [s for found in core_functions().values() for s in found]
    for signature in (*signatures, *MODEL_METHODS.values()):
        assert signature.name not in words.RESERVED
        assert not {formal.name for formal in signature.formals} & words.RESERVED


def test_units_are_those_of_the_semantics() -> None:
    assert {*words.UNITS, "%"} == set(UNIT_NAMES)


def test_every_form_is_one_that_parses_up_to_its_placeholders() -> None:
    for keyword, form in words.STATEMENTS.items():
        assert form.startswith(keyword)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("shfit", "shift"),
        ("maximise", "maximize"),
        ("Pattern", "pattern"),
        ("import", "use"),
        ("increase", "raise"),
        ("dataset", "data"),
        ("zebra", None),
        ("x", None),
    ],
)
def test_what_a_word_was_meant_to_be(word: str, meant: str | None) -> None:
    assert words.meant(word, words.STATEMENTS) == meant


def test_only_statements_that_may_stand_there_are_suggested() -> None:
    assert words.meant("import", ("shift", "raise")) is None


SLIPS = {
    ("lss", ("loss", "llc")): ["loss"],
    ("ml", ("lm", "text")): ["lm"],
    ("True", ("true",)): ["true"],
    ("domain", ("min", "mean", "main")): ["main"],
    ("x", ("y", "z")): [],
    ("abcdef", ("uvwxyz",)): [],
    ("sgdl", ("sgd", "sgld", "adam")): ["sgd", "sgld"],
}


def test_slips() -> None:
    assert {key: near(*key) for key in SLIPS} == SLIPS
    assert closest("lss", ("loss",)) == "did you mean `loss`?"
    assert closest("sgdl", ("sgd", "sgld")) == "did you mean `sgd` or `sgld`?"
    assert closest("x", ("loss",), "look it up") == "look it up"


DOCUMENTED = """# a plain comment is no doc
## One line.
edition 2026
## First.
##   Indented, and "quoted".

# not this

## Last.
param a: Real = 1 ## not a doc of a, but of b
param b: String = "## no doc"
param c: Real = 1
pattern p {
  ## of a statement: nobody's
  emit e
}
"""


def test_documentation() -> None:
    found = file(DOCUMENTED).declarations
    docs = [declaration.doc for declaration in found]
    assert docs == [
        "One line.",
        'First.\n  Indented, and "quoted".\nLast.',
        "not a doc of a, but of b",
        None,
        None,
    ]


def test_documentation_survives_errors_elsewhere() -> None:
    text = "param a Real = 1\n## Doc.\nparam b: Real = 2"
    found, problems = parse(SourceFile("spec.pat", text))
    assert len(problems) == 1
    (param,) = found.declarations
    assert isinstance(param, ast.Param)
    assert param.doc == "Doc."
