"""Constraints and objectives: `expression relation 0` over atoms, for every atom of the language."""

import pytest

from pattern_lang.ir import program as ir
from pattern_lang.ir.sources import (
    Comparison,
    RowArithmetic,
    RowField,
    RowLiteral,
    Truth,
)
from pattern_lang.lowering.constraints import DEFAULT_OBJECTIVE, IMPLIED_MASS, IMPLIED_SIGN
from pattern_lang.semantics.units import Unit
from tests.lowering.lowered import codes, constraint, constraints, lowered

NATS, SD, ONE = Unit.NATS, Unit.SD, Unit.ONE
LOG2 = 0.6931471805599453
LATE = Comparison(">", RowField("x"), RowLiteral(3))

Shown = tuple[tuple[tuple[float, ir.Atom], ...], float, str]


def parts(made: ir.Constraint) -> Shown:
    return made.expression.terms, made.expression.constant, made.relation


ATOMS: dict[str, Shown] = {
    "w <= 4": (((1.0, ir.Entries()),), -4.0, "<="),
    "w >= 0.5": (((-1.0, ir.Entries()),), 0.5, "<="),
    "2 * w - 1 <= 3": (((2.0, ir.Entries()),), -4.0, "<="),
    "w == 1": (((1.0, ir.Entries()),), -1.0, "=="),
    "mean(w) == 1": (((1.0, ir.Mean()),), -1.0, "=="),
    "mean(2 * w + 1) == 3": (((2.0, ir.Mean()),), -2.0, "=="),
    "sum(w) >= 10": (((-1.0, ir.Total()),), 10.0, "<="),
    "sum(2 * w + 1) >= 10": (((-3.0, ir.Total()),), 10.0, "<="),
    "mass(w, across: row.x) <= 2": (((1.0, ir.GroupMass("x")),), -2.0, "<="),
    "mass(w, of: row.x > 3) <= 2": (((1.0, ir.ShareMass(LATE)),), -2.0, "<="),
    "mass(w, of: row.f) <= 2": (((1.0, ir.ShareMass(Truth(RowField("f")))),), -2.0, "<="),
    "predicted(icl) <= 0.5 nats": (((1.0, ir.Predicted("icl", NATS)),), -0.5, "<="),
    "predicted(icl) <= 0.5 sd": (((1.0, ir.Predicted("icl", SD)),), -0.5, "<="),
    "predicted(icl) >= -1 sd": (((-1.0, ir.Predicted("icl", SD)),), -1.0, "<="),
    "predicted(complexity) == 3": (((1.0, ir.Predicted("complexity", ONE)),), -3.0, "=="),
    "risk(icl) <= 0.5 nats": (((1.0, ir.Risk("icl", NATS)),), -0.5, "<="),
    "risk(icl) <= 0.5 sd": (((1.0, ir.Risk("icl", SD)),), -0.5, "<="),
    "sum_squares(w - 1) <= 2": (((1.0, ir.SumSquares(1.0, -1.0)),), -2.0, "<="),
    "norm(2 * w - 1) <= 2": (((1.0, ir.Norm(2.0, -1.0)),), -2.0, "<="),
    "norm(w - mean(w)) <= 2": (((1.0, ir.Norm(1.0, -1.0)),), -2.0, "<="),
    "l1((w - 1) / 2) <= 2": (((1.0, ir.L1(0.5, -0.5)),), -2.0, "<="),
    "kl(w) <= 0.5 nats": (((1.0, ir.KL()),), -0.5, "<="),
    "kl(w) <= 1 bits": (((1.0, ir.KL()),), -LOG2, "<="),
    "chi2(w) <= 50 %": (((1.0, ir.Chi2()),), -0.5, "<="),
    "max(w) <= 4": (((1.0, ir.Maximum()),), -4.0, "<="),
    "max(2 * w - 1) <= 4": (((2.0, ir.Maximum()),), -5.0, "<="),
    "max(1 - w) <= 0.5": (((-1.0, ir.Minimum()),), 0.5, "<="),
    "min(w) >= 0.1": (((-1.0, ir.Minimum()),), 0.1, "<="),
    "min(-w) >= -4": (((1.0, ir.Maximum()),), -4.0, "<="),
    "ess(w) >= 50 %": (((-1.0, ir.EffectiveSampleSize()),), 0.5, "<="),
    "2 * ess(w) - 1 >= 0": (((-2.0, ir.EffectiveSampleSize()),), 1.0, "<="),
}


