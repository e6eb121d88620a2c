"""Token data and small language models for the tests: tokenizers, texts, folders."""

import json
from pathlib import Path

import attrs
import numpy as np
import pytest
import torch
from estimate_samples import World, ask, observable, sgld
from torch import nn

from pattern_lang.diagnostics import Diagnostic, PatternError
from pattern_lang.estimate.journal import Journal
from pattern_lang.estimate.predicates import kept
from pattern_lang.estimate.readers import read_table
from pattern_lang.estimate.table import Table
from pattern_lang.estimate.user_code import UserCode
from pattern_lang.ir.observables import Loss
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.sources import (
    DataSource,
    LibraryPredicate,
    ModelSource,
    Predicate,
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


def library(name: str, **arguments: object) -> LibraryPredicate:
    return LibraryPredicate(f"std.tokens.{name}", tuple(arguments.items()))  # type: ignore[arg-type]


def selected(table: Table, source: DataSource, predicate: Predicate) -> list[tuple[int, int]]:
    found = kept(table, attrs.evolve(source, where=(predicate,)))
    assert found.positions is not None
    return [(int(found.rows[r]), int(t)) for r, t in np.argwhere(found.positions)]


REPEATS = library("repeats", length=2)


CAT = library("matches", regex="^(cat|mat)$")


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


def gpt2() -> object:
    transformers = pytest.importorskip("transformers")
    return transformers.GPT2Config(
        vocab_size=8, n_positions=16, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0
    )


def save(world: World, config: object, seed: int = 0) -> nn.Module:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(seed)
    made: nn.Module = transformers.AutoModelForCausalLM.from_config(config)
    made.save_pretrained(world.folder / "lm")  # type: ignore[operator]
    return made


def hf(world: World) -> ModelSource:
    return ModelSource("m", "hf", directory=world.file("lm"))
