"""What may stand in a pattern, in rules and in a study, and how constraints may bend."""

import pytest

from tests.semantics.checked import HEAD, checked, codes, codes_in, codes_of

GOALS = {
    "shift icl by 1 sd": [],
    "shift icl by -1 sd": [],
    "raise icl by 0.1 nats": [],
    "raise icl by 0.1 bits": [],
    "lower complexity by 3": [],
    "lower complexity by 1 sd": [],
    "hold head within 0.1 sd": [],
    "hold head[0, 1] within 0.1 sd": [],
    "shift pc(head, 2) by half * dose": [],
    "shift icl - head[0, 0] by dose": [],
    "hold restrict(icl, to: tr.mlp(lm, 0)) within 1 sd": [],
    "raise icl by 1": ["PAT2002"],
    "raise icl by 10 steps": ["PAT2002"],
    "raise complexity by 1 nats": ["PAT2002"],
    "raise lm by 1 sd": ["PAT2001"],
    "raise w by 1 sd": ["PAT2001"],
    'raise icl by "1 sd"': ["PAT2001"],
    "raise icl by lm": ["PAT2001"],
    "raise icm by 1 sd": ["PAT1001"],
    "raise icm by 1 parsec": ["PAT1001", "PAT2003"],
    "move [icl] along [1]": [],
    "move [icl, complexity] along [1, -2] by 1 sd": [],
    "move head along [1, 2, 3, 4, 5, 6, 7, 8] by 1 sd": [],
    "move [head] along [1, 2, 3, 4, 5, 6, 7, 8]": [],
    "move [icl, head] along layers": [],
    "move [icl] along [1 sd] by 2": [],
    "move [icl] along [1 nats]": [],
    "move [icl] along [1 sd] by 1 sd": ["PAT2002"],
    "move [icl] along [1] by 1": ["PAT2002"],
    "move [icl, lm] along [1, 2]": ["PAT2001"],
    "move lm along [1]": ["PAT2001"],
    "move icl along [1]": [],
    "move [icl] along 1": ["PAT2001"],
    "move [icl] along [1 sd, 2]": ["PAT2001"],
    "move [icl] along [1] move [complexity] along [1]": ["PAT3015"],
    "move [icl] along [1] move [complexity] along [1] by 1 sd": [],
}
SETTINGS = {
    "estimate sgld(1e-3, 30, 300, 64)": [],
    "estimate sgld(step: 1e-3, nbeta: 30, localization: 300, batch: 64, thin: 2 steps)": [],
    "estimate sgld(step: 1e-3)": ["PAT1007"],
    "estimate sgld": ["PAT2001"],
    "estimate once()": ["PAT2001"],
    "estimate hmc(nbeta: 1, localization: 1) estimate laplace(1, 1)": ["PAT3002"],
    "schedule once()": [],
    "schedule ramp(steps: 100)": [],
    "schedule ramp(100 steps)": [],
    "schedule ramp(steps: 100 epochs)": ["PAT2001"],
    "schedule online(period: 10 steps, rounds: 3, trust: 1 sd)": [],
    "schedule online(period: 10 steps, trust: 0.5)": [],
    'emit weights("w.parquet") emit megatron("b.txt", buckets: 16)': [],
    'emit "w.parquet"': ["PAT2001"],
    "emit weights()": ["PAT1007"],
    "minimize norm(w - 1)": [],
    "minimize 0": [],
    "maximize ess(w)": [],
    "maximize min(w)": [],
    "maximize predicted(icl)": [],
    "minimize predicted(icl) + risk(icl)": [],
    "minimize half * norm(w)": [],
    "minimize w": ["PAT2001"],
    "minimize icl": ["PAT2001"],
    "minimize min(w)": ["PAT3004"],
    "minimize ess(w)": ["PAT3004"],
    "maximize norm(w)": ["PAT3004"],
    "minimize norm(w) maximize ess(w)": ["PAT3002"],
    "apply nothing(w)": ["PAT1001"],
    "apply icl": ["PAT2001"],
    "apply norm(w)": ["PAT2001"],
}
REQUIRE = {
    "0 <= w <= 4": [],
    "4 >= w >= 0": [],
    "w == 1": [],
    "0 <= w": [],
    "w - 1 <= mean(w)": [],
    "mean(w) == 1": [],
    "sum(w) >= 10": [],
    "0.9 <= mass(w, across: row.x) <= 1.1": [],
    "mass(w, of: row.x > 3 and not row.y) <= 2": [],
    "mass(w, of: row.flag) <= 2": [],
    "predicted(icl) <= 0.1 nats": [],
    "predicted(icl) <= 0.5 sd": [],
    "-1 sd <= predicted(icl) <= 0.5 sd": [],
    "2 * predicted(icl) - predicted(head[0, 0]) / 3 <= 0.5 sd": [],
    "predicted(complexity) == 3": [],
    "predicted(pc(head, 1)) <= 1 sd": [],
    "risk(icl) <= 0.1 sd": [],
    "2 * risk(icl) <= 0.1 nats": [],
    "norm(w - 1) <= 1": [],
    "norm(w - 1) + 2 * l1(w) <= 40 - sum_squares(w)": [],
    "1 >= chi2(w)": [],
    "kl(w) <= 0.5 bits": [],
    "max(w) <= 4 + min(w)": [],
    "ess(w) >= 50 %": [],
    "50 % <= ess(w)": [],
    "2 * ess(w) - 1 >= 0": [],
    "half * norm(w) <= 1": [],
    "half * norm(w) >= -1": [],
    # each unit for itself
    "w <= row.x": [],
    "row.x <= w <= 2 * row.x + 1": [],
    'w == 1 where row.x == "a"': [],
    "0 <= w <= 2 where row.x > 3 and repeats(2)": [],
    # costs of units
    "sum_squares(w - 1, weighted: row.x) <= 9": [],
    "l1(w - 1, weighted: 1 / row.x, up: 2, down: 1) <= 9": [],
    "huber(w - 1, at: 0.5) <= 3": [],
    # numbers in w
    "square(predicted(icl) - 1 sd) <= 2": [],
    "square(predicted(icl) - 0.1 nats) <= 2": [],
    "abs(predicted(icl) - 1 sd) <= 2 sd": [],
    "abs(predicted(icl)) <= 2 sd": [],
    "abs(predicted(icl) / 1 sd) <= 2": [],
    "predicted(icl) / 0.1 nats <= 2": [],
    "kl(w) / 1 nats + chi2(w) <= 2": [],
    "norm([predicted(icl), predicted(head[0, 0])]) <= 2 * predicted(icl)": [],
    "norm([predicted(icl) - 1 sd, predicted(head[0, 0])]) <= 2 sd": [],
    "l1([mass(w, of: row.x == 1) - 1, mean(w)]) <= 2": [],
    "max([abs(predicted(icl)), risk(icl)]) <= 2 sd": [],
    "min([mass(w, of: row.x == 1), min(w)]) >= 0.5": [],
    "mass(w, of: row.x == 1) == 2 * mass(w, of: row.x == 2)": [],
    "quantile(icl, 5 %) >= 0.1 sd": [],
    "quantile(icl, 95 %) <= 0.1 nats": [],
    # units
    "abs(predicted(icl) - 0.1 nats) <= 2 sd": ["PAT2002"],
    "predicted(icl) / 1 steps <= 2": ["PAT2005"],
    "square(predicted(icl)) <= 2 sd": ["PAT2002"],
    "norm([predicted(icl), predicted(complexity)]) <= 2": ["PAT2002"],
    "kl(w) <= 0.5": ["PAT2002"],
    "w <= 4 sd": ["PAT2002"],
    "predicted(icl) <= 3": ["PAT2002"],
    "predicted(icl) + 1 <= 3": ["PAT2002"],
    "norm(w) <= 1 sd": ["PAT2002"],
    # curvature
    "abs(predicted(icl)) >= 1 sd": ["PAT3004"],
    "square(predicted(icl)) >= 1": ["PAT3004"],
    "huber(w - 1, at: 1) >= 3": ["PAT3004"],
    "max([mean(w), min(w)]) <= 2": ["PAT2001"],
    "abs(norm(w)) <= 2": ["PAT2001"],
    "square(ess(w)) <= 2": ["PAT2001"],
    "norm([norm(w)]) <= 2": ["PAT2001"],
    "abs(w) <= 2": ["PAT2001"],
    "mean(w) <= 2 where row.x == 1": ["PAT3017"],
    "ess(w) >= 50 % where row.x == 1": ["PAT3017"],
    "w <= 2 where w": ["PAT2001"],
    "norm(w) >= 1": ["PAT3004"],
    "1 <= norm(w)": ["PAT3004"],
    "l1(w) >= 1": ["PAT3004"],
    "sum_squares(w) >= 1": ["PAT3004"],
    "kl(w) >= 1 nats": ["PAT3004"],
    "chi2(w) >= 1": ["PAT3004"],
    "max(w) >= 1": ["PAT3004"],
    "risk(icl) >= 1 sd": ["PAT3004"],
    "min(w) <= 1": ["PAT3004"],
    "ess(w) <= 50 %": ["PAT3004"],
    "-norm(w) <= -1": ["PAT3004"],
    "-min(w) >= -1": ["PAT3004"],
    "norm(w) == 1": ["PAT3004"],
    "min(w) == 1": ["PAT3004"],
    "ess(w) == 50 %": ["PAT3004"],
    "half * norm(w) == 1": ["PAT3004"],
    "ess(w) >= mean(w)": ["PAT3003"],
    "half * ess(w) >= mean(w)": ["PAT3003"],
    "half * ess(w) + min(w) >= 1": ["PAT3003"],
    "half * ess(w) >= 25 %": [],
    "0 <= norm(w) <= 1": ["PAT3004"],
    "w ^ 2 <= 4": ["PAT3003"],
    "norm(w) + min(w) <= 4": ["PAT3003"],
    # what is no constraint
    "0 < w": ["PAT3005"],
    "w > 0": ["PAT3005"],
    "w != 1": ["PAT3005"],
    "w in [1, 2]": ["PAT3005"],
    "w": ["PAT3006"],
    "true": ["PAT3006"],
    "1 <= 2": ["PAT3006"],
    "row.x > 3": ["PAT3006"],
    "icl": ["PAT3006"],
    "w >= 0 and w <= 4": ["PAT3006"],
    "3 <= row.x <= w": ["PAT3006"],
    "w <= row.x <= 3": ["PAT3006"],
    "w <= 1 or w >= 2": ["PAT3003"],
    "not w <= 1": ["PAT3003"],
    "w <= icl": ["PAT2005"],
    "w <= mass(w, across: row.x)": ["PAT2005"],
    "mass(w, across: domain) <= 2": ["PAT1001"],
    "mass(w, across: row.x + 1) <= 2": ["PAT2001"],
    "predicted(head) <= 1 sd": ["PAT2001"],
    "norm(3) <= 1": ["PAT2001"],
}


