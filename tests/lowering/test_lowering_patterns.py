"""Whole patterns: settings, rules, instances, what is sampled and why."""

import pytest

from pattern_lang.ir import program as ir
from pattern_lang.ir.queries import Reason, Reweight, Sampler
from pattern_lang.ir.sources import LibraryComponent
from pattern_lang.lowering.settings import default_sampler
from pattern_lang.semantics.units import Unit
from tests.lowering.lowered import HEAD, codes, lowered, read

GOAL = "raise icl by 1 sd"


def test_what_is_re_weighted() -> None:
    for unit, kind, field in (
        ("token", "token", None),
        ("sample", "sample", None),
        ("group row.domain", "group", "domain"),
    ):
        text = f"{HEAD}pattern p {{ reweight late per {unit} as v raise icl by 1 sd }}\n"
        found = read(text).lowered.patterns["p"].queries.reweight
        assert found == Reweight(found.data, kind, field, "v")
        assert found.data.name == "late"


SAMPLERS = {
    "sgld(step: 1e-3, nbeta: 30, localization: 300, batch: 64)": Sampler(
        "sgld", 1e-3, 30.0, 300.0, 64, chains=4, draws=200, burn_in=50
    ),
    "sgld(1e-3, 30, 300, 64, draws: 100, thin: 8)": Sampler(
        "sgld", 1e-3, 30.0, 300.0, 64, chains=4, draws=100, burn_in=200, thin=8
    ),
    "sgld(1e-3, 30, 300, 64, burn_in: 7 steps, chains: 2, seed: 5)": Sampler(
        "sgld", 1e-3, 30.0, 300.0, 64, chains=2, draws=200, burn_in=7, seed=5
    ),
    "rmsprop_sgld(1e-3, 30, 300, 64, decay: 0.9, stabilizer: 1e-4)": Sampler(
        "rmsprop_sgld", 1e-3, 30.0, 300.0, 64, 4, 200, 50, decay=0.9, stabilizer=1e-4
    ),
    "hmc(nbeta: 30, localization: 0)": Sampler("hmc", 0.0, 30.0, 0.0, 0, 4, 200, 100),
    "laplace(30, 1)": Sampler("laplace", 0.0, 30.0, 1.0, 0, 1, 1600, 0),
    "importance(30, 1)": Sampler("importance", 0.0, 30.0, 1.0, 0, 4, 200, 0),
    "importance(30, 1, chains: 2, draws: 64, seed: 5)": Sampler(
        "importance", 0.0, 30.0, 1.0, 0, 2, 64, 0, seed=5
    ),
}


def test_samplers_and_their_defaults() -> None:
    found = {text: lowered(GOAL, f"estimate {text}").queries.sampler for text in SAMPLERS}
    assert found == SAMPLERS
    assert lowered(GOAL).queries.sampler == default_sampler()


SETTINGS = {
    "sgld(step: 0, nbeta: 1, localization: 1, batch: 1)": "step",
    "sgld(step: 1, nbeta: -1, localization: 1, batch: 1)": "nbeta",
    "sgld(step: 1, nbeta: 1, localization: -1, batch: 1)": "localization",
    "sgld(step: 1, nbeta: 1, localization: 1, batch: 0)": "batch",
    "sgld(1, 1, 1, 1, chains: 0)": "chains",
    "sgld(1, 1, 1, 1, draws: 1)": "draws",
    "importance(1, 1, draws: 7)": "draws",
    "sgld(1, 1, 1, 1, burn_in: -1)": "burn_in",
    "sgld(1, 1, 1, 1, thin: 0 steps)": "thin",
    "sgld(1, 1, 1, 1, seed: -1)": "seed",
    "rmsprop_sgld(1, 1, 1, 1, decay: 1)": "decay",
    "rmsprop_sgld(1, 1, 1, 1, stabilizer: 0)": "stabilizer",
}


