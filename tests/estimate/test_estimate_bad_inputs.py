"""Every bad input gets its own code, says where, and never shows a traceback."""

import attrs
import pytest
import torch
from estimate_samples import CLASSIFIER, ROWS, World, ask, classifier, observable, only, run, sgld
from safetensors.torch import save_file

from pattern_lang.diagnostics import Diagnostic, PatternError, SourceFile, Span
from pattern_lang.ir.observables import FreeEnergy, LearningCoefficient, Loss
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.sources import (
    Comparison,
    DataSource,
    FileRef,
    RowArithmetic,
    RowField,
    RowLiteral,
    Truth,
)


def errors(world: World, queries: Queries) -> tuple[Diagnostic, ...]:
    with pytest.raises(PatternError) as caught:
        run(world, queries)
    return caught.value.diagnostics


def the_error(world: World, queries: Queries, code: str) -> Diagnostic:
    (error,) = errors(world, queries)
    assert error.code == code, error
    assert "Traceback" not in error.message
    return error


def loss_of(world: World, data: DataSource, **model: object) -> Queries:
    model_ = world.model(**model)  # type: ignore[arg-type]
    return ask(data, [observable("l", Loss(model_, data))], sgld(step=1e-3))


@pytest.fixture
def plain(world: World) -> World:
    world.write("model.py", CLASSIFIER)
    world.write("data.py", ROWS)
    return world


def test_missing_file_lists_every_place(plain: World) -> None:
    data = plain.data("gone.py:train")
    assert data.function is not None
    file = FileRef("gone.py", (str(plain.folder / "gone.py"), "/elsewhere/gone.py"))
    data = attrs.evolve(data, function=attrs.evolve(data.function, file=file))
    error = the_error(plain, loss_of(plain, data), "PAT4001")
    assert "gone.py" in error.message
    assert [note for note in error.notes if "/elsewhere/gone.py" in note]
    assert len(error.notes) == 2


def test_several_errors_in_one_run(plain: World) -> None:
    data = plain.data("data.py:tran")
    found = errors(plain, loss_of(plain, data, builder="model.py:built", weights="no.safetensors"))
    assert [error.code for error in found] == ["PAT4003", "PAT4003", "PAT4001"]
    assert found[0].help == "did you mean `train`?"
    assert found[1].help == "did you mean `build`?"


def test_spans_come_along(plain: World) -> None:
    source = SourceFile("a.pat", 'data d = python("data.py:tran")')
    data = attrs.evolve(plain.data("data.py:tran"), origin=Span(source, 9, 31))
    error = the_error(plain, loss_of(plain, data), "PAT4003")
    assert error.span == Span(source, 9, 31)


@pytest.mark.parametrize("text", ["../data.py", "sub/../../data.py", "/srv/data.py"])
def test_code_outside_the_folder(plain: World, text: str) -> None:
    inner = World(plain.folder / "inner")
    inner.folder.mkdir()
    error = the_error(plain, loss_of(plain, inner.data(f"{text}:train")), "PAT4002")
    assert text in error.message


def test_a_link_out_of_the_folder(plain: World) -> None:
    inner = World(plain.folder / "inner")
    inner.folder.mkdir()
    (inner.folder / "data.py").symlink_to(plain.folder / "data.py")
    the_error(plain, loss_of(plain, inner.data("data.py:train")), "PAT4002")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def train():\n    return 1 / 0", "data.py:2: ZeroDivisionError: division by zero"),
        ("x = (\ndef train(): pass", "data.py:1: SyntaxError"),
        ("import no_such_module", "data.py:1: ModuleNotFoundError"),
        ("import helper\ndef train():\n    helper.fail()", "helper.py:2: KeyError: 'a'"),
        ("import sys\ndef train():\n    sys.exit('enough')", "data.py:3: SystemExit: enough"),
        (
            "import numpy as np\ndef train():\n    return np.zeros((2, 3)) @ np.zeros(2)",
            "data.py:3: ",
        ),
        ("def train(a):\n    return []", "data.py: TypeError: train() missing"),
    ],
)
def test_failing_user_code(plain: World, code: str, message: str) -> None:
    plain.write("helper.py", "def fail():\n    {}['a']\n")
    plain.write("data.py", code)
    error = the_error(plain, loss_of(plain, plain.data()), "PAT4004")
    assert message in error.message
    assert "\n" not in error.message