def test_goals() -> None:
    assert {text: codes_in(text) for text in GOALS} == GOALS


def test_settings() -> None:
    assert {text: codes_in(text) for text in SETTINGS} == SETTINGS


def test_constraints() -> None:
    assert {text: codes_in(f"require {text}") for text in REQUIRE} == REQUIRE


UNITS_OF_DATA = {
    "per token": [],
    "per sample": [],
    "per group row.domain": [],
    "per group": ["PAT3014"],
    "per row": ["PAT3014"],
    "per token row.x": ["PAT3014"],
    "per group 3": ["PAT2001"],
    "per group row.x + 1": ["PAT0003"],
}


def test_units_of_data() -> None:
    def found(unit: str) -> list[str]:
        text = f"pattern p {{ reweight text {unit} as w raise icl by 1 sd }}\n"
        return [code for code in codes(HEAD + text) if not code.startswith("PATL")]

    assert {unit: found(unit) for unit in UNITS_OF_DATA} == UNITS_OF_DATA


PATTERNS = {
    "pattern p { raise icl by 1 sd require w <= 4 }": ["PAT3001"],
    "pattern p { reweight lm per sample as w raise icl by 1 sd }": ["PAT2001"],
    "pattern p { reweight text per sample as w reweight text per token as v raise icl by 1 sd }": [
        "PAT3002"
    ],
    "pattern p { reweight text per sample as w raise icl by 1 sd reweight text per sample as w }": [
        "PAT3002"
    ],
    "rules r(w: Weights) { reweight text per sample as v }": ["PAT0010"],
    "rules r(w: Weights) { require w <= v }": ["PAT1001"],
    'rules r(v: Weights, k: Real = 2) { require v <= k raise icl by 1 sd emit weights("x") }': [],
    "rules r(v: Weights) { minimize norm(v) minimize l1(v) }": ["PAT3002"],
    "rules r(v: Weights) { apply s(v) } rules s(v: Weights) { require v <= 4 }": [],
    "rules r(v: Weights) { apply s } rules s(v: Weights) { require v <= 4 }": ["PAT1007"],
    "rules r(v: Weights) { apply s(2 * v) } rules s(v: Weights) { require v <= 4 }": [],
    "rules r(v: Weights) { apply s(norm(v)) } rules s(v: Weights) { require v <= 4 }": ["PAT2001"],
}
OPEN = "pattern p(s: Real, t: Quantity[sd] = 1 sd) { reweight text per sample as w shift icl by s * t }\n"
INSTANCES = {
    "pattern q = p(1)": [],
    "pattern q = p(s: -1, t: 2 sd)": [],
    "pattern q = p(1)\npattern r = q": [],
    "pattern q = p": ["PAT1007"],
    "pattern q = p()": ["PAT1007"],
    "pattern q = p(1, 2)": ["PAT2001"],
    "pattern q = p(1, 2 sd, 3)": ["PAT1008"],
    "pattern q = p(u: 1)": ["PAT1006"],
    "pattern q = icl": ["PAT2001"],
    "pattern q = 3": ["PAT2001"],
    "pattern q = nowhere(1)": ["PAT1001"],
    "pattern q = loss(lm, on: text)": ["PAT2001"],
}
STUDIES = {
    "arms base, q, shuffled(q), random_direction(q), p(2), sweep(q, dose: [0.5, 1])": [],
    "arms heuristic(row.quality, like: q), heuristic(row.a + row.b, like: q)": [],
    'arms shuffled(q, among: row.kind == "a"), shuffled(q, among: row.quality)': [],
    "arms shuffled(q, among: icl)": ["PAT2001"],
    "arms p": ["PAT1007"],
    "arms shuffled(p)": ["PAT1007"],
    "arms icl": ["PAT2001"],
    "arms shuffled(icl)": ["PAT2001"],
    "arms shuffled": ["PAT2001"],
    "seeds 0..5": [],
    "seeds 3": [],
    "seeds [1, 5, 7]": [],
    "seeds 0.5": ["PAT2001"],
    "seeds 1 seeds 2": ["PAT3002"],
    "using adamw(lr: 1e-3, steps: 10, batch: 2)": [],
    "using sgd(lr: 1e-3, steps: 10, batch: 2, momentum: 0.9, nesterov: true)": [],
    "using adam(lr: 1e-3)": ["PAT1007"],
    "using adamw": ["PAT2001"],
    "using laplace(1, 1)": ["PAT2001"],
    'measure icl, head, head[0, 1], python("m.py:f") every 100 steps': [],
    "measure icl every 10": [],
    "measure icl measure complexity every 5 steps": [],
    "measure lm": ["PAT2001"],
    "measure icl every 10 epochs": ["PAT2001"],
    'measure icl every "day"': ["PAT2001"],
}


