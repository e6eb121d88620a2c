"""Numbers and outcomes as a reader sees them."""

from typing import Any

import numpy as np
import pytest
from attrs import evolve
from emit_samples import box, outcome

from pattern_lang.emit.plan import requested_number
from pattern_lang.emit.report.bounds import entry_bounds, shares_at_bounds
from pattern_lang.emit.report.outcomes import asked, is_met
from pattern_lang.emit.report.words import clip, coded, count, fixed, number, percent, with_error
from pattern_lang.ir.program import Constraint, Entries, Expression, Mean

LINE = "lower    hard_loss by dose"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (0.0627, "0.0627"),
        (-12.345, "−12.3"),
        (123456.0, "123456"),
        (3.1e-9, "3.1 × 10⁻⁹"),
        (-2.5e12, "−2.5 × 10¹²"),
        (0.99999, "1"),
    ],
)
def test_number(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (-0.0627, 0.00413, "−0.0627 ± 0.0041"),
        (1.5, 0.25, "+1.50 ± 0.25"),
        (1.5, None, "+1.5"),
        (1.5, 0.0, "+1.5"),
        (250.0, 31.0, "+250 ± 31"),
        (None, 0.1, "–"),
    ],
)
def test_with_error(value: float | None, error: float | None, text: str) -> None:
    assert with_error(value, error) == text


def test_other_forms() -> None:
    assert percent(0.7123) == "71 %"
    assert percent(0.0042) == "0.4 %"
    assert percent(1.0) == "100 %"
    assert count(1234567) == "1 234 567"
    assert fixed(-0.001) == "0.00"
    assert fixed(0.5, signed=True) == "+0.50"


def test_clip() -> None:
    assert clip("short").title is None
    assert clip("a\n\tb").text == "a b"
    long = clip("word " * 100)
    assert len(long.text) <= 72
    assert long.text.endswith("…")
    assert long.title is not None
    assert clip(np.float32(0.1)).text == "0.1"


def test_coded_escapes_everything() -> None:
    assert str(coded("a `<b>` & c")) == "a <code>&lt;b&gt;</code> &amp; c"


@pytest.mark.parametrize(
    ("kind", "ends", "number_asked", "text"),
    [
        ("shift", (0.5, 0.5), 0.5, "+0.5"),
        ("raise", (0.5, None), 0.5, "≥ +0.5"),
        ("lower", (None, -0.5), -0.5, "≤ −0.5"),
        ("hold", (-0.5, 0.5), 0.5, "within ± 0.5"),
        ("require", (0.9, 1.1), None, "0.9 to 1.1"),
        ("require", (None, 4.0), 4.0, "≤ 4"),
        ("move", (None, None), None, "–"),
    ],
)
def test_what_was_asked(kind: str, ends: Any, number_asked: float | None, text: str) -> None:
    goal = outcome(kind, "hard_loss", LINE, ends)
    assert requested_number(goal.kind, *goal.requested) == number_asked
    assert asked(goal) == text


def test_met_within_rounding() -> None:
    goal = outcome("lower", "hard_loss", LINE, (None, -0.5), predicted=-0.49999)
    assert is_met(goal)
    assert not is_met(evolve(goal, predicted=-0.4))
    assert is_met(evolve(goal, predicted=None)) is None


def test_bounds_of_the_entries() -> None:
    assert entry_bounds(box()) == (0.0, 5.0)
    assert entry_bounds(()) == (None, None)
    twice = Constraint(Expression(((2.0, Entries()),), -3.0), "<=", "2 w <= 3")
    mixed = Constraint(
        Expression(((1.0, Entries()), (1.0, Mean())), -3.0), "<=", "w + mean(w) <= 3"
    )
    assert entry_bounds((*box(), twice, mixed)) == (0.0, 1.5)
    weights = np.array([0, 0, 1, 5], np.float32)
    assert shares_at_bounds(weights, box()) == [(0.0, 0.5), (5.0, 0.25)]