@pytest.mark.parametrize(
    ("rows", "code", "words"),
    [
        ("[]", "PAT4023", "no rows"),
        ("7", "PAT4021", "returned int"),
        ("{'x': 1}", "PAT4021", "returned dict"),
        ("[{'x': 1}, 3]", "PAT4021", "row 1"),
        ("[{'x': 1, 'y': 1}, {'x': 2}]", "PAT4024", "row 1 of data `d` has no value for `y`"),
        ("[{'x': 1}, {'x': 2, 'y': 1}]", "PAT4024", "row 0 of data `d` has no value for `y`"),
        ("[{'x': 1}, {'x': None}]", "PAT4024", "row 1"),
        ("[{'x': [1, 2]}, {'x': [1]}]", "PAT4025", "row 1"),
        ("[{'x': 1}, {'x': 'a'}]", "PAT4025", "is a text"),
        ("[{'x': 1.0}, {'x': float('nan')}]", "PAT4026", "row 1"),
        ("[{'x': [1.0, float('inf')]}]", "PAT4026", "row 0"),
    ],
)
def test_bad_rows(plain: World, rows: str, code: str, words: str) -> None:
    plain.write("data.py", f"def train():\n    return {rows}\n")
    assert words in the_error(plain, loss_of(plain, plain.data()), code).message


def json_lines(world: World, text: str, **options: object) -> DataSource:
    (world.folder / "d.jsonl").write_text(text)
    arguments = tuple(options.items())
    return DataSource("d", "jsonl", file=world.file("d.jsonl"), arguments=arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "words"), [('{"x": 1}\n{"x": 2\n', "d.jsonl, line 2"), ("[1, 2]\n", "line 1")]
)
def test_bad_json_lines(plain: World, text: str, words: str) -> None:
    assert words in the_error(plain, loss_of(plain, json_lines(plain, text)), "PAT4022").message


def test_a_broken_parquet_file(plain: World) -> None:
    (plain.folder / "d.parquet").write_bytes(b"PAR1 no PAR1")
    data = DataSource("d", "parquet", file=plain.file("d.parquet"))
    the_error(plain, loss_of(plain, data), "PAT4022")


def compared(field: str, value: object, operator: str = "==") -> Comparison:
    return Comparison(operator, RowField(field), RowLiteral(value))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("predicate", "code", "words"),
    [
        (compared("kin", "even"), "PAT4027", "did you mean `kind`?"),
        (compared("zzzz", "even"), "PAT4027", "`good`, `kind`, `level`, `y`"),
        (compared("x", 1.0), "PAT4027", "shape (3,)"),
        (compared("kind", 3), "PAT4028", "`row.kind == 3` compares a text with a number"),
        (compared("level", "a", "<"), "PAT4028", "compares a number with a text"),
        (compared("kind", "none"), "PAT4029", "takes the values even, odd"),
        (Truth(RowField("level")), "PAT4028", "true or false"),
        (
            Comparison("<", RowArithmetic("+", RowField("kind"), RowLiteral(1)), RowLiteral(2)),
            "PAT4028",
            "`row.kind` is a text",
        ),
    ],
)
def test_bad_predicates(plain: World, predicate: object, code: str, words: str) -> None:
    data = attrs.evolve(plain.data(), where=(predicate,))
    error = the_error(plain, loss_of(plain, data), code)
    assert words in f"{error.message} {error.help}"


def test_an_unknown_group_field(plain: World) -> None:
    queries = loss_of(plain, plain.data())
    reweight = attrs.evolve(queries.reweight, unit="group", group_field="kindd")
    error = the_error(plain, attrs.evolve(queries, reweight=reweight), "PAT4027")
    assert error.help == "did you mean `kind`?"


@pytest.mark.parametrize(
    ("model", "code", "words"),
    [
        ("def build():\n    return 3", "PAT4011", "returned a int"),
        ("def build():\n    pass", "PAT4011", "returned nothing"),
        ("from torch import nn\ndef build():\n    return nn.Linear(3, 2)", "PAT4015", "unit_loss"),
        ("from torch import nn\ndef build():\n    return nn.ReLU()", "PAT4018", "requires_grad"),
    ],
)
def test_bad_models(plain: World, model: str, code: str, words: str) -> None:
    plain.write("model.py", model)
    assert words in the_error(plain, loss_of(plain, plain.data()), code).message