CAP, PRICE = RowField("cap"), RowField("price")
ICL = ir.Predicted("icl", NATS)
IN_SD = ir.Predicted("icl", SD)
FIFTH = 1.6448536269514726
ATOMS |= {
    "w <= 2 * row.cap": (
        ((1.0, ir.Entries()), (-1.0, ir.UnitNumber(RowArithmetic("*", RowLiteral(2), CAP)))),
        0.0,
        "<=",
    ),
    "sum_squares(w - 1, weighted: row.price, down: 2) <= 3": (
        ((1.0, ir.UnitCost("squares", 1.0, -1.0, PRICE, 1.0, 2.0)),),
        -3.0,
        "<=",
    ),
    "l1(w - 1, up: 3) <= 3": (
        ((1.0, ir.UnitCost("magnitudes", 1.0, -1.0, None, 3.0, 1.0)),),
        -3.0,
        "<=",
    ),
    "huber(2 * w - 2, at: 0.5) <= 3": (
        ((1.0, ir.UnitCost("huber", 2.0, -2.0, at=0.5)),),
        -3.0,
        "<=",
    ),
    "2 * square(predicted(icl) - 1 nats) <= 3": (
        ((2.0, ir.Joined("squares", (ir.Expression(((1.0, ICL),), -1.0),))),),
        -3.0,
        "<=",
    ),
    "abs(predicted(icl)) <= 3 sd": (
        ((1.0, ir.Joined("magnitudes", (ir.Expression(((1.0, IN_SD),)),))),),
        -3.0,
        "<=",
    ),
    "norm([predicted(icl) - 1 sd, 2 * predicted(icl)]) <= 3 sd": (
        (
            (
                1.0,
                ir.Joined(
                    "norm",
                    (ir.Expression(((1.0, IN_SD),), -1.0), ir.Expression(((2.0, IN_SD),))),
                ),
            ),
        ),
        -3.0,
        "<=",
    ),
    "min([mean(w), min(w)]) >= 0.5": (
        (
            (
                1.0,
                ir.Joined(
                    "largest",
                    (
                        ir.Expression(((-1.0, ir.Mean()),), -0.0),
                        ir.Expression(((-1.0, ir.Minimum()),), -0.0),
                    ),
                ),
            ),
        ),
        0.5,
        "<=",
    ),
    "quantile(icl, 5 %) >= 0.1 nats": (
        ((-1.0, ICL), (FIFTH, ir.Risk("icl", NATS))),
        0.1,
        "<=",
    ),
    "quantile(icl, 50 %) <= 0.1 nats": (((1.0, ICL),), -0.1, "<="),
    "predicted(icl) / 0.1 nats <= 2": (((10.0, ICL),), -2.0, "<="),
    "kl(w) / 1 bits <= 2": (((1 / LOG2, ir.KL()),), -2.0, "<="),
}


def test_units_that_a_constraint_is_for() -> None:
    found = constraint("w <= 2 where row.x > 3")
    assert found.only == LATE
    assert parts(found) == (((1.0, ir.Entries()),), -2.0, "<=")
    # Weights of other units still need a lower bound.
    made = lowered("require w == 1 where row.x > 3").constraints
    assert IMPLIED_SIGN in made


def test_a_lower_bound_of_each_unit_is_one_of_the_pattern() -> None:
    assert IMPLIED_SIGN not in lowered("require w >= row.low").constraints
    assert IMPLIED_SIGN in lowered("require w <= row.high").constraints


