"""What remains of a text with errors: its other statements, names that are lost, gaps."""

import pytest

from pattern_lang.diagnostics import SourceFile
from pattern_lang.syntax import ast
from pattern_lang.syntax.recover import parse
from tests.syntax.shown import show


def read(text: str) -> tuple[list[str], list[str], set[str], list[str]]:
    """Return what can be read, the codes found, the names lost, and the texts of the gaps."""
    found, problems = parse(SourceFile("spec.pat", text))
    return (
        [show(item) for item in found.declarations],
        [problem.code for problem in problems],
        set(found.lost),
        [gap.text for gap in found.gaps],
    )


def body_of(text: str) -> list[str]:
    """Return what can be read of the statements of the first pattern, rules or study."""
    found, _ = parse(SourceFile("spec.pat", text))
    owner = found.declarations[0]
    assert isinstance(owner, (ast.Pattern, ast.Rules, ast.Study))
    return [show(item) for item in owner.body]


def test_a_broken_declaration_leaves_its_name() -> None:
    text = "param a Real = 1\nparam b: Real = 2"
    assert read(text) == (["(param b Real 2)"], ["PAT0003"], {"a"}, ["param a Real = 1"])


def test_the_complete_part_of_a_statement_is_kept() -> None:
    shown, codes, lost, gaps = read("param a: Real = 1;\nparam b: Real = 2 3")
    assert shown == ["(param a Real 1)", "(param b Real 2)"]
    assert codes == ["PAT0001", "PAT0003"]
    assert lost == set()
    assert gaps == ["param a: Real = 1;", "param b: Real = 2 3"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("mdoel lm = f()", {"lm"}),
        ("let x = 1", {"x"}),
        ("use std.tokens { a, b", {"a", "b", "std", "tokens", "w"} - {"tokens"}),
        ("def f(x -> Real = x", {"f"}),
        ("observable o[i in = x", {"o"}),
        ("hello world", set()),
    ],
)
def test_names_that_are_lost(text: str, names: set[str]) -> None:
    assert names <= read(text)[2]


def test_names_that_goals_mention_are_not_lost() -> None:
    assert read("pattern p { shfit icl by 1 sd raise icl 1 sd }")[2] == set()


def test_a_broken_reweight_still_gives_the_weights_a_name() -> None:
    assert read("pattern p { reweight d sample as v }")[2] == {"v", "w"}
    assert read("pattern p { rewieght d per sample as v }")[2] == {"v", "w"}


HEADS = {
    "pattern p(s: Real { hold o within q }": "p",
    "pattern p s { hold o within q }": "p",
    "rules p { hold o within q }": "p",
    "pattern p\n hold o within q }": "p",
    "pattern p hold o within q": "p",
}


def test_a_body_outlives_its_head() -> None:
    for text, name in HEADS.items():
        found, problems = parse(SourceFile("spec.pat", text))
        assert len(problems) == 1, text
        (owner,) = found.declarations
        assert isinstance(owner, (ast.Pattern, ast.Rules))
        assert owner.name.name == name
        assert body_of(text) == ["(goal hold o q)"]


def test_a_body_without_a_name_is_read_too() -> None:
    for text in ("pattern { hold o within q }", "pattern data { hold o within q }"):
        assert body_of(text) == ["(goal hold o q)"]
    # Two of them are not the same name twice.
    found, _ = parse(SourceFile("spec.pat", "pattern { }\npattern { }"))
    names = {d.name.name for d in found.declarations if isinstance(d, ast.Pattern)}
    assert len(names) == 2
    assert not any(name.isidentifier() for name in names)


def test_a_missing_brace_is_noticed_at_the_next_declaration() -> None:
    shown, codes, _, _ = read("pattern p { emit e\nparam a: Real = 1\npattern q { emit e }")
    assert codes == ["PAT0006"]
    assert shown == [
        "(pattern p [] [(clause emit e)])",
        "(param a Real 1)",
        "(pattern q [] [(clause emit e)])",
    ]


def test_a_declaration_in_a_body_is_out_of_place() -> None:
    shown, codes, lost, _ = read("pattern p { param a: Real = 1 emit e }\nparam b: Real = 2")
    assert codes == ["PAT0010"]
    assert lost == {"a"}
    assert shown == ["(pattern p [] [(clause emit e)])", "(param b Real 2)"]


def test_braces_that_open_nothing_close_nothing_else() -> None:
    text = "pattern p { if a { emit e } emit f }\nparam b: Real = 2"
    shown, codes, _, _ = read(text)
    assert codes == ["PAT0013"]
    assert shown[-1] == "(param b Real 2)"
    assert "(clause emit f)" in body_of(text)


RESERVED_OR_NEXT = {
    # A reserved word where a name should stand...
    "model data = f()": ["PAT0005"],
    "model m = f(data: 1)": ["PAT0005"],
    "model m = f(\n  data: 1)": ["PAT0005"],
    "model m = f(model, on: d)": ["PAT0005"],
    "param use: Real = 1": ["PAT0005"],
    "observable o = lower": ["PAT0005"],
    # ...and one that begins the next statement.
    "model m = f(\ndata d = g()": ["PAT0004"],
    "model m = f(a data d = g()": ["PAT0004"],
    "model m =\ndata d = g()": ["PAT0004"],
    "model\ndata d = g()": ["PAT0004"],
    "param a: Real = 1 param b: Real = 2": [],
}


def test_reserved_words_as_names_and_as_beginnings() -> None:
    assert {text: read(text)[1] for text in RESERVED_OR_NEXT} == RESERVED_OR_NEXT


UNKNOWN = {
    "riase o by q": "PAT0013",
    "increase o by q": "PAT0013",
    "emit e\n  foo bar": "PAT0013",
    "hold o within\n  maximise ess(w)": "PAT0004",
    "minimize a\n  + b": None,
    "hold o within 1\n  sd": None,
    "reweight d per group\n  row.x as w": None,
}


def test_misspelt_beginnings() -> None:
    for text, code in UNKNOWN.items():
        codes = read(f"pattern p {{\n  {text}\n}}")[1]
        assert codes[:1] == ([code] if code else []), text
