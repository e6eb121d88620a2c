"""Places: spans cover exactly what they stand for, whatever the text is written with."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pattern_lang.diagnostics import SourceFile, Span
from pattern_lang.syntax import ast
from pattern_lang.syntax.recover import parse
from tests.property.writer import write
from tests.syntax.shown import file


def inner(node: ast.Node) -> Iterator[ast.Node]:
    """Return the nodes directly below a node."""
    for attribute in type(node).__attrs_attrs__:
        yield from _nodes(getattr(node, attribute.name))


def _nodes(value: object) -> Iterator[ast.Node]:
    if isinstance(value, ast.Node):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _nodes(item)


def everything(node: ast.Node) -> Iterator[ast.Node]:
    yield node
    for below in inner(node):
        yield from everything(below)


def texts_of(kind: type[ast.Node], text: str) -> list[str]:
    """Return the text under each node of a kind."""
    return [node.span.text for node in everything(file(text)) if isinstance(node, kind)]


TEXT = 'observable größe[i in 0..2] = (a + f(b, on: "数")) * -c[ i ].d # end\n'


def test_exact_places() -> None:
    assert texts_of(ast.Observable, TEXT) == [TEXT.removesuffix(" # end\n")]
    assert texts_of(ast.Index, TEXT) == ["i in 0..2"]
    assert texts_of(ast.Chain, TEXT) == ['(a + f(b, on: "数")) * -c[ i ].d', 'a + f(b, on: "数")']
    assert texts_of(ast.Call, TEXT) == ['f(b, on: "数")']
    assert texts_of(ast.Named, TEXT) == ['on: "数"']
    assert texts_of(ast.Signed, TEXT) == ["-c[ i ].d"]
    assert texts_of(ast.Attribute, TEXT) == ["c[ i ].d"]
    assert texts_of(ast.Subscript, TEXT) == ["c[ i ]"]
    assert texts_of(ast.String, TEXT) == ['"数"']
    assert texts_of(ast.Identifier, TEXT) == ["größe", "i", "on", "d"]


def test_places_in_bodies() -> None:
    text = "## doc\npattern p(s: Real = 1) {\n  hold o within 1 sd  # note\n}\n# after"
    assert texts_of(ast.Goal, text) == ["hold o within 1 sd"]
    assert texts_of(ast.Quantity, text) == ["1 sd"]
    assert texts_of(ast.Parameter, text) == ["s: Real = 1"]
    assert texts_of(ast.Pattern, text) == [text.split("\n", 1)[1].removesuffix("\n# after")]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from((0.0, 0.3)))
def test_nodes_lie_within_their_parents(seed: int, chaos: float) -> None:
    for node in everything(file(write(seed, chaos))):
        assert node.span.text == node.span.text.strip() or isinstance(node, ast.File)
        for below in inner(node):
            assert node.span.encloses(below.span)


@pytest.mark.parametrize("before", ["", "\t", "数", "\U0001f600", "e\u0301"])
def test_positions_count_code_points(before: str) -> None:
    text = f'param s: String = "{before}" + wide\n'
    (name,) = [node for node in everything(file(text)) if isinstance(node, ast.Name)]
    assert name.span.start_position == (1, 24 + len(before))
    assert name.span.end_position == (1, 28 + len(before))


def test_line_breaks_of_any_kind() -> None:
    plain = "edition 2026\n# note\nparam x: Int = 1\n"
    carriage = file(plain.replace("\n", "\r\n"))
    assert carriage == file(plain)
    assert carriage.declarations[1].span.start_position == (3, 1)


def test_a_byte_order_mark_is_no_character_of_the_spec() -> None:
    found = file("\ufeffedition 2026\n")
    assert found.declarations[0].span.start_position == (1, 2)
    assert parse(SourceFile("x", "edition\ufeff 2026"))[1][0].code == "PAT0001"


def test_spans_join_and_enclose() -> None:
    source = SourceFile("x", "abc def\nghi")
    one, other = Span(source, 0, 3), Span(source, 4, 7)
    assert one.to(other).text == "abc def"
    assert one.to(other).encloses(other)
    assert not one.encloses(other)
    assert str(Span(source, 8, 9)) == "x:2:1"
    assert source.position(len(source.text)) == (2, 4)
    assert source.line_text(1) == "abc def"
