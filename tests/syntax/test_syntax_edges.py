"""Texts at the edges: odd characters, very long lines, deep nesting, very many statements."""

import time

import pytest

from pattern_lang.diagnostics import Problem, SourceFile
from pattern_lang.syntax import ast
from pattern_lang.syntax.recover import MOST_ERRORS, MOST_NESTING, parse, parse_expression


def problems(text: str) -> tuple[Problem, ...]:
    return parse(SourceFile("spec.pat", text))[1]


def codes(text: str) -> list[str]:
    return [problem.code for problem in problems(text)]


ODD = {
    "\0": "PAT0001",
    "\x1b": "PAT0001",
    "\u00a0": "PAT0001",
    "\u200b": "PAT0001",
    "\u202e": "PAT0001",
    "\U0001f600": "PAT0001",
    "≤": "PAT0001",
    "'": "PAT0001",
    ";": "PAT0001",
    "|": "PAT0001",
    "$": "PAT0001",
    "`": "PAT0001",
    "=": "PAT0003",
    ",": "PAT0003",
    ")": "PAT0003",
    "a": "PAT0003",
    "2": "PAT0003",
    '"': "PAT0002",
}


def test_odd_characters() -> None:
    found = {odd: codes(f"param x: Real = b {odd}\nparam y: Real = 1\n") for odd in ODD}
    assert found == {odd: [code] for odd, code in ODD.items()}


def test_odd_characters_are_welcome_in_strings_and_comments() -> None:
    for odd in ODD:
        if odd != '"':
            assert codes(f'param x: String = "a{odd}b" # {odd}\n') == []


@pytest.mark.parametrize(
    "text", ["{", "}", "(", "= 1", "1 2", "hello world", "\0", "%", '"', "..."]
)
def test_texts_that_are_no_spec(text: str) -> None:
    assert codes(text)
    assert all(0 <= p.span.start <= p.span.end <= len(text) for p in problems(text) if p.span)


def test_a_line_of_a_megabyte() -> None:
    long = "x" * 1_000_000
    assert codes(f'# {long}\nparam x: String = "{long}"\n') == []
    assert codes(f"param {long} Real = 1\n") == ["PAT0003"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("(", ")"),
        ("[", "]"),
        ("f(", ")"),
        ("2 ^ ", ""),
        ("not (", ")"),
        ("(1 + ", ")"),
        ("f(x: ", ")"),
    ],
)
def test_deep_nesting_is_refused_and_hides_nothing(before: str, after: str) -> None:
    text = f"param a: Real = {before * 3000}1{after * 3000}\nparam b Int = 1\n"
    assert codes(text) == ["PAT0009", "PAT0003"]


@pytest.mark.parametrize("link", [".x", "[0]", "(1)", " ^ 2"])
def test_long_chains_of_links_are_refused(link: str) -> None:
    assert codes(f"param a: Real = b{link * 3000}\n") == ["PAT0009"]
    assert codes(f"param a: Real = b{link * (MOST_NESTING // 3)}\n") == []


@pytest.mark.parametrize("sign", ["-", "+ ", "not "])
def test_runs_of_signs_are_flat(sign: str) -> None:
    assert codes(f"param a: Real = {sign * 3000}1\n") == []


def test_ten_thousand_statements() -> None:
    text = "pattern p {\n" + "  require w <= 4\n" * 10_000 + "}\n"
    start = time.process_time()
    found, _ = parse(SourceFile("spec.pat", text))
    assert time.process_time() - start < 10
    (pattern,) = found.declarations
    assert isinstance(pattern, ast.Pattern)
    assert len(pattern.body) == 10_000


def test_errors_at_the_end_of_a_long_text_cost_little() -> None:
    text = "param a: Real = 1 + 2 * 3\n" * 4_000 + "param b Real = 1\n" * (MOST_ERRORS - 1)
    start = time.process_time()
    assert codes(text) == ["PAT0003"] * (MOST_ERRORS - 1)
    assert time.process_time() - start < 15


def test_a_body_full_of_declarations_costs_little() -> None:
    text = "pattern p {\n" + "param a: Real = 1\n" * 8_000 + "}\n"
    start = time.process_time()
    assert codes(text)[0] == "PAT0010"
    assert time.process_time() - start < 15


def test_giving_up() -> None:
    text = "param b Real = 1\n" * (MOST_ERRORS + 5)
    assert codes(text) == ["PAT0003"] * MOST_ERRORS + ["PAT0011"]
    # What was not read is not judged: nothing is declared, so no name can be missing.
    found, _ = parse(SourceFile("spec.pat", text + "param seen: Real = 1\n"))
    assert found.declarations == ()
    assert {"b", "seen"} <= found.lost


def test_a_value_by_itself() -> None:
    def read(text: str) -> tuple[str | None, list[str]]:
        value, found = parse_expression(SourceFile("<-p x>", text))
        return value.span.text if value else None, [problem.code for problem in found]

    assert read("2 sd") == ("2 sd", [])
    assert read("  -1e-3 # note") == ("-1e-3", [])
    assert read('[1, "a"]') == ('[1, "a"]', [])
    assert read("") == (None, ["PAT0004"])
    assert read("# note") == (None, ["PAT0004"])
    assert read("2 *") == (None, ["PAT0004"])
    assert read("2 3") == (None, ["PAT0003"])
    assert read("2;") == (None, ["PAT0001"])
    assert read('"a') == (None, ["PAT0002"])
    assert read("data") == (None, ["PAT0005"])
    assert read("(" * 500 + "1" + ")" * 500) == (None, ["PAT0009"])
    assert read("2 param y: Real = 1") == ("2", ["PAT0003"])
