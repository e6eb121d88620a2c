"""Observables, models, data and components: what the estimator is told of them."""

from math import log

import pytest

from pattern_lang.ir import observables as ob
from pattern_lang.ir.sources import (
    Both,
    Comparison,
    DataSource,
    Either,
    FileRef,
    FunctionRef,
    LibraryComponent,
    LibraryPredicate,
    ModelSource,
    Not,
    ParameterGlob,
    RowArithmetic,
    RowField,
    RowLiteral,
    Truth,
)
from pattern_lang.semantics.units import Unit
from tests.lowering.lowered import HEAD, lowered, observable, read

TEXT = DataSource("text", "jsonl", file=FileRef("text.jsonl", ("specs/text.jsonl",)))
LM = ModelSource(
    "lm",
    "torch",
    builder=FunctionRef(FileRef("model.py", ("specs/model.py",)), "build"),
    weights=FileRef("base.safetensors", ("specs/base.safetensors",)),
)
LOSS = ob.Loss(LM, TEXT)


def test_a_declared_observable_keeps_its_name() -> None:
    found = observable("icl")
    assert (found.name, found.unit, found.terms, found.constant) == (
        "icl",
        Unit.NATS,
        ((1.0, LOSS),),
        0.0,
    )
    assert found.origin is not None
    assert found.origin.text == "loss(lm, on: text)"


PRIMITIVES = {
    "loss(lm, on: text)": LOSS,
    "loss(on: text, m: lm)": LOSS,
    "llc(lm, on: text)": ob.LearningCoefficient(LM, TEXT, False),
    "llc(lm, on: text, held: true)": ob.LearningCoefficient(LM, TEXT, True),
    "llc(lm, on: text, held: 1 > 2)": ob.LearningCoefficient(LM, TEXT, False),
    "free_energy(lm, on: text)": ob.FreeEnergy(LM, TEXT),
    'restrict(icl, to: component(lm, "a.*"))': ob.Restricted(LOSS, ParameterGlob(LM, "a.*")),
    'restrict(icl, to: component(lm, "a"), posterior: "component")': ob.Restricted(
        LOSS, ParameterGlob(LM, "a"), "component"
    ),
    "restrict(icl, to: tr.head(lm, 1, 2))": ob.Restricted(
        LOSS, LibraryComponent(LM, "std.transformer.head", (("layer", 1), ("head", 2)))
    ),
    "restrict(icl, to: tr.embedding(lm))": ob.Restricted(
        LOSS, LibraryComponent(LM, "std.transformer.embedding", ())
    ),
    'python("m.py:f", lm, on: text, unit: nats, width: 3, names: ["a", "b"])': ob.UserObservable(
        FunctionRef(FileRef("m.py", ("specs/m.py",)), "f"),
        LM,
        TEXT,
        (("names", ("a", "b")), ("width", 3)),
    ),
    'python("m.py:f")': ob.UserObservable(
        FunctionRef(FileRef("m.py", ("specs/m.py",)), "f"), None, None
    ),
}


def test_primitives() -> None:
    found = {text: observable(text).terms for text in PRIMITIVES}
    assert found == {text: ((1.0, primitive),) for text, primitive in PRIMITIVES.items()}


def test_principal_directions() -> None:
    found = observable("pc(head, 2, toward: text)")
    ((factor, primitive),) = found.terms
    assert (factor, found.unit) == (1.0, Unit.SD)
    assert isinstance(primitive, ob.PrincipalDirection)
    assert (primitive.k, primitive.toward) == (2, TEXT)
    names = [member.name for member in primitive.family]
    assert names == [f"head[{i},{j}]" for i in range(2) for j in range(3)]


COMBINATIONS = {
    "icl - icl / 2": (((0.5, LOSS),), 0.0),
    "2 * icl + 1 nats - 50 % * icl": (((1.5, LOSS),), 1.0),
    "-icl + 3 * icl - 1 bits": (((2.0, LOSS),), -log(2)),
    "icl + icl + icl + icl": (((4.0, LOSS),), 0.0),
    "1 nats - icl": (((-1.0, LOSS),), 1.0),
    "half * icl": (((0.5, LOSS),), 0.0),
    "icl - icl + loss(lm, on: late)": None,
}