def test_patterns_and_rules() -> None:
    found = {text: codes_of(text) for text in PATTERNS}
    assert {t: [c for c in cs if c != "PATL002"] for t, cs in found.items()} == PATTERNS


def test_instances() -> None:
    found = {text: codes_of(OPEN + text) for text in INSTANCES}
    assert {t: [c for c in cs if c != "PATL002"] for t, cs in found.items()} == INSTANCES


def test_studies() -> None:
    def found(items: str) -> list[str]:
        text = f"{OPEN}pattern q = p(1)\nstudy fate {{ {items} }}\n"
        return [code for code in codes_of(text) if code != "PATL002"]

    assert {items: found(items) for items in STUDIES} == STUDIES


def test_broken_statements_bring_no_others_with_them() -> None:
    # The goal, and the `reweight`, are there and cannot be read.
    for text in (
        "pattern p { reweight text per sample as w raise icl 1 sd }",
        "pattern p { reweight text per sample w raise icl by 1 sd require w <= 4 }",
        "pattern p { reweight text sample as v raise icl by 1 sd require v <= 4 }",
        "pattern p(s: Real { reweight text per sample as w raise icl by s * 1 sd } pattern q = p(1)",
        "observable a = loss(lm on: text) pattern p { reweight text per token as w raise a by 1 sd }",
        "data d = jsonl('x') pattern p { reweight d per token as w raise icl by 1 sd }",
    ):
        syntax = [code for code in codes_of(text) if code != "PATL002"]
        assert len(syntax) == 1, text
        assert syntax[0].startswith("PAT0")


