"""Rows of tokens: readers, the predicates of std.tokens, units, and language models from folders."""

import json
import re
from pathlib import Path

import attrs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from estimate_samples import World, ask, observable, run, sgld
from torch import nn

from pattern_lang.diagnostics import Diagnostic, PatternError
from pattern_lang.estimate.journal import Journal
from pattern_lang.estimate.models import load_model
from pattern_lang.estimate.predicates import kept
from pattern_lang.estimate.readers import read_table
from pattern_lang.estimate.table import Table
from pattern_lang.estimate.user_code import UserCode
from pattern_lang.ir.observables import LearningCoefficient, Loss
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.sources import (
    Both,
    Comparison,
    DataSource,
    LibraryPredicate,
    ModelSource,
    Not,
    Predicate,
    RowField,
    RowLiteral,
)

tokenizers = pytest.importorskip("tokenizers")

SENTENCES = ["the cat sat on the mat", "the cat sat", "", "a dog", "cat", "the mat sat on the mat"]
WORDS = ["[UNK]", "the", "cat", "sat", "on", "mat", "a", "dog"]


def word_tokenizer(folder: Path) -> Path:
    """Write a tokenizer with one token for each word."""
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token=WORDS[0])
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.enable_truncation(2)
    made.enable_padding(length=99)
    path = folder / "tokenizer.json"
    made.save(str(path))
    return path


def byte_tokenizer(folder: Path) -> Path:
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(["the cat é sat\n on the mat"] * 50, trainer)
    path = folder / "tokenizer.json"
    made.save(str(path))
    return path


def lines(world: World, texts: list[str] = SENTENCES, **arguments: object) -> DataSource:
    """Write texts as JSON lines with a field `kind`, and name them with a tokenizer."""
    rows = [{"text": text, "kind": "xy"[i % 2], "level": i} for i, text in enumerate(texts)]
    world.write("text.jsonl", "\n".join(map(json.dumps, rows)))
    if not (world.folder / "tokenizer.json").exists():
        word_tokenizer(world.folder)
    return DataSource(
        "text",
        "jsonl",
        file=world.file("text.jsonl"),
        arguments=tuple(arguments.items()),  # type: ignore[arg-type]
        tokenizer=world.file("tokenizer.json"),
    )


def read(source: DataSource) -> Table:
    return read_table(source, UserCode(Journal()))


def errors(action: object) -> tuple[Diagnostic, ...]:
    with pytest.raises(PatternError) as caught:
        action()  # type: ignore[operator]
    return caught.value.diagnostics


def test_documents_are_cut_and_padded(world: World) -> None:
    """Rests of one token make no row; what the tokenizer says of truncation does not count."""
    table = read(lines(world, context=4))
    assert table.numbers["document"].tolist() == [0, 0, 1, 3, 5, 5]
    assert table.numbers["start"].tolist() == [0, 4, 0, 0, 0, 4]
    assert table.numbers["input_ids"].tolist()[:3] == [[1, 2, 3, 4], [1, 5, 0, 0], [1, 2, 3, 0]]
    assert table.numbers["labels"].tolist()[1] == [1, 5, -100, -100]
    assert table.texts["kind"].tolist() == list("xxyyyy")
    assert table.numbers["level"].tolist() == [0, 0, 1, 3, 5, 5]
    assert "text" not in table.scalars
    assert table.tokens is not None
    assert table.tokens.lengths.tolist() == [4, 2, 3, 2, 4, 2]
    whole = read(lines(world))
    assert whole.numbers["input_ids"].shape == (4, 6)


def test_readers_agree(world: World) -> None:
    source = lines(world, context=4)
    rows = [json.loads(line) for line in (world.folder / "text.jsonl").read_text().split("\n")]
    pq.write_table(pa.Table.from_pylist(rows), world.folder / "text.parquet")
    parquet = attrs.evolve(source, reader="parquet", file=world.file("text.parquet"))
    word = [[WORDS.index(w) for w in row.pop("text").split()] for row in rows]
    world.write(
        "ids.jsonl", "\n".join(json.dumps({**r, "ids": w}) for r, w in zip(rows, word, strict=True))
    )
    ids = attrs.evolve(
        source,
        file=world.file("ids.jsonl"),
        tokenizer=None,
        arguments=(("context", 4), ("field", "ids")),
    )
    expected = read(source)
    for other in (parquet, ids):
        found = read(other)
        assert found.scalars.keys() == expected.scalars.keys()
        for name, column in expected.numbers.items():
            assert np.array_equal(found.numbers[name], column)