def test_linear_combinations() -> None:
    for text, expected in COMBINATIONS.items():
        found = observable(text)
        if expected is None:
            assert len(found.terms) == 1
            continue
        assert found.terms == expected[0], text
        assert found.constant == pytest.approx(expected[1])
        assert found.name == text


def test_what_is_measured_in_bits_is_estimated_in_nats() -> None:
    found = observable('python("m.py:f", lm, on: text, unit: bits)')
    assert found.unit is Unit.NATS
    ((factor, _),) = found.terms
    assert factor == pytest.approx(log(2))


def test_meanings_are_chosen_inside_of_combinations_too() -> None:
    found = observable('python("m.py:f", lm, on: text, unit: nats) - 2 * icl')
    assert [type(primitive) for _, primitive in found.terms] == [ob.UserObservable, ob.Loss]
    data = (
        read(
            HEAD
            + 'data rows = python("d.py:rows", n: 3) where row.x > 1\n'
            + "pattern p { reweight rows per sample as w raise loss(lm, on: rows) by 1 sd }\n"
        )
        .lowered.patterns["p"]
        .queries.reweight.data
    )
    assert (data.reader, data.arguments) == ("python", (("n", 3),))


def test_families_with_several_indices() -> None:
    head = "observable grid[i in 1..3, j in 0..2, k in 5..6] = i * icl + (j + k) * 1 nats\n"
    found = lowered("hold grid within 1 sd", head=head).queries.observables
    assert [o.name for o in found] == ["grid[1,0,5]", "grid[1,1,5]", "grid[2,0,5]", "grid[2,1,5]"]
    assert [o.terms[0][0] for o in found] == [1.0, 1.0, 2.0, 2.0]
    assert [o.constant for o in found] == [5.0, 6.0, 5.0, 6.0]


def test_families_of_families() -> None:
    head = "observable late_head[l in 0..2] = head[l, 2] - head[l, 0]\n"
    found = lowered("hold late_head[1] within 1 sd", head=head).queries.observables
    ((one, first), (other, second)) = found[0].terms
    assert (one, other) == (1.0, -1.0)
    assert isinstance(first, ob.Restricted)
    assert isinstance(second, ob.Restricted)
    assert isinstance(first.component, LibraryComponent)
    assert first.component.arguments == (("layer", 1), ("head", 2))


def test_functions_make_observables() -> None:
    head = "def gap(a: Data, k: Real = 2) -> Observable[nats] = loss(lm, on: a) - k * icl\n"
    found = observable("gap(late)", head)
    assert [factor for factor, _ in found.terms] == [1.0, -2.0]
    assert found.name == "gap(late)"


def test_models_and_data() -> None:
    head = """
model later = lm.at("later.safetensors")
model small = torch("model.py:build", loss: "losses.py:ce", width: 64, depth: 1 + 1)
model again = lm
data tokens = tokens("x.bin", context: 128, dtype: "uint16")
"""
    body = "raise {} by 1 sd"
    names = ("loss(later, on: tokens)", "loss(small, on: text)", "loss(again, on: late)")
    pattern = lowered(*(body.format(name) for name in names), head=head)
    losses = [o.terms[0][1] for o in pattern.queries.observables]
    assert all(isinstance(loss, ob.Loss) for loss in losses)
    later, small, again = (loss.model for loss in losses if isinstance(loss, ob.Loss))
    assert later.weights == FileRef("later.safetensors", ("specs/later.safetensors",))
    assert later.builder == LM.builder
    assert small.arguments == (("depth", 2), ("width", 64))
    assert small.loss is not None
    assert (small.loss.function, small.weights) == ("ce", None)
    assert again == LM
    assert (later.name, small.name, again.name) == ("later", "small", "lm")
    first = losses[0]
    assert isinstance(first, ob.Loss)
    assert first.on.arguments == (("context", 128), ("dtype", "uint16"))


