"""What the functions of the standard library stand for: settings, predicates, signs, limits."""

import re

from pattern_lang.ir import observables as ob
from pattern_lang.ir import program as ir
from pattern_lang.ir.queries import Sampler
from pattern_lang.ir.sources import LibraryComponent, LibraryPredicate, ModelSource
from pattern_lang.resources import library_modules
from tests.lowering.lowered import codes, lowered, observable
from tests.semantics.test_semantics_library import FUNCTIONS

GOAL = "raise icl by 1 sd"

# Step, nβ, localisation, batch, chains, draws, burn-in (a quarter of the steps), thinning.
PUBLISHED = {
    "language_model_3m": Sampler("sgld", 1e-3, 30, 300, 64, 4, 200, 50),
    "pythia_1b4": Sampler("rmsprop_sgld", 1e-5, 10, 300, 16, 4, 100, 4000, 160),
    "reward_model_9b": Sampler("rmsprop_sgld", 1e-7, 300, 50_000, 16, 4, 100, 750, 30),
    "bracket_model": Sampler("sgld", 6e-6, 100, 5000, 256, 4, 800, 200),
}


def test_samplers_are_the_published_settings() -> None:
    for name, settings in PUBLISHED.items():
        head = f"use std.samplers {{ {name} }}"
        found = lowered(GOAL, f"estimate {name}()", head=head).queries.sampler
        assert found == settings, name
        assert (found.decay, found.stabilizer) == (0.99, 0.1)
        assert lowered(GOAL, f"estimate {name}(seed: 7)", head=head).queries.sampler.seed == 7
    assert set(PUBLISHED) == names_of("samplers")


def test_schedules() -> None:
    head = "use std.schedules"

    def schedule(text: str) -> ir.Schedule:
        return lowered(GOAL, f"schedule schedules.{text}", head=head).schedule

    assert schedule("warm_in()") == ir.Schedule("ramp", (("steps", 1000),))
    assert schedule("warm_in(over: 50 steps)") == ir.Schedule("ramp", (("steps", 50),))
    settings = (("period", 500), ("rounds", 3), ("trust", 1))
    assert schedule("careful_online(rounds: 3)") == ir.Schedule("online", settings)
    assert names_of("schedules") == {"warm_in", "careful_online"}


Limits = list[tuple[ir.Atom, float, float]]


def limits(rules: str) -> Limits:
    """Return the atoms that rules limit, each as `factor * atom + constant <= 0` (or `== 0`)."""
    pattern = lowered(GOAL, f"apply policies.{rules}", head="use std.policies")
    own = [c.expression for c in pattern.constraints if not c.implied]
    return [(e.terms[0][1], e.terms[0][0], e.constant) for e in own]


W, MEAN, ESS, DOMAIN = ir.Entries(), ir.Mean(), ir.EffectiveSampleSize(), ir.GroupMass("domain")


def test_policies() -> None:
    assert limits("gentle(w)") == [
        *((W, -1.0, 0.0), (W, 1.0, -4.0), (MEAN, 1.0, -1.0), (ESS, -1.0, 0.5)),
    ]
    assert limits("conservative(w)") == [
        *((W, -1.0, 0.5), (W, 1.0, -2.0), (MEAN, 1.0, -1.0), (ESS, -1.0, 0.8)),
    ]
    assert limits("capped_repetition(w)") == [(W, -1.0, 0.0), (W, 1.0, -4.0)]
    assert limits("capped_repetition(w, 3)") == [(W, -1.0, 0.0), (W, 1.0, -3.0)]
    assert limits("domain_floors(w)") == [(DOMAIN, -1.0, 0.5), (DOMAIN, 1.0, -2.0)]
    assert limits("domain_floors(w, floor: 80 %)") == [(DOMAIN, -1.0, 0.8), (DOMAIN, 1.0, -2.0)]
    assert codes(GOAL, "apply policies.capped_repetition(w, 0.5)", head="use std.policies") == [
        "PAT3008"
    ]
    policies = {"gentle", "conservative", "capped_repetition", "domain_floors"}
    assert names_of("policies") == policies


