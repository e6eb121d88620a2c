"""The page that names a test for every row of the language: complete, and true."""

import ast
import re
from functools import cache

import pytest

from pattern_lang.semantics.core import MODEL_METHODS, core_functions
from pattern_lang.semantics.types import TYPE_NAMES
from pattern_lang.semantics.units import UNIT_NAMES
from pattern_lang.syntax.words import STATEMENTS
from tests.test_structure.rooms import ROOT

PAGE = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (?!row \|)(.*?) \| (`.*`) \|$", re.MULTILINE)
ROWS = ROW.findall(PAGE)
CODE = re.compile(r"`([^`]+)`")
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


@cache
def functions_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("row", "tests"), ROWS, ids=[row for row, _ in ROWS])
def test_the_functions_in_a_row_exist(row: str, tests: str) -> None:
    names = CODE.findall(tests)
    assert names
    for name in names:
        path, _, function = name.partition("::")
        assert function in functions_in(path) if function else functions_in(path), name
        assert not function or function.startswith("test_")


def test_every_line_of_a_table_is_a_row() -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    assert len(lines) == len(ROWS) + len(SECTIONS)


def rows_of(section: str) -> set[str]:
    """Return the words that open the pieces of code in the rows of a section."""
    code = [piece for row, _ in ROW.findall(SECTIONS[section]) for piece in CODE.findall(row)]
    return {match[0] for piece in code if (match := re.match(r"%|\w+(\.\w+)?", piece))}


def test_every_word_type_unit_and_function_has_a_row() -> None:
    assert set(STATEMENTS) <= rows_of("Declarations") | rows_of("Statements")
    assert set(TYPE_NAMES) == rows_of("Types")
    assert set(UNIT_NAMES) <= rows_of("Units")
    sections = ("Models and data", "Observables and components", "Weights")
    found = {word for section in sections for word in rows_of(section)}
    found |= rows_of("Samplers, schedules, studies, targets")
    assert set(core_functions()) - found == set()
    assert {f"m.{name}" for name in MODEL_METHODS} <= found
