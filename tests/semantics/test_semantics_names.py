"""Names: shadowing, order, cycles, calls and their arguments, what is used."""

import pytest

from pattern_lang.semantics.modules import where_declared
from pattern_lang.semantics.order import in_dependency_order
from tests.semantics.checked import HEAD, PATTERN, checked, codes, codes_in, codes_of


def test_the_head_is_right() -> None:
    assert codes(HEAD) == []
    assert codes_in("") == []


def test_declarations_come_in_any_order() -> None:
    text = "param a: Real = b\nparam b: Real = f(1)\ndef f(x: Real) -> Real = x\n"
    assert codes_of(text) == []


SHADOWING = (
    'data tokens = tokens("x.bin")\n',
    "observable loss = loss(lm, on: text)\nobservable more = loss(lm, on: text) - loss\n",
    "param mean: Real = 2\n" + PATTERN.format("require mean(w) <= mean"),
    "def norm(x: Real) -> Real = x\nparam a: Real = norm(1)\n",
    "def late(icl: Real) -> Real = icl + 1\nparam a: Real = late(1)\n",
    "rules cap(max: Weights) { require max(max) <= 4 }\n",
    "observable sd = icl\nparam a: Quantity[sd] = 1 sd\n",
    "observable train[sample in 0..2] = icl\nobservable token = train[0]\n",
)


@pytest.mark.parametrize("text", SHADOWING)
def test_names_of_functions_may_name_other_things(text: str) -> None:
    assert [code for code in codes_of(text) if not code.startswith("PATL")] == []


def test_a_function_of_the_user_hides_the_one_of_the_library() -> None:
    text = "def norm(x: Real) -> Real = x\n" + PATTERN.format("require norm(w) <= 4")
    assert codes_of(text) == ["PAT2001", "PAT3006"]


def test_a_name_means_one_thing() -> None:
    assert codes_of("data lm = text\n") == ["PAT1002"]
    assert codes_of("use std.tokens { repeats }\n") == ["PAT1002"]
    assert codes_of("use std.samplers as tr\n") == ["PAT1002"]
    assert codes_of("def f(a: Real, a: Real) -> Real = a\n") == ["PAT1002"]
    assert codes_of("observable o[i in 0..2, i in 0..2] = icl\n") == ["PAT1002"]


def test_the_weights_have_a_name_of_their_own() -> None:
    clash = "pattern p(w: Real) { reweight text per sample as w raise icl by 1 sd }\n"
    assert codes_of(clash) == ["PAT1002"]
    assert codes_of("param w: Real = 1\n" + PATTERN.format("require w <= 4")) == ["PAT1002"]
    # Two patterns may both call theirs w, and rules too.
    both = codes_of(PATTERN.format("") + PATTERN.format("").replace("steer", "other"))
    assert "PAT1002" not in both


@pytest.mark.parametrize(
    "text",
    [
        "param a: Real = a\n",
        "param a: Real = b\nparam b: Real = a\n",
        "observable a = b - icl\nobservable b = c\nobservable c = 2 * a\n",
        "observable a[i in 0..2] = a[0]\n",
        "data a = a where row.x\n",
        'model a = a.at("x")\n',
        "def f(x: Real) -> Real = f(x)\n",
        "def f(x: Real) -> Real = g(x)\ndef g(x: Real) -> Real = f(x)\nparam a: Real = f(1)\n",
        "rules r(w: Weights) { apply r(w) }\n",
        "pattern p = q\npattern q = p\n",
        "".join(f"param a{i}: Real = a{(i + 1) % 500}\n" for i in range(500)),
    ],
)
def test_cycles(text: str) -> None:
    assert codes_of(text) == ["PAT1010"]


def test_long_chains_are_no_cycles() -> None:
    forwards = "".join(f"param a{i + 1}: Real = a{i}\n" for i in range(2000))
    backwards = "\n".join(reversed(forwards.splitlines()))
    start = "param a0: Real = 1\n"
    assert codes_of(start + forwards) == []
    assert codes_of(backwards + "\n" + start) == []


def test_dependency_order() -> None:
    main = checked("param a: Real = b + c\nparam b: Real = c\nparam c: Real = 1\n").main
    assert [symbol.name for symbol in in_dependency_order(main)] == ["c", "b", "a"]
    # Circles, and words in strings, change the order and lose nothing.
    main = checked('param a: Real = b\nparam b: Real = a\nparam c: String = "a"\n').main
    assert {symbol.name for symbol in in_dependency_order(main)} == {"a", "b", "c"}


