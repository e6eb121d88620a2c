"""What expressions become: precedence, flat chains, calls, literals."""

from decimal import Decimal

import pytest

from pattern_lang.syntax import ast
from tests.syntax.shown import expression, file

LITERALS = {
    "3": "3",
    "0.5": "0.5",
    "1e-3": "1e-3",
    "2E+10": "2E+10",
    "1 sd": "1:sd",
    "50 %": "50:%",
    "50%": "50:%",
    "1sd": "1:sd",
    "500 parsec": "500:parsec",
    "true": "true",
    "false": "false",
    "größe": "größe",
    "_x1": "_x1",
    "[]": "(listof [])",
    "[1]": "(listof [1])",
    "[1, 2,]": "(listof [1 2])",
    "(1)": "1",
    "((a))": "a",
}
STRINGS = {
    r'""': "",
    r'"a b"': "a b",
    r'"\n\t\"\\"': '\n\t"\\',
    r'"\u{41}\u{1F600}"': "A😀",
    '"数据 # no comment"': "数据 # no comment",
    '"{} [] ()"': "{} [] ()",
}
CHAINS = {
    "a + b - c": "(a + b - c)",
    "a * b / c": "(a * b / c)",
    "a - (b - c)": "(a - (b - c))",
    "1 + 2 * 3": "(1 + (2 * 3))",
    "(1 + 2) * 3": "((1 + 2) * 3)",
    "-a": "(signed - a)",
    "+a": "(signed + a)",
    "--a": "(signed + a)",
    "-+-+-a": "(signed - a)",
    "-a * b": "((signed - a) * b)",
    "a * -b": "(a * (signed - b))",
    "-a ^ 2": "(signed - (power a 2))",
    "a ^ -2": "(power a (signed - 2))",
    "a ^ b ^ c": "(power a (power b c))",
    "2 ^ 3 * 4": "((power 2 3) * 4)",
    "a[0] ^ 2": "(power (subscript a [0]) 2)",
}
RELATIONS = {
    "0 <= w <= 4": "(0 <= w <= 4)",
    "a < b != c": "(a < b != c)",
    "a == 1 + 2": "(a == (1 + 2))",
    "x in [1, 2]": "(x in (listof [1 2]))",
    "0 .. 3": "(range 0 3)",
    "0..3": "(range 0 3)",
    "0..n - 1": "(range 0 (n - 1))",
    "not a": "(negation a)",
    "not not a": "(negation (negation a))",
    "not not not a": "(negation a)",
    "not a == b": "(negation (a == b))",
    "a and b and c": "(logical and [a b c])",
    "a or b and c": "(logical or [a (logical and [b c])])",
    "not a and b": "(logical and [(negation a) b])",
    "d where p": "(where d [p])",
    "d where p where q": "(where d [p q])",
    "d where p or q": "(where d [(logical or [p q])])",
}
CALLS = {
    "f()": "(call f [])",
    "f(1, x: 2,)": "(call f [1 x=2])",
    "f(x: 1, 2)": "(call f [x=1 2])",
    "f(a)(b)": "(call (call f [a]) [b])",
    "t.head(m, 0)": "(call (attribute t head) [m 0])",
    "f[i, j]": "(subscript f [i j])",
    "f[0](1).x": "(attribute (call (subscript f [0]) [1]) x)",
    "row.data": "(attribute row data)",
    "row . data": "(attribute row data)",
    "row.x.y": "(attribute (attribute row x) y)",
    "-f(x)": "(signed - (call f [x]))",
    'f(d where row.x == "a", on: e)': "(call f [(where d [((attribute row x) == 'a')]) on=e])",
}


@pytest.mark.parametrize(
    "table", [LITERALS, CHAINS, RELATIONS, CALLS], ids="lit sum rel call".split()
)
def test_expressions(table: dict[str, str]) -> None:
    assert {text: expression(text) for text in table} == table


def test_strings() -> None:
    assert {text: expression(text) for text in STRINGS} == {
        text: repr(value) for text, value in STRINGS.items()
    }


def test_layout_means_nothing() -> None:
    for text, shown in (CHAINS | RELATIONS | CALLS).items():
        assert expression(text.replace(" ", " \n\t\r\n ")) == shown
        if " . " not in text:
            assert expression(text.replace(" ", "  # a note\n\t")) == shown


def test_numbers_are_exact() -> None:
    (found,) = file("param x: Real = 0.1").declarations
    assert isinstance(found, ast.Param)
    assert found.value == ast.Number(found.span, Decimal("0.1"), "0.1")


def test_long_sums_are_flat() -> None:
    (found,) = file("param x: Real = " + " + ".join(["1"] * 5000)).declarations
    assert isinstance(found, ast.Param)
    assert isinstance(found.value, ast.Chain)
    assert len(found.value.rest) == 4999


def test_names_may_hold_reserved_words() -> None:
    for name in ("shiftx", "x_shift", "datas", "inn", "ands", "trueish", "byte", "sd", "token"):
        assert expression(f"{name} + {name}") == f"({name} + {name})"