def test_a_data_set_on_disk(world: World) -> None:
    datasets = pytest.importorskip("datasets")
    source = lines(world, context=4)
    rows = [json.loads(line) for line in (world.folder / "text.jsonl").read_text().split("\n")]
    whole = datasets.Dataset.from_list(rows)
    datasets.DatasetDict({"train": whole.select(range(2, 6)), "test": whole}).save_to_disk(
        world.folder / "saved"
    )
    whole.to_parquet(world.folder / "files" / "train.parquet")
    expected = read(source).numbers["input_ids"]

    def from_disk(folder: str, **arguments: object) -> Table:
        given = tuple({"context": 4, **arguments}.items())
        return read(
            attrs.evolve(source, reader="hf_dataset", file=world.file(folder), arguments=given)
        )  # type: ignore[arg-type]

    assert np.array_equal(from_disk("saved", split="test").numbers["input_ids"], expected)
    assert len(from_disk("saved", split="train").numbers["input_ids"]) == 3
    assert np.array_equal(from_disk("files").numbers["input_ids"], expected)
    for arguments, words in (({}, "`train`, `test`"), ({"split": "dev"}, "no split `dev`")):
        (error,) = errors(lambda given=arguments: from_disk("saved", **given))
        assert error.code == "PAT4022"
        assert words in error.message


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "int64"])
def test_a_file_of_token_numbers(world: World, dtype: str) -> None:
    numbers = np.arange(23).astype(dtype)
    numbers.tofile(world.folder / "t.bin")
    source = DataSource(
        "t", "tokens", file=world.file("t.bin"), arguments=(("context", 5), ("dtype", dtype))
    )
    table = read(source)
    assert isinstance(table.numbers["input_ids"], np.memmap)
    assert table.numbers["input_ids"].tolist() == np.arange(20).reshape(4, 5).tolist()
    late = attrs.evolve(source, where=(Comparison(">", RowField("index"), RowLiteral(1)),))
    assert kept(table, late).rows.tolist() == [2, 3]
    world.write("model.py", MODEL)
    queries = ask(
        late,
        [observable("l", Loss(world.model(tokens=23), late))],
        sgld(step=1e-4, draws=8),
        unit="token",
    )
    units = run(world, queries).units
    assert units.fields["sample_id"].tolist() == [2] * 4 + [3] * 4
    assert units.tokens is not None
    assert units.tokens.texts is None
    assert run(world, queries).units.tokens is not None


def library(name: str, **arguments: object) -> LibraryPredicate:
    return LibraryPredicate(f"std.tokens.{name}", tuple(arguments.items()))  # type: ignore[arg-type]


def selected(table: Table, source: DataSource, predicate: Predicate) -> list[tuple[int, int]]:
    found = kept(table, attrs.evolve(source, where=(predicate,)))
    assert found.positions is not None
    return [(int(found.rows[r]), int(t)) for r, t in np.argwhere(found.positions)]


REPEATS = library("repeats", length=2)
CAT = library("matches", regex="^(cat|mat)$")
Y = Comparison("==", RowField("kind"), RowLiteral("y"))


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        # Rows: the cat sat on | the mat | the cat sat | a dog | the mat sat on the mat, whole.
        (CAT, [(0, 0), (0, 4), (1, 0), (3, 0), (3, 4)]),
        (REPEATS, [(3, 4)]),
        (library("repeats", length=1), [(0, 3), (3, 3), (3, 4)]),
        (Both(CAT, Y), [(1, 0), (3, 0), (3, 4)]),
        (Both(CAT, Not(library("repeats", length=1))), [(0, 0), (0, 4), (1, 0), (3, 0)]),
        (Not(library("matches", regex="[a-z]{3}")), [(0, 2), (3, 2)]),
    ],
)
def test_predicates_are_about_the_predicted_token(
    world: World, predicate: Predicate, expected: list[tuple[int, int]]
) -> None:
    """`the cat`: it is at position 0, where `cat` is predicted, that a predicate on `cat` holds."""
    source = lines(world)
    assert selected(read(source), source, predicate) == expected