# What each function adds, and what it takes away.
MARGINS = {
    "icl_score(lm, late, text)": ("loss(lm, late)", "loss(lm, text)"),
    "loss_margin(lm, other, text)": ("loss(lm, text)", "loss(other, text)"),
    "free_energy_margin(lm, other, text)": ("free_energy(lm, text)", "free_energy(other, text)"),
    "llc_margin(lm, other, text)": ("llc(lm, text)", "llc(other, text)"),
    "progress(lm, other, text)": ("loss(other, text)", "loss(lm, text)"),
}
KINDS = {"Loss": "loss", "FreeEnergy": "free_energy", "LearningCoefficient": "llc"}


def test_observables_are_differences_with_the_sign_that_they_say() -> None:
    head = 'use std.observables\nmodel other = lm.at("other.safetensors")\n'
    for text, (added, taken) in MARGINS.items():
        terms = observable(f"observables.{text}", head).terms
        shown = {_show(primitive): factor for factor, primitive in terms}
        assert shown == {added: 1.0, taken: -1.0}, text
    assert {text.partition("(")[0] for text in MARGINS} == names_of("observables")


def _show(primitive: ob.Primitive) -> str:
    assert isinstance(primitive, (ob.Loss, ob.FreeEnergy, ob.LearningCoefficient))
    return f"{KINDS[type(primitive).__name__]}({primitive.model.name}, {primitive.on.name})"


def predicate(text: str) -> LibraryPredicate:
    found = observable(f"loss(lm, on: text where tokens.{text})", "use std.tokens\n").terms[0][1]
    assert isinstance(found, ob.Loss)
    (kept,) = found.on.where
    assert isinstance(kept, LibraryPredicate)
    return kept


# Tokens as byte-level and sentence-piece vocabularies write them, and plain text.
MATCHES = {
    "word_starts()": ((" the", "Ġthe", "▁Größe"), ("the", " 3", "Ġ(", " ", "Ġ_x")),
    "word_parts()": (("ing", "é", "The"), (" the", "Ġthe", "Ċ", "▁the", "3", "_x", "(")),
    "delimiters()": (("(", "](", " {", '"', "';", "\n)", "Ġ(", "▁["), ("a(", "-", ".", "", " ")),
    "spaces()": ((" ", "\n\n", "Ġ", "ĊĊ", "▁▁", "\t"), ("", " a", "(")),
    "digits()": (("3", " 42", "Ġ7", "▁19"), ("", "3a", "a3", " ", "3.5", "٣")),
    'matches("ing$")': (("ing", "going"), ("ingot", "")),
}


def test_tokens_by_regular_expression() -> None:
    for text, (kept, left) in MATCHES.items():
        found = predicate(text)
        assert found.function == "std.tokens.matches"
        ((name, regex),) = found.arguments
        assert name == "regex"
        assert isinstance(regex, str)
        assert [t for t in kept if not re.search(regex, t)] == [], text
        assert [t for t in left if re.search(regex, t)] == [], text


def test_tokens_by_what_stood_before() -> None:
    assert predicate("induction()") == predicate("repeats(2)")
    assert predicate("repeats(length: 3)").arguments == (("length", 3),)
    written = {text.partition("(")[0] for text in MATCHES}
    assert names_of("tokens") == {*written, "induction", "repeats"}


COMPONENTS = {
    "head(lm, 1, 2)": (("layer", 1), ("head", 2)),
    "mlp(lm, layer: 1)": (("layer", 1),),
    "embedding(lm)": (),
    "unembedding(lm)": (),
}


def test_components() -> None:
    for text, arguments in COMPONENTS.items():
        found = observable(f"restrict(icl, to: tr.{text})").terms[0][1]
        assert isinstance(found, ob.Restricted)
        component = found.component
        assert isinstance(component, LibraryComponent)
        assert isinstance(component.model, ModelSource)
        name = text.partition("(")[0]
        assert (component.function, component.arguments) == (f"std.transformer.{name}", arguments)
    assert {text.partition("(")[0] for text in COMPONENTS} == names_of("transformer")


def names_of(module: str) -> set[str]:
    return {name for found, name, _ in FUNCTIONS if found == module}


def test_every_module_is_here() -> None:
    tested = {"samplers", "schedules", "policies", "observables", "tokens", "transformer"}
    assert set(library_modules()) == tested
