"""Diagnostics as text: excerpts that a terminal of any kind shows as they are meant."""

import pytest

from pattern_lang.diagnostics import Diagnostic, Label, PatternError, Severity, SourceFile, Span
from pattern_lang.diagnostics.catalogue.names import DuplicateName, SpecNotFound, UnknownName
from pattern_lang.diagnostics.render import plain, render, render_all


def place(text: str, start: int, end: int, name: str = "spec.pat") -> Span:
    return Span(SourceFile(name, text), start, end)


def finding(
    span: Span | None, *labels: Label, message: str = "wrong", help_: str = ""
) -> Diagnostic:
    own = (Label(span, "here"),) if span else ()
    return Diagnostic(
        "PAT0000", Severity.ERROR, "title", message, span, own + labels, help=help_ or None
    )


def lines(diagnostic: Diagnostic) -> list[str]:
    return render(diagnostic).splitlines()


def test_the_whole_layout() -> None:
    text = "param a: Real = 1\nparam b: Real = 2\nparam a: Real = 3\n"
    source = SourceFile("spec.pat", text)
    problem = DuplicateName(
        span=Span(source, 42, 43), name="a", where="file", first=Span(source, 6, 7)
    )
    assert render(problem.diagnostic()) == (
        "error[PAT1002]: `a` is already declared in this file\n"
        " --> spec.pat:3:7\n"
        "  |\n"
        "1 | param a: Real = 1\n"
        "  |       - first declared here\n"
        " ...\n"
        "3 | param a: Real = 3\n"
        "  |       ^ declared again here\n"
        "  = help: rename one of the two"
    )


def test_without_a_place() -> None:
    problem = SpecNotFound(path="x.pat", reason="no such file").diagnostic()
    assert problem.span is None
    assert lines(problem) == [
        "error[PAT1015]: cannot read `x.pat`: no such file",
        "  = help: check the path; a spec is a file that ends in .pat",
    ]


def underlined(text: str, part: str) -> str:
    """Return what stands under a part of a line, trailing blanks kept as a terminal shows them."""
    start = text.index(part)
    return lines(finding(place(text, start, start + len(part))))[4]


@pytest.mark.parametrize(
    ("text", "part", "under"),
    [
        ("abc def", "def", "  |     ^^^ here"),
        ("\tabc", "abc", "  |     ^^^ here"),
        ("a\tb\tc", "c", "  |           ^ here"),
        ("a\tb", "\tb", "  |  ^^^^^ here"),
        ("数据 = x", "x", "  |        ^ here"),
        ("数据 = x", "数据", "  | ^^^^ here"),
        ("e\u0301a b", "b", "  |    ^ here"),
        ("\U0001f600 b", "b", "  |    ^ here"),
        ("a\0b c", "c", "  |         ^ here"),
        ("größe x", "x", "  |       ^ here"),
    ],
)
def test_marks_stand_under_what_they_mark(text: str, part: str, under: str) -> None:
    assert underlined(text, part) == under


def test_tabs_are_four_blanks_and_columns_count_characters() -> None:
    found = lines(finding(place("\tabc", 1, 4)))
    assert found[1] == " --> spec.pat:1:2"
    assert found[3] == "1 |     abc"


def test_an_empty_place_has_one_mark() -> None:
    assert lines(finding(place("abc", 3, 3)))[4] == "  |    ^ here"
    assert lines(finding(place("", 0, 0)))[3:] == ["1 | ", "  | ^ here"]
    assert lines(finding(place("abc\n", 4, 4)))[3:] == ["2 | ", "  | ^ here"]


def test_a_place_of_several_lines_is_marked_to_the_end_of_its_first() -> None:
    assert lines(finding(place("abc (\n  d\n)", 4, 11)))[3:] == ["1 | abc (", "  |     ^ here"]


def test_long_lines_are_cut_around_the_mark() -> None:
    text = "x" * 500 + " wrong " + "y" * 500
    found = lines(finding(place(text, 501, 506)))
    assert found[1] == " --> spec.pat:1:502"
    shown, under = found[3].removeprefix("1 | "), found[4].removeprefix("  | ")
    assert len(shown) <= 102
    assert shown[0] == shown[-1] == "…"
    assert shown[under.index("^") : under.rindex("^") + 1] == "wrong"


def test_labels_of_one_line_each_have_their_own() -> None:
    text = "move [a] along [1 sd] by 1 sd"
    source = SourceFile("spec.pat", text)
    one, other = Span(source, 25, 29), Label(Span(source, 15, 21), "there")
    assert lines(finding(one, other))[3:] == [
        f"1 | {text}",
        "  |                          ^^^^ here",
        "  |                ------ there",
    ]


def test_labels_in_other_files() -> None:
    here, there = place("a b", 2, 3), Label(place("c\nd e", 2, 3, "lib.pat"), "from here")
    assert lines(finding(here, there))[1:] == [
        " --> spec.pat:1:3",
        "  |",
        "1 | a b",
        "  |   ^ here",
        " ::: lib.pat:2:1",
        "  |",
        "2 | d e",
        "  | - from here",
    ]


def test_the_gutter_is_as_wide_as_the_largest_number() -> None:
    text = "\n" * 99 + "wrong"
    assert lines(finding(place(text, 99, 104)))[1:] == [
        "   --> spec.pat:100:1",
        "    |",
        "100 | wrong",
        "    | ^^^^^ here",
    ]


def test_user_text_never_steers_the_terminal() -> None:
    text = "\x1b[31mred\x1b[0m \u202e \x07 \u2028"
    diagnostic = finding(place(text, 0, 5), message=f"bad {text}", help_=f"mend {text}\nnow")
    said = render(diagnostic)
    assert all(char.isprintable() or char == "\n" for char in said)
    assert said.count("\n") == 5
    assert plain("a\tb\x1b") == "a\\u{9}b\\u{1b}"


def test_colour() -> None:
    diagnostic = UnknownName(span=place("abc", 0, 3), name="abc", advice="").diagnostic()
    coloured = render(diagnostic, colour=True)
    assert coloured.startswith("\x1b[1;31merror[PAT1001]\x1b[0m: \x1b[1mnothing")
    assert coloured.count("\x1b[") == 2 * coloured.count("\x1b[0m")
    assert "\x1b[" not in render(diagnostic)


def test_counts() -> None:
    error, warning = finding(None), Diagnostic("PATL000", Severity.WARNING, "t", "odd", None)
    assert render_all([]) == ""
    assert render_all([error]).endswith("\n\n1 error\n")
    assert render_all([error, error, warning]).endswith("\n\n2 errors and 1 warning\n")
    assert render_all([warning]).endswith("\n\n1 warning\n")
    note = Diagnostic("PATL000", Severity.NOTE, "t", "by the way", None)
    assert render_all([note]) == "note[PATL000]: by the way\n"


def test_problems_compare_by_what_they_say_and_not_by_the_way_to_them() -> None:
    span = place("abc", 0, 3)
    one = UnknownName(span=span, name="abc", advice="")
    assert one == UnknownName(span=span, name="abc", advice="")
    assert one != UnknownName(span=span, name="abd", advice="")
    assert one == one.reached(Label(span, "through here"))
    assert len({one, one.reached(Label(span, "through here"))}) == 1
    assert one.reached(Label(span, "through here")).diagnostic().labels[-1].text == "through here"


def test_an_error_carries_its_diagnostics() -> None:
    error = PatternError([UnknownName(span=None, name="abc", advice="look")])
    assert str(error) == "PAT1001: nothing here is called `abc`"
    assert error.exit_status == 1
    assert error.diagnostics[0].help == "look"
