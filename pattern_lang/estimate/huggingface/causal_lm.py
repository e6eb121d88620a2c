"""Causal language models of transformers: loading one from a folder, and its next-token loss."""

import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.tokens import UnreadableModel
from pattern_lang.estimate.huggingface.packages import first_line, load_package
from pattern_lang.estimate.token_losses import IGNORED, next_token_losses

_TOLERANCE = 1e-3  # nats, between losses by hidden states and by the model's own logits
_FEW_TOKENS = 16


def build(directory: str) -> nn.Module:
    """Return the model of a folder: safetensors only, nothing downloaded, no code in it run.

    Raises MissingPackage, and UnreadableModel when transformers cannot load it or would fill
    missing tensors with random numbers.
    """
    package = load_package("transformers", "a model by `hf`", None)
    bars = package.utils.logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        model, told = package.AutoModelForCausalLM.from_pretrained(
            directory,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:  # the package raises what its many models raise
        raise _unreadable(directory, first_line(error)) from error
    finally:
        if shown:
            bars.enable_progress_bar()
    absent = sorted(told["missing_keys"])
    if absent or told["mismatched_keys"]:
        reason = f"tensor `{absent[0]}` is missing" if absent else "tensors have other shapes"
        raise _unreadable(directory, reason)
    loaded: nn.Module = model
    return loaded


def blank(directory: str) -> nn.Module:
    """Return the model that a folder's configuration describes, at random parameters.

    Raises MissingPackage, and UnreadableModel when transformers cannot make it.
    """
    package = load_package("transformers", "a model by `hf`", None)
    try:
        settings = package.AutoConfig.from_pretrained(
            directory, local_files_only=True, trust_remote_code=False
        )
        made: nn.Module = package.AutoModelForCausalLM.from_config(
            settings, trust_remote_code=False
        )
    except Exception as error:  # the package raises what its many models raise
        raise _unreadable(directory, first_line(error)) from error
    return made


def is_causal_lm(module: nn.Module) -> bool:
    """Tell whether a module is a model of transformers that predicts tokens."""
    package = sys.modules.get("transformers")
    if package is None or not isinstance(module, package.PreTrainedModel):
        return False
    return module.get_output_embeddings() is not None


def vocabulary(module: nn.Module) -> int | None:
    """Return how many tokens a model of transformers has embeddings for; None for other modules."""
    if not is_causal_lm(module):
        return None
    table: Any = module.get_input_embeddings()  # type: ignore[operator]
    return len(table.weight)


class NextTokenLoss:
    """The loss of a causal language model at each position of rows of tokens.

    A batch has `input_ids`, (rows, N), and maybe `labels`, the same with -100 where there is no
    token; padding stands on the right, where no token sees it. Losses are made from hidden states
    and the output matrix, chunk by chunk, after one comparison with the model's own logits: models
    that do more to their logits, such as capping them, are evaluated by those.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module: Any = module
        self._fused: bool | None = None

    def __call__(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the losses of a batch, (rows, N): entry t is that of token t + 1, the last NaN."""
        ids = batch["input_ids"]
        labels = batch.get("labels", ids)
        if self._fused is None:
            with torch.no_grad():
                few = ids[:1, :_FEW_TOKENS]
                difference = self._by_states(few, few) - self._by_logits(few, few)
            self._fused = float(difference[:, :-1].abs().max()) < _TOLERANCE
        return self._by_states(ids, labels) if self._fused else self._by_logits(ids, labels)

    def _by_states(self, ids: Tensor, labels: Tensor) -> Tensor:
        states = self.module.base_model(input_ids=ids, use_cache=False)[0]
        head = self.module.get_output_embeddings()
        return next_token_losses(states, head.weight, labels, getattr(head, "bias", None))

    def _by_logits(self, ids: Tensor, labels: Tensor) -> Tensor:
        logits = self.module(input_ids=ids, use_cache=False).logits[:, :-1]
        targets = labels[:, 1:]
        losses = cross_entropy(
            logits.transpose(1, 2), targets, ignore_index=IGNORED, reduction="none"
        )
        gap = losses.new_full((len(losses), 1), torch.nan)
        return torch.cat([losses.masked_fill(targets == IGNORED, torch.nan), gap], dim=1)


def _unreadable(directory: str, reason: str) -> PatternError:
    return PatternError([UnreadableModel(span=None, folder=directory, reason=reason)])
