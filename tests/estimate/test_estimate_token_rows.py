"""Rows of tokens: the readers that make them, and the predicates of std.tokens."""

import json
import re
from pathlib import Path

import attrs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from estimate_samples import World, ask, observable, run, sgld
from token_samples import (
    CAT,
    MODEL,
    REPEATS,
    WORDS,
    errors,
    library,
    lines,
    read,
    selected,
    tokenizers,
)

from pattern_lang.estimate.predicates import kept
from pattern_lang.estimate.table import Table
from pattern_lang.ir.observables import Loss
from pattern_lang.ir.sources import (
    Both,
    Comparison,
    DataSource,
    Not,
    Predicate,
    RowField,
    RowLiteral,
)


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