X = RowField("x")
PREDICATES = {
    "row.x > 3": Comparison(">", X, RowLiteral(3)),
    "row.x > 0.5": Comparison(">", X, RowLiteral(0.5)),
    '"a" == row.x': Comparison("==", RowLiteral("a"), X),
    "row.x": Truth(X),
    "not row.x": Not(Truth(X)),
    "0 <= row.x < 3": Both(Comparison("<=", RowLiteral(0), X), Comparison("<", X, RowLiteral(3))),
    "row.x in [1, 2]": Either(
        Comparison("==", X, RowLiteral(1)), Comparison("==", X, RowLiteral(2))
    ),
    "row.x in []": Comparison("!=", X, X),
    "row.x * 2 - 1 == row.y": Comparison(
        "==",
        RowArithmetic("-", RowArithmetic("*", X, RowLiteral(2)), RowLiteral(1)),
        RowField("y"),
    ),
    "-row.x > 1 / 2": Comparison(">", RowArithmetic("*", RowLiteral(-1.0), X), RowLiteral(0.5)),
    "row.x and row.y or row.z": Either(Both(Truth(X), Truth(RowField("y"))), Truth(RowField("z"))),
    "row.x > 1 and 1 < 2": Both(
        Comparison(">", X, RowLiteral(1)), Comparison("==", RowLiteral(1), RowLiteral(1))
    ),
    "repeats(2)": LibraryPredicate("std.tokens.repeats", (("length", 2),)),
}


def test_predicates() -> None:
    for text, expected in PREDICATES.items():
        if expected is None:
            continue
        found = observable(f"loss(lm, on: text where {text})").terms[0][1]
        assert isinstance(found, ob.Loss)
        assert found.on.where == (expected,), text


def test_predicates_add_up() -> None:
    head = "data both = late where row.y where not row.x\n"
    found = observable("loss(lm, on: both)", head).terms[0][1]
    assert isinstance(found, ob.Loss)
    position = Comparison(">", RowField("position"), RowLiteral(3))
    assert found.on.where == (position, Truth(RowField("y")), Not(Truth(X)))
    assert found.on.base == TEXT


def test_files_are_looked_for_beside_the_spec_then_in_the_search_path() -> None:
    text = HEAD + "pattern p { reweight text per sample as w raise icl by 1 sd }\n"
    pattern = read(text, search=("lib", "/data")).lowered.patterns["p"]
    file = pattern.queries.reweight.data.file
    assert file is not None
    assert file.candidates == ("specs/text.jsonl", "lib/text.jsonl", "/data/text.jsonl")
    assert file.origin is not None
    assert file.origin.text == '"text.jsonl"'


def test_a_family_may_not_be_enormous() -> None:
    text = HEAD + "observable huge[i in 0..1000, j in 0..1000] = icl\n"
    text += "pattern p { reweight text per sample as w hold huge within 1 sd }\n"
    assert [d.code for d in read(text).diagnostics if d.is_error] == ["PAT2010"]


SOURCES = {
    'jsonl("f", field: "t", tokenizer: "k.json", context: 64)': ("jsonl", "f"),
    'parquet("f", field: "t")': ("parquet", "f"),
    'hf_dataset("f", split: "train")': ("hf_dataset", "f"),
    'tokens("f", context: 64, dtype: "uint16")': ("tokens", "f"),
}


def test_every_source_of_data() -> None:
    for text, (kind, path) in SOURCES.items():
        found = observable(f"loss(lm, on: {text})").terms[0][1]
        assert isinstance(found, ob.Loss)
        assert found.on.file is not None
        assert (found.on.reader, found.on.file.text) == (kind, path)
    found = observable("loss(lm, on: rows)", 'data rows = python("d.py:rows", n: 3)\n').terms[0][1]
    assert isinstance(found, ob.Loss)
    assert found.on.function == FunctionRef(FileRef("d.py", ("specs/d.py",)), "rows")
    assert found.on.arguments == (("n", 3),)


def test_a_model_from_a_folder() -> None:
    found = observable('loss(hf("folder", loss: "l.py:ce"), on: text)').terms[0][1]
    assert isinstance(found, ob.Loss)
    assert found.model.kind == "hf"
    assert found.model.loss == FunctionRef(FileRef("l.py", ("specs/l.py",)), "ce")