def test_runs_that_repeat(world: World) -> None:
    """Against the definition, word for word, on many short rows."""
    random = np.random.default_rng(0)
    rows = [random.integers(0, 3, 12).tolist() for _ in range(20)]
    world.write("ids.jsonl", "\n".join(json.dumps({"input_ids": row}) for row in rows))
    source = DataSource("d", "jsonl", file=world.file("ids.jsonl"), arguments=(("context", 12),))
    table = read(source)
    for length in (1, 2, 3, 5):
        slow = [
            (r, j - 1)
            for r, row in enumerate(rows)
            for j in range(max(1, length - 1), 12)
            if any(
                row[i - length + 1 : i + 1] == row[j - length + 1 : j + 1]
                for i in range(length - 1, j)
            )
        ]
        assert selected(table, source, library("repeats", length=length)) == slow


def test_texts_of_byte_level_tokens(world: World) -> None:
    """Spaces, line ends and letters beyond ASCII are what they stand for."""
    byte_tokenizer(world.folder)
    table = read(lines(world, ["the cat é sat\n on the mat"]))
    assert table.tokens is not None
    texts = table.tokens.text_of(table.numbers["input_ids"][0][: int(table.tokens.lengths[0])])
    assert "".join(texts) == "the cat é sat\n on the mat"
    assert " cat" in texts


@pytest.mark.parametrize("name", ["word_starts", "word_parts", "spaces"])
def test_the_library_reads_byte_level_tokens(world: World, name: str) -> None:
    byte_tokenizer(world.folder)
    source = lines(world, ["the catmat é sat\n on the mat"])
    stdlib = (Path(__file__).parents[2] / "stdlib" / "tokens.pat").read_text()
    regex = json.loads(
        re.sub(
            r"\\u\{(\w+)\}",
            lambda m: "\\u" + m[1].zfill(4),
            re.search(rf'def {name}\(.*?matches\((".*")\)', stdlib)[1],
        )  # type: ignore[index]
    )
    table = read(source)
    assert table.tokens is not None
    words = [
        table.tokens.text_of(table.numbers["input_ids"][0][t + 1 : t + 2])[0]
        for _, t in selected(table, source, library("matches", regex=regex))
    ]
    assert words
    assert all(
        {"word_starts": w[0] == " ", "word_parts": w[0].isalpha(), "spaces": w.isspace()}[name]
        for w in words
    )


MODEL = """
    import torch
    from torch import nn
    from pattern_lang.losses import next_token_losses

    class Small(nn.Module):
        '''A bag of what was seen so far.'''

        def __init__(self, tokens, shift):
            super().__init__()
            torch.manual_seed(1)
            self.embed = nn.Embedding(tokens, 4)
            self.out = nn.Linear(4, tokens)
            self.shift = shift

        def unit_loss(self, batch):
            seen = torch.tanh(self.embed(batch["input_ids"]).cumsum(1))
            losses = next_token_losses(seen, self.out.weight, batch["labels"], self.out.bias)
            return losses.roll(self.shift, 1)

    def build(tokens=8, shift=0):
        return Small(tokens, shift)

    def per_row(module, batch):
        return module.unit_loss(batch).nanmean(1)
"""


def ready(
    world: World, unit: str = "token", **arguments: object
) -> tuple[ModelSource, DataSource, Queries]:
    world.write("model.py", MODEL)
    model, data = world.model(**arguments), lines(world, context=4)  # type: ignore[arg-type]
    part = attrs.evolve(data, name="part", where=(CAT,))
    seen = [observable("whole", Loss(model, data)), observable("part", Loss(model, part))]
    settings = sgld(step=1e-3, nbeta=30.0, localization=50.0, draws=40, batch=3)
    return model, data, ask(data, seen, settings, unit=unit)