WRONG = {
    "quantile(icl, 95 %) >= 0.1 sd": ["PAT3004"],
    "quantile(icl, 5 %) <= 0.1 sd": ["PAT3004"],
    "quantile(icl, 100 %) <= 0.1 sd": ["PAT2010"],
    "sum_squares(w - 1, up: -1) <= 3": ["PAT2010"],
    "huber(w - 1, at: 0) <= 3": ["PAT2010"],
    "norm([]) <= 2": ["PAT3016"],
    "l1([mean(w)], up: 2) <= 2": ["PAT3016"],
    "huber(w - 1, at: 1) <= -3": ["PAT3008"],
}


def test_values_that_no_atom_takes() -> None:
    assert {text: codes(f"require {text}") for text in WRONG} == WRONG


def test_every_atom() -> None:
    assert {text: parts(constraint(text)) for text in ATOMS} == ATOMS


def test_the_table_knows_every_atom() -> None:
    used = {type(atom) for terms, _, _ in ATOMS.values() for _, atom in terms}
    assert used == set(ir.Atom.__args__)


def test_both_sides_come_together() -> None:
    found = constraint("norm(w - 1) + 2 <= 40 - 3 * l1(w) - norm(w - 1)")
    terms = {atom: coefficient for coefficient, atom in found.expression.terms}
    assert terms == {ir.Norm(1.0, -1.0): 2.0, ir.L1(1.0, 0.0): 3.0}
    assert found.expression.constant == -38.0


def test_sums_of_shifts_in_sd() -> None:
    found = constraint("2 * predicted(icl) - predicted(head[0, 1]) / 4 <= 0.5 sd")
    assert parts(found) == (
        ((2.0, ir.Predicted("icl", SD)), (-0.25, ir.Predicted("head[0,1]", SD))),
        -0.5,
        "<=",
    )


def test_chains_are_one_constraint_for_each_link() -> None:
    low, high = constraints("0 <= w <= 4")
    assert parts(low) == (((-1.0, ir.Entries()),), 0.0, "<=")
    assert parts(high) == (((1.0, ir.Entries()),), -4.0, "<=")
    assert low.source == high.source == "require 0 <= w <= 4"
    assert [parts(c)[1] for c in constraints("4 >= w >= 0.5")] == [-4.0, 0.5]
    assert len(constraints("0 <= 1 <= w <= 4")) == 2


def test_what_says_nothing_is_left_out() -> None:
    assert constraints("w - w <= 1") == []
    assert constraints("0 * norm(w) <= 1") == []


def test_factors_with_signs_that_only_their_values_show() -> None:
    minus = "param k: Real = -2\n"
    assert parts(constraint("k * norm(w) >= -4", head=minus)) == (
        ((2.0, ir.Norm(1.0, 0.0)),),
        -4.0,
        "<=",
    )
    assert codes("raise icl by 1 sd", "require k * norm(w) <= 4", head=minus) == ["PAT3004"]
    assert codes("raise icl by 1 sd", "require k * ess(w) >= -1", head=minus) == ["PAT3004"]
    assert codes("raise icl by 1 sd", "minimize k * norm(w)", head=minus) == ["PAT3004"]
    assert codes("raise icl by 1 sd", "maximize k * ess(w)", head=minus) == ["PAT3004"]
    assert codes("raise icl by 1 sd", "maximize k * norm(w)", head=minus) == []
    # An override may turn it round.
    params = {"half": "-1"}
    assert codes("raise icl by 1 sd", "require half * max(w) <= 4") == []
    assert codes("raise icl by 1 sd", "require half * max(w) <= 4", params=params) == ["PAT3004"]


NEVER = (
    *("mean(w) == 2", "mean(w) <= 0.5", "mean(w) >= 1.5", "sum(w) <= 0", "w <= 0.9", "w >= 1.1"),
    *("w == 2", "5 <= w <= 6", "max(w) <= 0.9", "min(w) >= 1.1", "ess(w) >= 101 %"),
    *("norm(w) <= 0 - 1", "l1(w) <= -1", "sum_squares(w) <= -1", "chi2(w) <= -1"),
    *("kl(w) <= -1 nats", "risk(icl) <= -1 sd", "mass(w, across: row.x) <= 0.9"),
    *("mass(w, across: row.x) >= 1.1", "w - w == 1", "w - w >= 1", "4 <= 3 <= w", "1 == 2 <= w"),
)
ALWAYS_POSSIBLE = (
    *("mean(w) <= 1", "mean(w) >= 0.5", "sum(w) <= 10", "w <= 1", "w >= 1", "max(w) <= 1"),
    *("min(w) >= 1", "ess(w) >= 100 %", "norm(w - 1) <= 0", "mass(w, across: row.x) == 1"),
    *("mass(w, of: row.x > 3) <= 0", "mass(w, of: row.x > 3) >= 40", "predicted(icl) <= -9 sd"),
)


