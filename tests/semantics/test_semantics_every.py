"""Every type, every unit and every function of the language, each with a right and a wrong use."""

from itertools import product

from pattern_lang.semantics.core import ARMS, TARGET_NAMES, core_functions
from pattern_lang.semantics.types import DATA, TARGET, TYPE_NAMES
from pattern_lang.semantics.units import UNIT_NAMES
from tests.semantics.checked import codes_of, type_of

# The value of a parameter of the type, and one that is none.
VALUES = {
    "Bool": ("Bool", "true", "1"),
    "Int": ("Int", "3", "0.5"),
    "Real": ("Real", "0.5", "1 sd"),
    "String": ("String", '"a"', "3"),
    "Quantity": ("Quantity[sd]", "1 sd", "1 nats"),
    "List": ("List[Int]", "[1, 2]", '["a"]'),
    "Model": ("Model", "lm", "text"),
    "Data": ("Data", "text", "lm"),
    "Predicate": ("Predicate", "row.x > 3", "row"),
    "Component": ("Component", 'component(lm, "*")', "lm"),
    "Observable": ("Observable[nats]", "icl", "complexity"),
    "Weights": ("Weights", "w", "icl"),
    "Sampler": ("Sampler", "laplace(1, 1)", "once()"),
    "Schedule": ("Schedule", "once()", "laplace(1, 1)"),
    "Optimizer": ("Optimizer", "sgd(lr: 1, steps: 10, batch: 1)", "once()"),
    "Target": ("Target", 'weights("w")', '"w"'),
}
STEER = "pattern steer {{ reweight text per sample as w raise icl by 1 sd apply r(w, {}) }}\n"


def test_every_type_is_one_of_a_parameter_and_of_a_constant() -> None:
    assert set(VALUES) == set(TYPE_NAMES)
    for name, (written, right, wrong) in VALUES.items():
        rules = f"rules r(v: Weights, x: {written}) {{ require v <= 4 }}\n"
        assert _errors(rules + STEER.format(right)) == [], name
        assert _errors(rules + STEER.format(wrong))[:1] == ["PAT2001"], name
        if name == "Weights":  # only a pattern has any
            continue
        assert _errors(f"param x: {written} = {right}\n") == [], name
        assert _errors(f"param x: {written} = {wrong}\n") == ["PAT2001"], name
        assert _errors(f"def f(x: {written}) -> {written} = x\n") == [], name


def _errors(text: str) -> list[str]:
    return [code for code in codes_of(text) if not code.startswith("PATL")]


CONVERT = ({"nats", "bits"},)


def test_every_unit_adds_to_itself_and_to_those_it_converts_to() -> None:
    for one, other in product(UNIT_NAMES, UNIT_NAMES):
        agree = one == other or {one, other} in CONVERT
        found = type_of(f"1 {one} + 1 {other}")
        assert (found != "PAT2002") == agree, (one, other)
        parameter = codes_of(f"param x: Quantity[{one}] = 1 {other}\n")
        assert (parameter == []) == agree, (one, other)


def test_shares_are_plain_numbers_and_counts_are_whole_ones() -> None:
    assert type_of("50 % + 1") == "a Real"
    assert codes_of("param x: Real = 50 %\n") == []
    for unit in ("steps", "tokens", "samples", "epochs"):
        assert codes_of(f"param x: Quantity[{unit}] = 3\n") == []
        assert codes_of(f"param x: Quantity[{unit}] = 0.5\n") == ["PAT2001"]
        assert type_of(f"2 * 3 {unit}") == f"a quantity in {unit}"
    for unit in ("nats", "bits", "sd"):
        assert codes_of(f"param x: Quantity[{unit}] = 3\n") == ["PAT2001"]