def test_token_units(world: World) -> None:
    model, data, queries = ready(world)
    found = run(world, queries)
    units = found.units
    assert found.susceptibility.chi.shape == (2, 11)
    assert units.fields["sample_id"].tolist() == [0, 0, 0, 1, 2, 2, 3, 4, 4, 4, 5]
    assert units.fields["position"].tolist() == [0, 1, 2, 0, 0, 1, 0, 0, 1, 2, 0]
    assert units.fields["kind"].tolist() == list("xxxxyyyyyyy")
    assert units.tokens is not None
    line, position = units.places()
    words = [
        units.tokens.text_of(units.tokens.ids[r, t + 1 : t + 2])[0]
        for r, t in zip(line, position, strict=True)
    ]
    assert words == "cat sat on mat cat sat dog mat sat on mat".split()
    assert units.holds(CAT).tolist() == [word in ("cat", "mat") for word in words]
    # The mean of the part is that of the entries that the predicate picks.
    table = read(data)
    network = load_model(model, UserCode(Journal())).network
    with torch.no_grad():
        losses = network.unit_loss(
            {n: torch.from_numpy(c) for n, c in table.numbers.items()}
        ).numpy()
    chosen = losses[units.fields["sample_id"], units.fields["position"]]
    anchor = found.diagnostics[0].anchor_loss
    assert anchor == pytest.approx(np.nanmean(losses))
    part = chosen[units.holds(CAT)].mean()
    trace = np.concatenate([t.observables[:, 1] for t in found.traces]).mean()
    assert found.susceptibility.mean[1] == pytest.approx(trace, rel=1e-6)
    assert abs(found.susceptibility.mean[1] - part) < 10 * found.susceptibility.sd[1]
    again = run(world, queries)
    assert not again.sampled
    for name, column in units.fields.items():
        assert again.units.fields[name].tolist() == column.tolist()
        assert again.units.fields[name].dtype.kind == column.dtype.kind
    assert again.units.holds(CAT).tolist() == units.holds(CAT).tolist()


def test_a_part_of_the_tokens_is_reweighted(world: World) -> None:
    """The whole of the rows is evaluated for the other observable; units are the part's alone."""
    model, data, queries = ready(world)
    part = attrs.evolve(data, name="part", where=(CAT,))
    seen = [
        observable("whole", Loss(model, data)),
        observable("b", LearningCoefficient(model, part, held=False)),
    ]
    found = run(world, attrs.evolve(ask(part, seen, queries.sampler, unit="token")))
    assert found.units.fields["position"].tolist() == [0, 0, 0, 0, 0]
    assert found.units.fields["sample_id"].tolist() == [0, 1, 2, 4, 5]
    assert found.susceptibility.chi.shape == (2, 5)
    assert found.susceptibility.mean[0] != pytest.approx(found.diagnostics[0].anchor_loss, rel=1e-3)


@pytest.mark.parametrize("unit", ["token", "sample"])
def test_processes_agree(world: World, unit: str) -> None:
    _, data, queries = ready(world, unit)
    part = attrs.evolve(data, where=(CAT,))
    queries = attrs.evolve(queries, reweight=attrs.evolve(queries.reweight, data=part))
    alone = run(world, queries)
    together = run(world, queries, workers=2, fresh=True)
    assert np.array_equal(alone.susceptibility.chi, together.susceptibility.chi)


def test_full_batches_are_minibatches_of_everything(world: World) -> None:
    """The mean of row losses over all rows is the mean over tokens, ragged as they are."""
    from pattern_lang.estimate.inputs import load_inputs
    from pattern_lang.estimate.sampling import prepare_posteriors

    _, _, queries = ready(world)
    code = UserCode(Journal())
    (posterior,) = prepare_posteriors(queries, load_inputs(queries, code), code)
    setting = posterior.setting
    network, rows = setting.network, setting.rows
    block = {n: t[: rows.reweighted] for n, t in rows.blocks[0].items()}
    assert float(network.gradient(dict(block)).mean()) == pytest.approx(
        float(setting.anchor[:11].mean())
    )
    assert torch.isfinite(network.grad).all()
    assert network.grad.any()