def test_settings_out_of_range() -> None:
    for text, name in SETTINGS.items():
        statements = f"{GOAL} estimate {text}"
        body = f"{HEAD}pattern p {{ reweight text per sample as w {statements} }}\n"
        (error,) = [d for d in read(body).diagnostics if d.is_error]
        assert error.code == "PAT2010"
        assert f"`{name}`" in error.message
        assert error.span is not None
        assert error.span.text in text


def test_the_estimator_of_a_sampler() -> None:
    plain = "estimate sgld(1, 1, 1, 1)"
    assert lowered(GOAL, plain).queries.sampler.estimator == "covariance"
    for name in ("covariance", "pathwise"):
        told = f'estimate rmsprop_sgld(1, 1, 1, 1, estimator: "{name}")'
        assert lowered(GOAL, told).queries.sampler.estimator == name
    assert codes(GOAL, 'estimate sgld(1, 1, 1, 1, estimator: "pathwize")') == ["PAT2010"]


def test_reliable() -> None:
    """What becomes of directions of the goals that are mostly noise."""
    assert lowered(GOAL).reliable is None
    text = "require reliable(50 %)"
    assert lowered(GOAL, text).reliable == ir.Reliable(0.5, "soft", text)
    text = 'require reliable(at: 0.25, rest: "dropped")'
    assert lowered(GOAL, text).reliable == ir.Reliable(0.25, "dropped", text)
    assert lowered(GOAL, text).constraints == lowered(GOAL).constraints
    rules = "rules safe(w: Weights) { require reliable(60 %) }\n"
    found = read(f"{HEAD}{rules}pattern p {{ reweight text per sample as w {GOAL} apply safe(w) }}")
    applied = found.lowered.patterns["p"].reliable
    assert applied is not None
    assert applied.at == 0.6
    wrong = {
        "require reliable(150 %)": ["PAT2010"],
        "require reliable(1 sd)": ["PAT2001"],
        'require reliable(50 %, rest: "gone")': ["PAT2010"],
        "require reliable()": ["PAT1007"],
        "require reliable(50 %) where row.x > 3": ["PAT3017"],
        "minimize reliable(50 %)": ["PAT2001"],
        "require reliable(50 %) >= 3": ["PAT2005"],
        "require reliable(50 %) require reliable(60 %)": ["PAT3002"],
    }
    assert {line: codes(GOAL, line) for line in wrong} == wrong


def test_schedules() -> None:
    assert lowered(GOAL).schedule == ir.Schedule("once")
    assert lowered(GOAL, "schedule once()").schedule == ir.Schedule("once")
    assert lowered(GOAL, "schedule ramp(100 steps)").schedule == ir.Schedule(
        "ramp", (("steps", 100),)
    )
    online = lowered(GOAL, "schedule online(period: 10, rounds: 3, trust: 0.5 sd)").schedule
    assert online == ir.Schedule("online", (("period", 10), ("rounds", 3), ("trust", 0.5)))
    assert codes(GOAL, "schedule ramp(steps: 0)") == ["PAT2010"]
    assert codes(GOAL, "schedule online(period: 10, trust: -1)") == ["PAT2010"]


def test_targets() -> None:
    pattern = lowered(GOAL, 'emit weights("a/w.parquet")', 'emit megatron("b.txt", buckets: 16)')
    assert pattern.targets == (
        ir.EmitTarget("weights", "a/w.parquet"),
        ir.EmitTarget("megatron", "b.txt", (("buckets", 16),)),
    )
    assert lowered(GOAL).targets == ()


LEAVING = ("/w", "../w", "a/../../w", "..", "", "C:/w", "C:w", "a\\\\..\\\\..\\\\w", "a\\u{0}")
STAYING = ("w", "a/b/w.parquet", "./w", "a..b", "...", "数据/w")


def test_paths_stay_in_the_output_folder() -> None:
    found = {path: codes(GOAL, f'emit weights("{path}")') for path in (*LEAVING, *STAYING)}
    assert found == {**{key: ["PAT2014"] for key in LEAVING}, **{key: [] for key in STAYING}}