SGLD = "step: 1e-3, nbeta: 30, localization: 300, batch: 64"
TRAINED = "lr: 1e-3, steps: 10, batch: 2, weight_decay: 0.1"
CALLS = {
    'torch("m.py:f", weights: "w", loss: "l.py:g", width: 3)': "a Model",
    'hf("folder")': "a Model",
    'jsonl("f", field: "text", tokenizer: "t.json", context: 64)': "Data",
    'parquet("f", field: "text")': "Data",
    'hf_dataset("folder", split: "train")': "Data",
    'tokens("f.bin", context: 64, dtype: "uint16")': "Data",
    'python("d.py:rows", n: 3)': "Data",
    "loss(lm, on: text)": "an Observable[nats]",
    "llc(lm, on: text)": "an Observable",
    "llc(lm, on: text, held: true)": "an Observable",
    "free_energy(lm, on: text)": "an Observable[nats]",
    'restrict(icl, to: component(lm, "*"))': "an Observable[nats]",
    'restrict(icl, to: tr.mlp(lm, 0), posterior: "component")': "an Observable[nats]",
    "pc(head, 1, toward: text)": "an Observable[sd]",
    'python("m.py:f", lm, on: text, unit: nats, k: 3)': "an Observable[nats]",
    'python("m.py:f", lm, on: text)': "an Observable",
    'component(lm, "blocks.*")': "a Component",
    "mean(w)": "a number affine in w",
    "sum(w)": "a number affine in w",
    "mass(w, across: row.domain)": "the shares of groups",
    "mass(w, of: row.x > 3)": "a number affine in w",
    "predicted(icl)": "a number affine in w",
    "sum_squares(w - 1)": "a number convex in w",
    "norm(w - 1)": "a number convex in w",
    "l1(w - 1)": "a number convex in w",
    "max(w)": "a number convex in w",
    "min(w)": "a number concave in w",
    "kl(w)": "a number convex in w",
    "chi2(w)": "a number convex in w",
    "ess(w)": "a number quasiconcave in w",
    "risk(icl)": "a number convex in w",
    "abs(mean(w) - 1)": "a number convex in w",
    "square(mean(w) - 1)": "a number convex in w",
    "quantile(icl, at: 5 %)": "a number convex or concave in w",
    "huber(w - 1, at: 0.5)": "a number convex in w",
    'reliable(50 %, rest: "dropped")': "a constraint on the weights",
    f"sgld({SGLD}, chains: 4, draws: 200, burn_in: 10 steps, thin: 2, seed: 1)": "a Sampler",
    f"rmsprop_sgld({SGLD}, decay: 0.9, stabilizer: 0.1)": "a Sampler",
    "hmc(nbeta: 30, localization: 1, chains: 2, draws: 10, burn_in: 5, seed: 3)": "a Sampler",
    "laplace(nbeta: 30, localization: 1)": "a Sampler",
    "importance(nbeta: 30, localization: 1, chains: 2, draws: 64, seed: 1)": "a Sampler",
    "once()": "a Schedule",
    "ramp(steps: 100 steps)": "a Schedule",
    "online(period: 500 steps, rounds: 3, trust: 1 sd)": "a Schedule",
    f"adamw({TRAINED}, betas: [0.9, 0.99], eps: 1e-8)": "an Optimizer",
    f"adam({TRAINED})": "an Optimizer",
    f"sgd({TRAINED}, momentum: 0.9, nesterov: true)": "an Optimizer",
    **{f'{name}("file", extra: 3)': "a Target" for name in TARGET_NAMES},
}
OBSERVED = 'python("m.py:f", lm'  # which `python` is meant, only the place tells


def test_every_function_has_a_call() -> None:
    for text, expected in CALLS.items():
        wanted = {"Data": DATA, "a Target": TARGET}.get(expected)
        if text.startswith(OBSERVED):
            assert _errors(f"observable o = {text}\n") == [], text
        else:
            assert type_of(text, wanted) == expected, text
    arms = {signature.name for signature in ARMS}  # they stand in studies alone
    assert {text.partition("(")[0] for text in CALLS} | arms == set(core_functions())


def test_every_function_says_what_it_lacks() -> None:
    for name, signatures in core_functions().items():
        needed = any(formal.required for formal in signatures[0].formals)
        assert type_of(f"{name}()").startswith("PAT1007") == needed, name
