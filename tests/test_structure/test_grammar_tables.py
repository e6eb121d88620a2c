"""The stored parser tables belong to the grammar, and the builder's methods to its rules."""

import json
from hashlib import sha256
from pathlib import Path

import lark
import pytest

from pattern_lang.resources import grammar_file
from pattern_lang.syntax.build import _METHOD, Builder
from pattern_lang.syntax.parser import TABLES, build_parser, grammar_digest, grammar_text, parser
from tests.test_structure.rooms import ROOT

REBUILD = "the tables are of another grammar: run `python -m pattern_lang.syntax.parser`"
MADE_WITH = {"1.3.1", lark.__version__}
SPECS = sorted([*ROOT.glob("examples/*/*.pat"), *ROOT.glob("stdlib/*.pat")])

# Methods of the builder that help the others and belong to no rule.
HELPERS = {"doc", "identifier", "optional", "parts", "span"}


def stored_digest() -> str:
    stored = json.loads(grammar_file(TABLES).read_text(encoding="utf-8"))
    return str(stored["digest"])


@pytest.fixture(scope="module")
def strict() -> lark.Lark:
    """Build with the check for terminals that collide: it raises when two do."""
    pytest.importorskip("interegular")
    return build_parser(strict=True)


def test_the_tables_belong_to_the_grammar() -> None:
    # The digest covers lark's version as well; another lark builds its own tables at each start.
    known = {sha256(f"{lark_}\n{grammar_text()}".encode()).hexdigest() for lark_ in MADE_WITH}
    assert grammar_digest() in known
    assert stored_digest() in known, REBUILD


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_tables_parse_as_the_grammar_does(spec: Path, strict: lark.Lark) -> None:
    text = spec.read_text(encoding="utf-8")
    assert parser().parse(text) == strict.parse(text)


def test_every_rule_has_a_method_and_every_method_a_rule(strict: lark.Lark) -> None:
    rules = {str(rule.origin.name) for rule in strict.rules}
    wanted = {_METHOD.get(rule, rule) for rule in rules if not rule.startswith("_")}
    methods = {name for name, value in vars(Builder).items() if callable(value)}
    assert wanted == {name for name in methods - HELPERS if not name.startswith("_")}
