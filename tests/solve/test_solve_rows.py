"""Row predicates on columns."""

import numpy as np
import pytest

from pattern_lang.ir.rows import RowTypeError, UnknownFieldError, evaluate, fields_of
from pattern_lang.ir.sources import (
    Both,
    Comparison,
    Either,
    LibraryPredicate,
    Not,
    RowArithmetic,
    RowField,
    RowLiteral,
    Truth,
)

COLUMNS = {
    "x": np.array([1.0, 2.0, np.nan, 4.0]),
    "k": np.array([1, 0, 1, 0]),
    "name": np.array(["a", "b", "a", "c"], dtype=object),
    "fixed": np.array(["a", "b", "a", "c"]),
    "flag": np.array([True, False, True, True]),
}
X, K, NAME = RowField("x"), RowField("k"), RowField("name")


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("<", [1, 0, 0, 0]),
        ("<=", [1, 1, 0, 0]),
        ("==", [0, 1, 0, 0]),
        ("!=", [1, 0, 1, 1]),
        (">", [0, 0, 0, 1]),
        (">=", [0, 1, 0, 1]),
    ],
)
def test_comparisons(operator: str, expected: list[int]) -> None:
    found = evaluate(Comparison(operator, X, RowLiteral(2)), COLUMNS)
    assert found.dtype == np.bool_
    assert found.tolist() == [bool(e) for e in expected]


@pytest.mark.parametrize("field", ["name", "fixed"])
def test_strings(field: str) -> None:
    text = RowField(field)
    assert evaluate(Comparison("==", text, RowLiteral("a")), COLUMNS).tolist() == [1, 0, 1, 0]
    assert evaluate(Comparison("<", text, RowLiteral("b")), COLUMNS).tolist() == [1, 0, 1, 0]
    for operator in ("==", "!=", "<"):
        with pytest.raises(RowTypeError, match="compares a text with a number"):
            evaluate(Comparison(operator, text, RowLiteral(3)), COLUMNS)
    with pytest.raises(RowTypeError):
        evaluate(Comparison("<", RowArithmetic("+", text, K), RowLiteral(3)), COLUMNS)


@pytest.mark.parametrize(
    ("operator", "expected"),
    [("+", [2, 2]), ("-", [0, 2]), ("*", [1, 0]), ("/", [1, np.inf]), ("^", [1, 1])],
)
def test_arithmetic(operator: str, expected: list[float]) -> None:
    columns = {name: values[:2] for name, values in COLUMNS.items()}
    for place, value in enumerate(expected):
        test = Comparison("==", RowArithmetic(operator, X, K), RowLiteral(value))
        assert evaluate(test, columns)[place]


def test_logic() -> None:
    flag, one = Truth(RowField("flag")), Comparison("==", K, RowLiteral(1))
    assert evaluate(flag, COLUMNS).tolist() == [1, 0, 1, 1]
    assert evaluate(Both(flag, one), COLUMNS).tolist() == [1, 0, 1, 0]
    assert evaluate(Either(Not(flag), one), COLUMNS).tolist() == [1, 1, 1, 0]
    for field in (K, NAME):
        with pytest.raises(RowTypeError, match="has to be true or false"):
            evaluate(Truth(field), COLUMNS)


def test_unknown_fields_and_library_predicates() -> None:
    with pytest.raises(UnknownFieldError, match="`z`") as caught:
        evaluate(Comparison("==", RowField("z"), RowLiteral(1)), COLUMNS)
    assert caught.value.name == "z"
    repeats = LibraryPredicate("std.tokens.repeats", (("n", 2),))
    with pytest.raises(RowTypeError):
        evaluate(repeats, COLUMNS)
    every = evaluate(Not(repeats), COLUMNS, lambda predicate: np.ones(4, dtype=bool))
    assert not every.any()


def test_fields_of() -> None:
    made = Both(Comparison("<", RowArithmetic("+", X, K), RowLiteral(1)), Not(Truth(RowField("f"))))
    assert fields_of(made) == {"x", "k", "f"}
    assert fields_of(LibraryPredicate("p", ())) == frozenset()


def test_constants_alone() -> None:
    assert evaluate(Comparison("<", RowLiteral(1), RowLiteral(2)), COLUMNS).tolist() == [1] * 4
