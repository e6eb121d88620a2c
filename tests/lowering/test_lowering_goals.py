"""Goals: one for each observable, in order, with amounts in canonical units and their source."""

import pytest

from pattern_lang.ir import program as ir
from pattern_lang.semantics.units import Unit
from tests.lowering.lowered import codes, lowered

SD, NATS, ONE = Unit.SD, Unit.NATS, Unit.ONE
KINDS = {
    "shift icl by 2 sd": ("shift", "icl", 2.0, SD),
    "shift icl by -2 sd": ("shift", "icl", -2.0, SD),
    "raise icl by 0.1 nats": ("raise", "icl", 0.1, NATS),
    "lower complexity by 3": ("lower", "complexity", 3.0, ONE),
    "lower complexity by 50 %": ("lower", "complexity", 0.5, ONE),
    "hold icl within 0 sd": ("hold", "icl", 0.0, SD),
    "shift icl by half * dose": ("shift", "icl", 0.5, SD),
    "shift head[1, 2] by 1 sd": ("shift", "head[1,2]", 1.0, SD),
    "shift pc(head, 2) by 1 sd": ("shift", "pc(head, 2)", 1.0, SD),
    "shift loss(lm,   on: text)  by 1 sd": ("shift", "loss(lm, on: text)", 1.0, SD),
    "shift icl - 2 * head[0, 0] by 1 sd": ("shift", "icl - 2 * head[0, 0]", 1.0, SD),
}


def test_kinds() -> None:
    for text, expected in KINDS.items():
        (goal,) = lowered(text).goals
        assert isinstance(goal, ir.Goal)
        amount = goal.amount
        assert (goal.kind, goal.observable, amount.value, amount.unit) == expected
        assert goal.source == " ".join(text.split())
        assert goal.origin is not None
        assert goal.origin.text == text


def test_bits_become_nats() -> None:
    (goal,) = lowered("raise icl by 1 bits").goals
    assert isinstance(goal, ir.Goal)
    assert goal.amount.unit is NATS
    assert goal.amount.value == pytest.approx(0.6931471805599453, rel=1e-15)


FAMILY = ["head[0,0]", "head[0,1]", "head[0,2]", "head[1,0]", "head[1,1]", "head[1,2]"]


def test_a_family_is_held_member_by_member() -> None:
    pattern = lowered("hold head within 0.1 sd")
    assert [g.observable for g in pattern.goals if isinstance(g, ir.Goal)] == FAMILY
    assert {g.source for g in pattern.goals} == {"hold head within 0.1 sd"}
    assert [o.name for o in pattern.queries.observables] == FAMILY


def only_move(*statements: str, head: str = "") -> ir.Move:
    (move,) = lowered(*statements, head=head).goals
    assert isinstance(move, ir.Move)
    return move


def test_moves() -> None:
    move = only_move("move [icl, complexity] along [1, -0.5] by 2 sd")
    assert move.observables == ("icl", "complexity")
    assert [amount.value for amount in move.direction] == [1.0, -0.5]
    assert {amount.unit for amount in move.direction} == {ONE}
    assert move.amount == ir.Amount(2.0, SD)
    assert only_move("move [icl] along [2 nats]").direction == (ir.Amount(2.0, NATS),)
    assert only_move("move [icl] along [1]").amount is None
    assert only_move("move icl along [1]").observables == ("icl",)


def test_moves_of_families() -> None:
    six = "[1, 2, 3, 4, 5, 6]"
    assert list(only_move(f"move head along {six}").observables) == FAMILY
    assert list(only_move(f"move [head] along {six}").observables) == FAMILY
    move = only_move("move [icl, head] along [0, 1, 2, 3, 4, 5, 6]")
    assert list(move.observables) == ["icl", *FAMILY]
    listed = "param directions: List[Real] = [1, 0, 0, 0, 0, 0]\n"
    assert only_move("move head along directions", head=listed).direction[0].value == 1.0


WRONG = {
    "lower icl by -1 sd": "PAT3009",
    "raise icl by -0.5 * dose": "PAT3009",
    "hold icl within -1 sd": "PAT3009",
    "move [icl] along [1, 2]": "PAT3011",
    "move head along [1]": "PAT3011",
    "move [icl] along [0] by 1 sd": "PAT3013",
    "shift head[2, 0] by 1 sd": "PAT2008",
    "shift head[0, 3] by 1 sd": "PAT2008",
    "shift head[0 - 1, 0] by 1 sd": "PAT2008",
    "shift pc(head, 0) by 1 sd": "PAT2010",
    "shift pc(head, 7) by 1 sd": "PAT2010",
    "shift free_energy(lm, on: late) by 1 sd": "PAT3010",
    "shift icl - 2 * free_energy(lm, on: late) by 1 sd": "PAT3010",
    'shift restrict(icl, to: tr.mlp(lm, 0), posterior: "both") by 1 sd': "PAT2010",
}


def test_wrong_values() -> None:
    assert {text: codes(text) for text in WRONG} == {t: [code] for t, code in WRONG.items()}


@pytest.mark.parametrize(
    ("goals", "clash"),
    [
        (("raise icl by 1 sd", "lower icl by 1 sd"), True),
        (("shift icl by 1 sd", "shift icl by 2 sd"), True),
        (("shift icl by 1 sd", "hold icl within 0.5 sd"), True),
        (("raise icl by 2 sd", "hold icl within 1 sd"), True),
        (("raise icl by 1 sd", "raise icl by 2 sd"), False),
        (("raise icl by 1 sd", "hold icl within 1 sd"), False),
        (("shift icl by 1 sd", "shift icl by 1 sd"), False),
        (("raise icl by 1 sd", "lower icl by 1 nats"), False),
        (("raise icl by 1 sd", "lower complexity by 1 sd"), False),
        (("hold head within 1 sd", "shift head[0, 1] by 2 sd"), True),
        # Against the tightest of many, not only the last.
        (("hold icl within 1 sd", "hold icl within 9 sd", "raise icl by 2 sd"), True),
    ],
)
def test_contradictions(goals: tuple[str, ...], clash: bool) -> None:
    assert codes(*goals) == (["PAT3007"] if clash else [])


def test_a_mistake_of_two_instances_is_reported_once_and_shows_where_it_comes_from() -> None:
    from tests.lowering.lowered import HEAD, read

    text = HEAD + "pattern p(s: Real) { reweight text per sample as w raise icl by s * 1 sd }\n"
    text += "pattern a = p(-1)\npattern b = p(-1)\npattern c = p(1)\n"
    spec = read(text)
    (error,) = [d for d in spec.diagnostics if d.is_error]
    assert error.code == "PAT3009"
    assert [label.span.text for label in error.labels] == ["s * 1 sd", "p(-1)"]
    assert list(spec.lowered.patterns) == ["c"]