RULES = """
param most: Real = 3
rules cap(v: Weights, limit: Real = most) {
  require v <= limit
  hold complexity within 1 sd
}
rules outer(v: Weights) {
  apply cap(v, limit: 2)
  emit weights("outer.parquet")
}
"""


def test_rules_are_inlined_in_their_place() -> None:
    pattern = lowered(GOAL, "apply outer(w)", "hold head[0, 0] within 1 sd", head=RULES)
    goals = [goal.observable for goal in pattern.goals if isinstance(goal, ir.Goal)]
    assert goals == ["icl", "complexity", "head[0,0]"]
    (own,) = [c for c in pattern.constraints if not c.implied]
    assert own.expression == ir.Expression(((1.0, ir.Entries()),), -2.0)
    assert own.source == "require v <= limit"
    assert [target.path for target in pattern.targets] == ["outer.parquet"]


def test_rules_read_their_own_file() -> None:
    # `most` is not a name of the pattern, and a parameter of the pattern does not reach it.
    text = f"{HEAD}{RULES}pattern p(most: Real) {{ reweight text per sample as w {GOAL} "
    text += "apply cap(w) }\npattern q = p(9)\n"
    (own,) = [c for c in read(text).lowered.patterns["q"].constraints if not c.implied]
    assert own.expression.constant == -3.0


def test_rules_of_a_multiple_of_the_weights() -> None:
    pattern = lowered(GOAL, "apply cap(2 * w - 1)", head=RULES)
    (own,) = [c for c in pattern.constraints if not c.implied]
    assert own.expression == ir.Expression(((2.0, ir.Entries()),), -4.0)


def test_what_stands_once_stands_once_with_rules_too() -> None:
    rules = "rules small(w: Weights) { minimize kl(w) estimate laplace(1, 1) schedule once() }\n"
    assert codes(GOAL, "apply small(w)", head=rules) == []
    assert codes(GOAL, "minimize norm(w)", "apply small(w)", head=rules) == ["PAT3002"]
    assert codes(GOAL, "apply small(w)", "schedule once()", head=rules) == ["PAT3002"]
    # The same rules twice are one statement twice: nothing contradicts.
    assert codes(GOAL, "apply small(w)", "apply small(w)", head=rules) == []


INSTANCES = """
pattern steer(sign: Real, on: Data = text, goal: Observable = icl) {
  reweight on per sample as w
  shift goal by sign * dose
}
pattern up = steer(2)
pattern down = steer(sign: -1, on: late, goal: head[0, 1])
pattern alias = up
"""


def test_instances() -> None:
    spec = read(HEAD + INSTANCES)
    assert [d for d in spec.diagnostics if d.is_error] == []
    assert list(spec.lowered.patterns) == ["up", "down", "alias"]
    assert spec.lowered.open_patterns == ("steer",)
    up, down, alias = spec.lowered.patterns.values()
    assert [p.name for p in (up, down, alias)] == ["up", "down", "alias"]
    assert up.goals == alias.goals
    (goal,) = up.goals
    assert (goal.amount.value, goal.observable) == (2.0, "icl")  # type: ignore[union-attr]
    (goal,) = down.goals
    assert (goal.amount.value, goal.observable) == (-1.0, "head[0,1]")  # type: ignore[union-attr]
    assert down.queries.reweight.data.name == "late"


def test_a_broken_pattern_leaves_the_others_whole() -> None:
    text = f"{HEAD}pattern bad {{ reweight text per sample as w raise icm by 1 sd }}\n"
    text += f"pattern good {{ reweight text per sample as w {GOAL} }}\n"
    spec = read(text)
    assert list(spec.lowered.patterns) == ["good"]
    assert [d.code for d in spec.diagnostics if d.is_error] == ["PAT1001"]


def test_each_observable_is_asked_for_once() -> None:
    pattern = lowered(
        GOAL, "hold icl within 2 sd", "require predicted(icl) <= 9 sd", "minimize risk(icl)"
    )
    assert [o.name for o in pattern.queries.observables] == ["icl"]