@pytest.mark.parametrize(
    ("loss", "code", "words"),
    [
        ("l.mean()", "PAT4016", "shape ()"),
        ("l[:, None]", "PAT4016", "(4, 1)"),
        ("l.argsort()", "PAT4016", "int64"),
        ("l.tolist()", "PAT4016", "a list"),
        ("l / (batch['y'] - 1)", "PAT4017", "row "),
        ("l.nothing()", "PAT4004", "model.py:15: AttributeError"),
    ],
)
def test_bad_losses(plain: World, loss: str, code: str, words: str) -> None:
    text = CLASSIFIER.replace("return nn.functional.cross", "l = nn.functional.cross")
    text = text.replace('"none")', f'"none")\n            return {loss}')
    plain.write("model.py", text)
    assert words in the_error(plain, loss_of(plain, plain.data()), code).message


def test_the_row_of_a_bad_loss(plain: World) -> None:
    """The row is counted in the data as they were read, before any `where`."""
    plain.write(
        "model.py", CLASSIFIER.replace('reduction="none")', 'reduction="none") / (batch["k"] - 7)')
    )
    plain.write("data.py", ROWS.replace('"kind":', '"k": i, "kind":'))
    error = the_error(plain, loss_of(plain, only(plain.data(), "k", 4, ">")), "PAT4017")
    assert "row 7 of `d` is inf" in error.message


def weights(world: World, change: str) -> Queries:
    state = {
        "inner.weight": torch.zeros(4, 3),
        "inner.bias": torch.zeros(4),
        "outer.weight": torch.zeros(2, 4),
        "outer.bias": torch.zeros(2),
    }
    match change:
        case "shape":
            state["inner.weight"] = torch.zeros(8, 3)
        case "missing":
            del state["outer.bias"]
        case "extra":
            state["more"] = torch.zeros(1)
        case "nan":
            state["outer.bias"][1] = torch.nan
    save_file(state, world.folder / "w.safetensors")
    return loss_of(world, world.data(), weights="w.safetensors")


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ("shape", "PAT4013", "`inner.weight` has shape (8, 3), needs (4, 3)"),
        ("missing", "PAT4013", "`outer.bias` (2,) is missing"),
        ("extra", "PAT4013", "`more` (1,) has no place"),
        ("nan", "PAT4014", "`outer.bias`"),
    ],
)
def test_weights_that_do_not_fit(plain: World, change: str, code: str, words: str) -> None:
    assert words in the_error(plain, weights(plain, change), code).message


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_unreadable_weights(plain: World, name: str) -> None:
    (plain.folder / name).write_bytes(b"no tensors here")
    the_error(plain, loss_of(plain, plain.data(), weights=name), "PAT4012")


def test_weights_that_would_run_code(plain: World) -> None:
    """A pickle that is more than tensors is refused, not run."""
    marker = plain.folder / "ran"

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            import os

            return os.mkdir, (str(marker),)

    torch.save({"inner.weight": Bomb()}, plain.folder / "w.pt")
    the_error(plain, loss_of(plain, plain.data(), weights="w.pt"), "PAT4012")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"step": 0.0}, "`step: 0`"),
        ({"step": float("nan")}, "`step: nan`"),
        ({"chains": 0}, "`chains: 0`"),
        ({"draws": 3}, "`draws: 3`"),
        ({"nbeta": -1.0}, "`nbeta: -1`"),
        ({"burn_in": -1}, "`burn_in: -1`"),
        ({"kind": "rmsprop_sgld", "decay": 1.0}, "`decay: 1`"),
        ({"step": 0.2, "localization": 20.0}, "step × localization is 4"),
    ],
)
def test_bad_settings(plain: World, settings: dict[str, object], words: str) -> None:
    error = the_error(plain, classifier(plain, **settings), "PAT4043")
    assert words in error.message
    if "localization" in settings:
        assert error.help == "write `step: 0.05` or less"


def test_free_energy_on_other_data(plain: World) -> None:
    train, probe = plain.data(name="train"), plain.data("data.py:probe", "probe")
    energy = observable("f", FreeEnergy(plain.model(), probe))
    error = the_error(plain, ask(train, [energy], sgld()), "PAT4042")
    assert "`probe`" in error.message
    part = observable("f", FreeEnergy(plain.model(), only(train, "kind", "even")))
    the_error(plain, ask(train, [part], sgld()), "PAT4042")


def test_what_is_not_available_is_told_at_once(plain: World) -> None:
    """Nothing is loaded before: no file exists."""
    world = World(plain.folder / "empty")
    data = DataSource("text", "jsonl", file=world.file("x.jsonl"))
    model = world.model()
    observables = [observable("a", LearningCoefficient(model, data, held=False))]
    found = errors(world, ask(data, observables, sgld(kind="nuts")))
    assert {error.code for error in found} == {"PAT4041"}
    text = " ".join(error.message for error in found)
    for words in ("`nuts`",):
        assert words in text