def test_the_tokenizer_counts(world: World) -> None:
    """Other texts for the same numbers are other data; a predicate and the context count too."""
    _, data, queries = ready(world)
    first = run(world, queries)
    path = world.folder / "tokenizer.json"
    path.write_text(path.read_text().replace('"dog"', '"hog"').replace('"a"', '"an"'))
    assert run(world, queries).digests["data"] != first.digests["data"]
    wider = attrs.evolve(data, arguments=(("context", 5),))
    seen = [observable("l", Loss(world.model(), wider))]
    assert (
        run(world, ask(wider, seen, queries.sampler, unit="token")).digests["data"]
        != first.digests["data"]
    )


def gpt2() -> object:
    transformers = pytest.importorskip("transformers")
    return transformers.GPT2Config(
        vocab_size=8, n_positions=16, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0
    )


def llama() -> object:
    transformers = pytest.importorskip("transformers")
    return transformers.LlamaConfig(
        vocab_size=8, hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=16, tie_word_embeddings=False, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip


def capped() -> object:
    transformers = pytest.importorskip("transformers")
    return transformers.Gemma2Config(
        vocab_size=8, hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=4, max_position_embeddings=16, final_logit_softcapping=0.05,
        bos_token_id=0, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip


def save(world: World, config: object, seed: int = 0) -> nn.Module:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(seed)
    made: nn.Module = transformers.AutoModelForCausalLM.from_config(config)
    made.save_pretrained(world.folder / "lm")  # type: ignore[operator]
    return made


def hf(world: World) -> ModelSource:
    return ModelSource("m", "hf", directory=world.file("lm"))


@pytest.mark.parametrize("config", [gpt2, llama, capped])
def test_a_language_model_from_a_folder(world: World, config: object) -> None:
    """Its losses are its own; padding changes nothing; the same module in processes."""
    made = save(world, config()).eval()  # type: ignore[operator]
    data = lines(world, context=4)
    loaded = load_model(hf(world), UserCode(Journal()))
    table = read(data)
    batch = {name: torch.from_numpy(column) for name, column in table.numbers.items()}
    with torch.no_grad():
        losses = loaded.network.unit_loss(batch)
        for row, length in enumerate(table.tokens.lengths.tolist()):  # type: ignore[union-attr]
            ids = batch["input_ids"][row : row + 1, :length]
            logits = made(input_ids=ids).logits[0, :-1].float()
            expected = nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
            assert torch.allclose(losses[row, : length - 1], expected, atol=1e-5)
            assert losses[row, length - 1 :].isnan().all()
    seen = [observable("l", Loss(hf(world), attrs.evolve(data, where=(CAT,))))]
    queries = ask(
        data, seen, sgld(step=1e-4, nbeta=30.0, localization=50.0, draws=8, burn_in=2), unit="token"
    )
    alone = run(world, queries)
    assert alone.susceptibility.chi.shape == (1, 11)
    if config is gpt2:  # it takes seconds to load transformers in each process
        together = run(world, queries, workers=2, fresh=True)
        assert np.array_equal(together.susceptibility.chi, alone.susceptibility.chi)
    save(world, config(), seed=1)  # type: ignore[operator]
    assert run(world, queries).digests["model:m"] != alone.digests["model:m"]


def test_another_checkpoint_of_a_folder(world: World) -> None:
    save(world, gpt2(), seed=1)
    (world.folder / "lm" / "model.safetensors").rename(world.folder / "late.safetensors")
    save(world, gpt2())
    early, late = hf(world), attrs.evolve(hf(world), weights=world.file("late.safetensors"))
    theta = [load_model(m, UserCode(Journal())).network.theta for m in (early, late)]
    assert theta[0].shape == theta[1].shape
    assert not torch.equal(*theta)


def test_a_language_model_of_a_builder(world: World) -> None:
    """A function that returns a model of transformers gets the loss of next tokens too."""
    save(world, llama())
    world.write(
        "model.py",
        f"""
        from transformers import AutoModelForCausalLM
        def build():
            return AutoModelForCausalLM.from_pretrained({str(world.folder / "lm")!r})
        """,
    )
    data = lines(world, context=4)
    seen = [observable("l", Loss(world.model(), data))]
    found = run(world, ask(data, seen, sgld(step=1e-4, draws=8), unit="token"))
    assert found.susceptibility.chi.shape == (1, 11)


def the_error(world: World, queries: Queries, code: str) -> Diagnostic:
    (error,) = errors(lambda: run(world, queries))
    assert error.code == code
    return error


def test_a_loss_that_is_off_by_one(world: World) -> None:
    """Losses at the place of the token that they are of, as labels stand, not where it is predicted."""
    _, _, queries = ready(world, shift=1)
    error = the_error(world, queries, "PAT4037")
    assert "position 3 of row 0" in error.message


def test_models_that_disagree(world: World) -> None:
    model, data, queries = ready(world)
    world.write(
        "mask.py",
        "def loss(module, batch):\n    found = module.unit_loss(batch)\n    found[:, 0] = float('nan')\n    return found\n",
    )
    other = attrs.evolve(model, name="late", loss=world.function("mask.py:loss"))
    seen = [observable("l", Loss(model, data), (-1.0, Loss(other, data)))]
    the_error(world, ask(data, seen, queries.sampler, unit="token"), "PAT4038")


def test_losses_per_row_have_no_tokens(world: World) -> None:
    model, data, queries = ready(world)
    rows = attrs.evolve(model, loss=world.function("model.py:per_row"))
    seen = [observable("l", Loss(rows, data))]
    the_error(world, ask(data, seen, queries.sampler, unit="token"), "PAT4033")
    part = attrs.evolve(data, where=(CAT,))
    error = the_error(
        world, ask(data, [observable("l", Loss(rows, part))], queries.sampler), "PAT4016"
    )
    assert "(4, positions)" in error.message
    assert run(world, ask(data, seen, queries.sampler)).susceptibility.chi.shape == (1, 6)


@pytest.mark.parametrize(
    ("predicate", "code", "words"),
    [
        (library("matches", regex="(a"), "PAT4036", "regular expression"),
        (library("repeats", length=0), "PAT4036", "length of 1 or more"),
        (library("matches", regex="zebra"), "PAT4029", "keeps none"),
    ],
)
def test_bad_predicates(world: World, predicate: Predicate, code: str, words: str) -> None:
    source = attrs.evolve(lines(world), where=(predicate,))
    (error,) = errors(lambda: kept(read(source), source))
    assert error.code == code
    assert words in error.message


def test_predicates_need_tokens_and_texts(world: World) -> None:
    source = attrs.evolve(world.rows("rows", [{"x": 1.0}]), where=(REPEATS,))
    (error,) = errors(lambda: kept(read(source), source))
    assert error.code == "PAT4033"
    ids = world.rows("ids", [{"input_ids": [1, 2, 1, 2]}])
    assert selected(read(ids), ids, REPEATS) == [(0, 2)]
    source = attrs.evolve(ids, where=(CAT,))
    (error,) = errors(lambda: kept(read(source), source))
    assert error.code == "PAT4036"
    assert "tokenizer" in error.message


def test_bad_options(world: World) -> None:
    _, _, queries = ready(world)

    def asked(reader: str, **arguments: object) -> Queries:
        given = tuple(arguments.items())
        data = attrs.evolve(queries.reweight.data, reader=reader, arguments=given)  # type: ignore[arg-type]
        return ask(data, [observable("l", Loss(world.model(), data))], queries.sampler)

    for bad in (
        asked("jsonl", context=0),
        asked("parquet", context=1),
        asked("tokens"),
        asked("tokens", context=4, dtype="float16"),
    ):
        the_error(world, bad, "PAT4034")
    (world.folder / "text.jsonl").write_bytes(b"123")
    assert (
        "3 bytes" in the_error(world, asked("tokens", context=4, dtype="uint16"), "PAT4034").message
    )
    assert (
        "fewer than one row"
        in the_error(world, asked("tokens", context=4, dtype="uint8"), "PAT4033").message
    )


def test_bad_tokenizers(world: World) -> None:
    source = lines(world)
    (world.folder / "tokenizer.json").write_text("{}")
    (error,) = errors(lambda: read(source))
    assert error.code == "PAT4032"
    (world.folder / "tokenizer.json").unlink()
    (error,) = errors(lambda: read(source))
    assert error.code == "PAT4001"


def test_texts_without_two_tokens(world: World) -> None:
    (error,) = errors(lambda: read(lines(world, ["", "cat"])))
    assert error.code == "PAT4033"
    (error,) = errors(lambda: read(lines(world, field="level")))
    assert error.code == "PAT4033"
    (error,) = errors(lambda: read(lines(world, field="txet")))
    assert error.code == "PAT4024"


def test_a_package_that_is_not_installed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tokenizers", None)
    source = lines(world)
    (error,) = errors(lambda: read(source))
    assert error.code == "PAT4031"
    assert "pip install" in str(error.help)


def test_tokens_beyond_the_vocabulary(world: World) -> None:
    config = gpt2()
    config.vocab_size = 7  # type: ignore[attr-defined]
    save(world, config)
    data = lines(world, context=4)
    seen = [observable("l", Loss(hf(world), data))]
    error = the_error(world, ask(data, seen, sgld(), unit="token"), "PAT4035")
    assert "token 7" in error.message
    assert "row 3" in error.message


@pytest.mark.parametrize("damage", ["missing", "garbage", "config", "code"])
def test_folders_that_are_no_models(world: World, damage: str) -> None:
    save(world, gpt2())
    folder = world.folder / "lm"
    if damage == "missing":
        (folder / "model.safetensors").unlink()
    elif damage == "garbage":
        (folder / "model.safetensors").write_bytes(b"no tensors")
    elif damage == "config":
        (folder / "config.json").write_text("{")
    else:
        (folder / "config.json").write_text(
            '{"model_type": "own", "auto_map": {"AutoConfig": "own.Own"}}'
        )
        (folder / "own.py").write_text("raise SystemExit('ran')")
    (error,) = errors(lambda: load_model(hf(world), UserCode(Journal())))
    assert error.code == "PAT4039"


def test_tensors_that_are_missing(world: World) -> None:
    from safetensors.torch import load_file, save_file

    save(world, gpt2())
    path = world.folder / "lm" / "model.safetensors"
    state = load_file(path)
    del state["transformer.h.0.mlp.c_fc.weight"]
    save_file(state, path, {"format": "pt"})
    (error,) = errors(lambda: load_model(hf(world), UserCode(Journal())))
    assert error.code == "PAT4039"
    assert "mlp.c_fc.weight" in error.message


def test_nan_by_arithmetic_spoils_the_gradient(world: World) -> None:
    model, data, queries = ready(world)
    world.write(
        "mask.py",
        """
        import torch
        def loss(module, batch):
            states = torch.tanh(module.embed(batch["input_ids"]).cumsum(1))
            logits = module.out(states).transpose(1, 2)
            target = batch["labels"].roll(-1, 1)
            target[:, -1] = -100
            losses = torch.nn.functional.cross_entropy(logits, target.clamp(0), reduction="none")
            return losses * torch.where(target < 0, torch.nan, 1.0)
        """,
    )
    spoilt = attrs.evolve(model, loss=world.function("mask.py:loss"))
    seen = [observable("l", Loss(spoilt, data))]
    the_error(world, ask(data, seen, queries.sampler, unit="token"), "PAT4040")


def test_a_loss_that_is_infinite(world: World) -> None:
    model, data, queries = ready(world)
    world.write(
        "mask.py",
        """
        def loss(module, batch):
            found = module.unit_loss(batch).clone()
            found[batch["document"] == 3, 0] = float("inf")
            return found
        """,
    )
    infinite = attrs.evolve(model, loss=world.function("mask.py:loss"))
    seen = [observable("l", Loss(infinite, data))]
    error = the_error(world, ask(data, seen, queries.sampler, unit="token"), "PAT4017")
    assert "row 3 of" in error.message