def test_different_observables_of_one_name_are_told_apart() -> None:
    head = """
rules late_one(v: Weights) { hold loss(lm, on: rows) within 1 sd }
data rows = text
rules other(v: Weights, rows: Data) { hold loss(lm, on: rows) within 1 sd }
"""
    pattern = lowered(GOAL, "apply late_one(w)", "apply other(w, late)", head=head)
    names = [o.name for o in pattern.queries.observables]
    assert names == ["icl", "loss(lm, on: rows)", "loss(lm, on: rows) (2)"]
    assert [g.observable for g in pattern.goals if isinstance(g, ir.Goal)] == names


def test_names_of_observables_in_constraints_follow() -> None:
    head = "rules other(v: Weights, text: Data) { require predicted(loss(lm, on: text)) <= 1 sd }\n"
    pattern = lowered("raise loss(lm, on: text) by 1 sd", "apply other(w, late)", head=head)
    own = next(c for c in pattern.constraints if not c.implied)
    atom = ir.Predicted("loss(lm, on: text) (2)", Unit.SD)
    assert own.expression.terms == ((1.0, atom),)


def test_posteriors_are_merged_and_say_who_asked() -> None:
    pattern = lowered(GOAL, "hold complexity within 1 sd", "hold icl within 9 sd")
    (posterior,) = pattern.queries.posteriors
    assert posterior.component is None
    assert posterior.observables == ("icl", "complexity")
    assert [reason.source for reason in posterior.reasons] == [
        "raise icl by 1 sd",
        "hold icl within 9 sd",
        "hold complexity within 1 sd",
    ]
    assert posterior.reasons[0] == Reason("raise icl by 1 sd", "specs/spec.pat:15:3")


def test_components_have_posteriors_of_their_own() -> None:
    pattern = lowered("hold head[0, 0] within 1 sd", "hold head[0, 1] within 1 sd")
    found = [(p.component, p.observables) for p in pattern.queries.posteriors]
    parts = [
        LibraryComponent(m, "std.transformer.head", (("layer", 0), ("head", h)))
        for m in [pattern.queries.posteriors[0].model]
        for h in (0, 1)
    ]
    both = ("head[0,0]", "head[0,1]")
    assert found == [(parts[0], both[:1]), (None, both), (parts[1], both[1:])]


def test_the_exact_response_of_a_component_needs_its_posterior_alone() -> None:
    exact = 'restrict(icl, to: tr.mlp(lm, 0), posterior: "component")'
    pattern = lowered(f"hold {exact} within 1 sd")
    (posterior,) = pattern.queries.posteriors
    assert isinstance(posterior.component, LibraryComponent)


def test_a_principal_direction_needs_the_whole_family() -> None:
    pattern = lowered("shift pc(head, 1) by 1 sd")
    members = [f"head[{i},{j}]" for i in range(2) for j in range(3)]
    assert [o.name for o in pattern.queries.observables] == ["pc(head, 1)", *members]
    parts = [p.component for p in pattern.queries.posteriors if p.component is not None]
    assert len(parts) == 6


def test_other_models_have_posteriors_of_their_own() -> None:
    head = 'model later = lm.at("later.safetensors")\nmodel same = lm\n'
    losses = [f"hold loss({m}, on: text) within 1 sd" for m in ("lm", "later", "same")]
    pattern = lowered(*losses, head=head)
    assert [p.observables for p in pattern.queries.posteriors] == [
        ("loss(lm, on: text)", "loss(same, on: text)"),
        ("loss(later, on: text)",),
    ]


@pytest.mark.parametrize("count", [3000])
def test_many_goals_cost_little(count: int) -> None:
    head = f"observable many[i in 0..{count}] = i * icl\n"
    pattern = lowered("hold many within 1 sd", head=head)
    assert len(pattern.goals) == count
    assert len(pattern.queries.posteriors[0].reasons) == 1
