"""Numbers: exact as long as they are rational, in canonical units, in the range of doubles."""

from fractions import Fraction
from math import log

import pytest

from pattern_lang.diagnostics import Span
from pattern_lang.lowering import evaluate
from pattern_lang.lowering.evaluate import Evaluator
from pattern_lang.lowering.values import Environment, Num, Value
from pattern_lang.semantics.scope import Scope
from pattern_lang.semantics.units import Unit
from pattern_lang.syntax import ast
from pattern_lang.syntax.bundle import MemoryBundle
from tests.lowering.lowered import codes, lowered, read


def value(text: str, kind: str = "Real", params: dict[str, str] | None = None) -> Value:
    """Return the value of a parameter."""
    spec = read(f"edition 2026\nparam x: {kind} = {text}\n", params)
    assert spec.diagnostics == ()
    (symbol,) = spec.checked.main.declared()
    return Evaluator(spec.checked, MemoryBundle()).value_of(symbol)


EXACT = {
    "0.1 + 0.2": Fraction(3, 10),
    "0.1 * 3 - 0.3": Fraction(0),
    "1 / 3 * 3": Fraction(1),
    "1 / 3 + 1 / 6": Fraction(1, 2),
    "2 ^ 10": Fraction(1024),
    "2 ^ -2": Fraction(1, 4),
    "-2 ^ 2": Fraction(-4),
    "2 ^ 3 ^ 2": Fraction(512),
    "10 - 2 - 3": Fraction(5),
    "12 / 2 / 3": Fraction(2),
    "1e-3 * 1000": Fraction(1),
    "50 % + 25 %": Fraction(3, 4),
    "3 sd / 2 sd": Fraction(3, 2),
    "1e300 * 1e-300": Fraction(1),
}


def test_arithmetic_is_exact() -> None:
    assert {text: value(text) for text in EXACT} == {t: Num(v) for t, v in EXACT.items()}


def test_units_become_canonical() -> None:
    assert value("2 sd", "Quantity[sd]") == Num(Fraction(2), Unit.SD)
    assert value("2 nats", "Quantity[nats]") == Num(Fraction(2), Unit.NATS)
    assert value("50 %", "Quantity[%]") == Num(Fraction(1, 2), Unit.ONE)
    assert value("100 steps", "Quantity[steps]") == Num(Fraction(100), Unit.STEPS)
    bits = value("2 bits", "Quantity[bits]")
    assert isinstance(bits, Num)
    assert bits.unit is Unit.NATS
    assert bits.real == pytest.approx(2 * log(2), rel=1e-15)
    assert value("3 * 2 sd / 4", "Quantity[sd]") == Num(Fraction(3, 2), Unit.SD)


def test_roots_are_as_exact_as_doubles() -> None:
    found = value("2 ^ 0.5 * 2 ^ 0.5")
    assert isinstance(found, Num)
    assert found.real == pytest.approx(2, rel=1e-15)


def test_other_values() -> None:
    assert value("[0.1, 1 / 3]", "List[Real]") == (Num(Fraction(1, 10)), Num(Fraction(1, 3)))
    assert value("[]", "List[Real]") == ()
    assert value("not (1 < 2)", "Bool") is False
    assert value("1 < 2 <= 2 != 3", "Bool") is True
    assert value('"a" == "a" and "a" != "b"', "Bool") is True
    assert value("true or false and false", "Bool") is True
    assert value(r'"\u{41}\n"', "String") == "A\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1 / 0", "PAT2012"),
        ("1 / (0.1 + 0.2 - 0.3)", "PAT2012"),
        ("0 ^ -1", "PAT2010"),
        ("(0 - 1) ^ 0.5", "PAT2010"),
        ("1e200 * 1e200", "PAT2010"),
        ("1e-200 * 1e-200", "PAT2010"),
        ("1e300 ^ 64", "PAT2010"),
        ("1e300 ^ 64 ^ 64", "PAT2010"),
        ("10 ^ 1000000", "PAT2010"),
        ("2 ^ 0.5 * 1e300 * 1e300", "PAT2010"),
        ("1e308", "PAT0008"),
    ],
)
def test_numbers_that_are_none(text: str, code: str) -> None:
    found = read(f"edition 2026\nparam x: Real = {text}\n").diagnostics
    assert [d.code for d in found] == [code]


def test_five_thousand_terms() -> None:
    assert value(" + ".join(["0.1"] * 5000)) == Num(Fraction(500))
    assert value(" * ".join(["1"] * 5000)) == Num(Fraction(1))


def test_parameters_depend_on_each_other_and_on_overrides() -> None:
    text = "edition 2026\nparam a: Real = 2 * b\nparam b: Real = 0.1\n"

    def of(name: str, params: dict[str, str]) -> Value:
        spec = read(text, params)
        assert spec.diagnostics == ()
        symbol = next(s for s in spec.checked.main.declared() if s.name == name)
        return Evaluator(spec.checked, MemoryBundle()).value_of(symbol)

    assert of("a", {}) == Num(Fraction(1, 5))
    assert of("a", {"b": "1 / 3"}) == Num(Fraction(2, 3))
    assert of("a", {"a": "7"}) == Num(Fraction(7))
    assert of("a", {"a": "b + 1", "b": "3"}) == Num(Fraction(4))


def test_overrides_reach_the_goals() -> None:
    (goal,) = lowered("raise icl by dose", params={"dose": "2.5 sd"}).goals
    assert goal.amount is not None
    assert (goal.amount.value, goal.amount.unit) == (2.5, Unit.SD)


def test_functions_are_called_with_their_arguments() -> None:
    head = "def f(a: Real, b: Real = 10) -> Real = a * b\n"
    for call, expected in {
        "f(2)": 20,
        "f(2, 3)": 6,
        "f(b: 1, a: 4)": 4,
        "f(f(2), 0.5)": 10,
    }.items():
        (goal,) = lowered(f"raise icl by {call} * 1 sd", head=head).goals
        assert goal.amount is not None
        assert goal.amount.value == expected


def test_too_many_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "MOST_CALLS", 1000)
    deep = "".join(f"def f{i}(x: Real) -> Real = f{i + 1}(x)\n" for i in range(50))
    deep += "def f50(x: Real) -> Real = x\n"
    assert codes("raise icl by f0(1) * 1 sd", head=deep) == ["PAT2015"]
    wide = "".join(f"def g{i}(x: Real) -> Real = g{i + 1}(x) + g{i + 1}(x)\n" for i in range(30))
    wide += "def g30(x: Real) -> Real = x\n"
    assert codes("raise icl by g0(1) * 1 sd", head=wide) == ["PAT2015"]


def test_evaluating_a_name_without_a_value_says_nothing_new() -> None:
    # Everything that stands on a mistake is left out, and the mistake is reported once.
    head = "param a: Real = nowhere\nparam b: Real = a\nparam c: Real = b / 0\n"
    assert codes("raise icl by c * 1 sd", "raise complexity by b", head=head) == ["PAT1001"]


def test_spans_of_values_are_not_part_of_them() -> None:
    spec = read("edition 2026\nparam a: Real = 1\n")
    evaluator = Evaluator(spec.checked, MemoryBundle())
    env = Environment(Scope(spec.checked.main))
    place = Span(spec.source, 0, 1)
    assert evaluator(ast.Boolean(place, True), env) is True
