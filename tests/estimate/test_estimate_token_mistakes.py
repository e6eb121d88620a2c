"""Mistakes about tokens, tokenizers and losses per position, each with its own error."""

import attrs
import pytest
from estimate_samples import World, ask, observable, run, sgld
from token_samples import (
    CAT,
    REPEATS,
    errors,
    gpt2,
    hf,
    library,
    lines,
    read,
    ready,
    save,
    selected,
)

from pattern_lang.diagnostics import Diagnostic
from pattern_lang.estimate.predicates import kept
from pattern_lang.ir.observables import Loss
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.sources import (
    Predicate,
)


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