@pytest.mark.parametrize(
    ("body", "lints"),
    [
        ("require 0 <= w <= 4", ["PATL003"]),
        ("estimate laplace(1, 1)", ["PATL003"]),
        ("require ess(w) >= 50 %", ["PATL003"]),
        ("raise icl by 1 sd", []),
        ("move [icl] along [1]", []),
        ("require predicted(icl) <= -1 sd", []),
        ("require mass(w, of: row.x > 1) >= 2", []),
        ("minimize predicted(icl)", []),
    ],
)
def test_patterns_that_ask_for_nothing(body: str, lints: list[str]) -> None:
    text = f"pattern p {{ reweight text per sample as w {body} }}\n"
    assert [code for code in codes_of(text) if code != "PATL002"] == lints


OVERRIDES = {
    ("dose", "2 sd"): [],
    ("dose", "half * 1 sd"): [],
    ("dose", "2"): ["PAT2001"],
    ("dose", "2 *"): ["PAT0004"],
    ("dose", "2 sd param x: Real = 1"): ["PAT0003"],
    ("dose", "nowhere"): ["PAT1001"],
    ("half", "50 %"): [],
    ("layers", "[2, 3]"): [],
    ("layers", "[2, 0.5]"): ["PAT2001"],
    ("lm", "3"): ["PAT1013"],
    ("does", "3 sd"): ["PAT1013"],
}


def test_overrides() -> None:
    assert {key: codes(HEAD, dict([key])) for key in OVERRIDES} == OVERRIDES


def test_overrides_point_into_their_own_text() -> None:
    (problem,) = checked(HEAD, {"dose": "1 parsec"}).problems
    assert problem.span is not None
    assert problem.span.source.name == "<-p dose>"
    assert problem.span.text == "parsec"