def test_what_can_never_hold() -> None:
    found = {text: codes("raise icl by 1 sd", f"require {text}") for text in NEVER}
    assert found == {key: ["PAT3008"] for key in NEVER}


def test_what_can_hold() -> None:
    found = {text: codes("raise icl by 1 sd", f"require {text}") for text in ALWAYS_POSSIBLE}
    assert found == {key: [] for key in ALWAYS_POSSIBLE}


@pytest.mark.parametrize(
    ("text", "implied"),
    [
        ("", (IMPLIED_MASS, IMPLIED_SIGN)),
        ("require mean(w) == 1", (IMPLIED_SIGN,)),
        ("require 2 * mean(w) == 2", (IMPLIED_SIGN,)),
        ("require w >= -1", (IMPLIED_MASS,)),
        ("require 0 <= w <= 4", (IMPLIED_MASS,)),
        ("require min(w) >= -1", (IMPLIED_MASS,)),
        ("require w <= 4", (IMPLIED_MASS, IMPLIED_SIGN)),
        ("require w == 1 require mean(w) == 1", ()),
    ],
)
def test_what_is_implied(text: str, implied: tuple[ir.Constraint, ...]) -> None:
    found = lowered("raise icl by 1 sd", text).constraints
    assert tuple(item for item in found if item.implied) == implied


OBJECTIVES = {
    "minimize sum_squares(w - 1)": ("minimize", ((1.0, ir.SumSquares(1.0, -1.0)),), 0.0),
    "minimize kl(w) + 2 * kl(w) + 1 nats": ("minimize", ((3.0, ir.KL()),), 1.0),
    "minimize norm(w - 1) + l1(w)": (
        "minimize",
        ((1.0, ir.Norm(1.0, -1.0)), (1.0, ir.L1(1.0, 0.0))),
        0.0,
    ),
    "maximize min(w)": ("maximize", ((1.0, ir.Minimum()),), 0.0),
    "maximize predicted(complexity) - 2": (
        "maximize",
        ((1.0, ir.Predicted("complexity", ONE)),),
        -2.0,
    ),
    "minimize predicted(icl) + 2 * risk(icl)": (
        "minimize",
        ((1.0, ir.Predicted("icl", NATS)), (2.0, ir.Risk("icl", NATS))),
        0.0,
    ),
}


def test_objectives() -> None:
    for text, expected in OBJECTIVES.items():
        made = lowered("raise icl by 1 sd", text).objective
        assert (made.sense, made.expression.terms, made.expression.constant) == expected
        assert made.source == text


def test_without_an_objective_weights_stay_near_one() -> None:
    assert lowered("raise icl by 1 sd").objective == DEFAULT_OBJECTIVE
    # Most effective samples is the same as least squares.
    made = lowered("raise icl by 1 sd", "maximize ess(w)").objective
    assert (made.sense, made.expression) == ("minimize", DEFAULT_OBJECTIVE.expression)
    assert made.source == "maximize ess(w)"


@pytest.mark.parametrize(
    "text",
    [
        "mass(w) <= 2",
        "mass(w, across: row.x, of: row.y) <= 2",
        "mass(2 * w, across: row.x) <= 2",
        "kl(w - 1) <= 1 nats",
        "chi2(2 * w) <= 1",
        "ess(w - 1) >= 0.5",
        "norm(w - sum(w)) <= 1",
    ],
)
def test_arguments_of_atoms(text: str) -> None:
    assert codes("raise icl by 1 sd", f"require {text}") == ["PAT3016"]
