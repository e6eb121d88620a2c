"""Causal language models from folders and from builders."""

import attrs
import numpy as np
import pytest
import torch
from estimate_samples import World, ask, observable, run, sgld
from token_samples import CAT, errors, gpt2, hf, lines, read, save
from torch import nn

from pattern_lang.estimate.journal import Journal
from pattern_lang.estimate.models import load_model
from pattern_lang.estimate.user_code import UserCode
from pattern_lang.ir.observables import Loss


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