ARGUMENTS = {
    "loss(lm, on: text)": [],
    "loss(on: text, m: lm)": [],
    "loss(lm, text)": ["PAT1008"],
    "loss(lm)": ["PAT1007"],
    "loss()": ["PAT1007"],
    "loss(lm, on: text, m: lm)": ["PAT1009"],
    "loss(lm, on: text, on: text)": ["PAT1009"],
    "loss(lm, at: text)": ["PAT1006"],
    "loss(lm, on: text, held: true)": ["PAT1006"],
    "llc(lm, on: text, held: true)": [],
    "llc(lm, on: text, held: 1)": ["PAT2001"],
    "loss(text, on: lm)": ["PAT2001", "PAT2001"],
    "loss(ml, on: txt)": ["PAT1001", "PAT1001"],
    'python("f.py:g", lm, on: text, unit: nats, width: 3, names: ["a"])': [],
    'python("f.py:g", lm, on: text, unit: "bits")': [],
    'python("f.py:g", unit: parsec)': ["PAT2003"],
    'python("f.py:g", other: lm)': ["PAT2001"],
    'python("f.py")': ["PAT2009"],
    'python("f.py:g h")': ["PAT2009"],
    'python(":g")': ["PAT2009"],
    "pc(head, 1, toward: text)": [],
    "pc(head, toward: text)": ["PAT1007"],
}


def test_arguments() -> None:
    found = {text: codes_of(f"observable o = {text}\n") for text in ARGUMENTS}
    assert found == ARGUMENTS


def test_functions_of_the_user() -> None:
    text = "def f(a: Real, b: Quantity[sd] = 1 sd) -> Quantity[sd] = a * b\n"
    for call, expected in {
        "f(1)": [],
        "f(1, 2 sd)": [],
        "f(b: 2 sd, a: 1)": [],
        "f()": ["PAT1007"],
        "f(1, 2)": ["PAT2001"],
        "f(1, 2 sd, 3)": ["PAT1008"],
        "f(c: 1)": ["PAT1006"],
    }.items():
        assert codes_of(f"{text}param p: Quantity[sd] = {call}\n") == expected, call


def test_bodies_of_functions_are_checked_once_and_defaults_too() -> None:
    assert codes_of('def f(a: Real) -> Real = a + "x"\nparam p: Real = f(1) + f(2)\n') == [
        "PAT2005"
    ]
    assert codes_of("def f(a: Real) -> Int = a\n") == ["PAT2001"]
    assert codes_of("def f(a: Int = 0.5) -> Int = a\n") == ["PAT2001"]
    assert codes_of("def f(a: Nothing) -> Real = a\nparam p: Real = f(1)\n") == ["PAT2006"]
    assert codes_of("def f(a: Real) -> Real = builtin\n") == ["PAT1001"]


def test_where_a_name_of_the_library_is() -> None:
    assert where_declared("repeats") == "the library has it: `use std.tokens { repeats }`"
    assert where_declared("transformer") == "the library has it: `use std.transformer`"
    assert "use" in where_declared("nowhere")


def unused(text: str) -> list[str]:
    """Return what is reported as unused in a spec with one pattern."""
    spec = checked(text)
    return [p.span.text for p in spec.problems if p.code == "PATL002" and p.span]


BASE = 'edition 2026\nmodel m = hf("x")\ndata d = jsonl("x")\nobservable o = loss(m, on: d)\n'
GOAL = "pattern p { reweight d per sample as w raise o by 1 sd }\n"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("param a: Real = 1\n", ["a"]),
        ("param a: Real = 1\nparam b: Real = a\n", ["b"]),
        ("data e = d where row.x\n", ["e"]),
        ("observable f[i in 0..2] = o\n", ["f"]),
        ("use std.tokens { repeats }\n", ["repeats"]),
        ("use std.tokens { repeats }\ndata e = d where repeats(2)\n", ["e"]),
        ("use std.tokens\n", ["std.tokens"]),
        ("use std.tokens as t\ndata e = d where t.repeats(2)\n", ["e"]),
        # What others may use from outside is no slip.
        ("def f(x: Real) -> Real = x\nrules r(w: Weights) { require w <= 4 }\n", []),
        # Used by a study alone, or by rules alone.
        ("observable s = 2 * o\nstudy t { measure s seeds 3 }\n", []),
        ("param a: Int = 3\nstudy t { seeds 0..a }\n", []),
        ("param most: Real = 3\nrules r(w: Weights) { require w <= most }\n", []),
        ("param i: Int = 1\nobservable f[j in 0..2] = o\nstudy t { measure f[i] }\n", []),
    ],
)
def test_unused(text: str, names: list[str]) -> None:
    assert unused(BASE + text + GOAL) == names


def test_what_is_used_through_an_override_is_used() -> None:
    text = BASE + "param a: Real = 1\nparam b: Real = 2\n" + GOAL.replace("1 sd", "b * 1 sd")
    assert codes(text) == ["PATL002"]
    assert codes(text, {"b": "a"}) == []


def test_a_file_without_patterns_is_for_others_to_use() -> None:
    assert unused(BASE + "param a: Real = 1\n") == []


def test_an_error_may_hide_a_use() -> None:
    assert unused(BASE + "param a: Real = 1\nparam b: Real = a + nowhere\n" + GOAL) == []
