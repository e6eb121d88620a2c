"""The stored parser tables belong to the grammar, and the builder to its rules."""

import json
from collections.abc import Iterator

import lark
import pytest

from pattern_lang.resources import grammar_file
from pattern_lang.syntax.build import _METHOD, Builder
from pattern_lang.syntax.parser import (
    GRAMMAR,
    TABLES,
    build_parser,
    grammar_digest,
    parser,
    tables,
)

# Rebuild with `python -m pattern_lang.syntax.parser`.
STORED = json.loads(grammar_file(TABLES).read_text(encoding="utf-8"))


def rules(built: lark.Lark) -> set[str]:
    """Return the names of the rules that leave a node in the tree."""
    names = {str(rule.origin.name) for rule in built.rules}
    return {name for name in names if not name.startswith("_")}


@pytest.fixture(scope="module")
def strict() -> lark.Lark:
    pytest.importorskip("interegular")
    return build_parser(strict=True)


def test_the_tables_belong_to_the_grammar() -> None:
    # The digest holds lark's version too: under another lark the tables are built at each start.
    if STORED["lark"] != lark.__version__:
        pytest.skip(f"the tables were made with lark {STORED['lark']}")
    assert STORED["digest"] == grammar_digest()
    # JSON has text keys only, so the fresh tables go through it before they are compared.
    fresh = json.loads(json.dumps(tables()))
    assert {name: sizes(STORED, name) for name in SHAPE} == {n: sizes(fresh, n) for n in SHAPE}
