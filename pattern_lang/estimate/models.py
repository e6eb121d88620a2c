"""Building the network that a spec names, at its checkpoint, with its loss per row."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from attrs import evolve, frozen
from torch import Tensor, nn

from pattern_lang.diagnostics import PatternError, Span
from pattern_lang.diagnostics.catalogue.inputs import NotAModule, NothingTrainable, NoUnitLoss
from pattern_lang.estimate.errors import Errors
from pattern_lang.estimate.files import locate, locate_within
from pattern_lang.estimate.huggingface import causal_lm
from pattern_lang.estimate.huggingface.causal_lm import NextTokenLoss, is_causal_lm, vocabulary
from pattern_lang.estimate.network import Batch, Network, UnitLoss, flatten, moving_parameters
from pattern_lang.estimate.user_code import UserCode, UserFunction
from pattern_lang.estimate.weights import load_weights, read_weights
from pattern_lang.ir.sources import Arguments, FunctionRef, ModelSource


@frozen(eq=False)
class LoadedModel:
    """A network, and the functions that it is made of.

    arguments: what `builder` was called with. identity: what else decides what the network
    computes, besides its tensors and code: the arguments, or the configuration of a folder.
    vocabulary: how many tokens it has embeddings for, where that is known.
    """

    source: ModelSource
    network: Network
    builder: UserFunction
    loss: UserFunction | None
    arguments: Arguments
    identity: Arguments
    vocabulary: int | None = None

    @property
    def code(self) -> UserFunction:
        """Return the function whose file holds the loss per row."""
        return self.loss or self.builder

    @property
    def folders(self) -> tuple[Path, Path]:
        """Return the folders that modules of the network's code come from."""
        return self.builder.file.parent, self.code.file.parent


def load_model(source: ModelSource, code: UserCode) -> LoadedModel:
    """Build a network and load its weights.

    Raises PatternError: about files and user code, NotAModule, UnreadableWeights,
    WeightsMismatch, NonFiniteWeights, NoUnitLoss, NothingTrainable.
    """
    errors = Errors()
    parts = errors.attempt(partial(_builder, source, code))
    loss = errors.attempt(partial(_function, source.loss, source, code)) if source.loss else None
    path = errors.attempt(partial(_weights, source, code)) if source.weights else None
    errors.stop()
    assert parts is not None  # every error stopped above
    builder, arguments, identity = parts
    module = build(source.name, builder, arguments, code, source.origin)
    if source.weights is not None and path is not None:
        span = source.weights.origin or source.origin
        load_weights(module, read_weights(path, span), path.name, span)
    network = flatten(module, unit_loss_of(source.name, module, loss, source.origin))
    known = vocabulary(module)
    return LoadedModel(source, network, builder, loss, arguments, identity, known)


def fresh(model: LoadedModel, code: UserCode, seed: int) -> nn.Module:
    """Build the network of a loaded model anew, at parameters drawn from a seed.

    Raises as `load_model` does.
    """
    builder, source = model.builder, model.source
    if source.builder is None:
        builder = evolve(builder, function="blank", call=causal_lm.blank)
    return build(source.name, builder, model.arguments, code, source.origin, seed)


def _builder(source: ModelSource, code: UserCode) -> tuple[UserFunction, Arguments, Arguments]:
    """Return the function that makes a network, its arguments, and what they stand for."""
    if source.builder is not None:
        function = _function(source.builder, source, code)
        return function, source.arguments, source.arguments
    assert source.directory is not None  # an `hf` model has one
    config = locate_within(source.directory, "config.json", code.journal, source.origin)
    for path in sorted(config.parent.iterdir()):
        if path.is_file():
            code.journal.read(path)
    file = Path(causal_lm.__file__)
    function = UserFunction("build", file, file.parent, causal_lm.build)
    digest = hashlib.sha256(config.read_bytes()).hexdigest()
    arguments = (("directory", str(config.parent)),)
    return function, arguments, (("config", digest),)


def _function(ref: FunctionRef, source: ModelSource, code: UserCode) -> UserFunction:
    return code.function(ref, source.origin)


def _weights(source: ModelSource, code: UserCode) -> Path:
    assert source.weights is not None  # asked by the caller
    path = locate(source.weights, code.journal, source.origin)
    code.journal.read(path)
    return path


def build(
    name: str,
    builder: UserFunction,
    arguments: Arguments,
    code: UserCode,
    span: Span | None,
    seed: int = 0,
) -> nn.Module:
    """Call a builder, from a fixed random state: without weights, θ* is what it returns.

    Raises UserCodeFailed, NotAModule and NothingTrainable.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        with code.guarded(f"building model `{name}`", builder.file, builder.root, span):
            module = builder.call(**dict(arguments))
    if not isinstance(module, nn.Module):
        found = f"a {type(module).__name__}" if module is not None else "nothing"
        raise PatternError([NotAModule(span=span, function=builder.name, found=found)])
    if not moving_parameters(module):
        raise PatternError([NothingTrainable(span=span, model=name)])
    return module


def unit_loss_of(
    name: str, module: nn.Module, loss: UserFunction | None, span: Span | None
) -> UnitLoss:
    """Return the loss: the given function, or the module's own method, or that of next tokens.

    The last is for causal language models of transformers. Raises NoUnitLoss when there is none.
    """
    if loss is not None:
        function: Callable[[nn.Module, Any], Tensor] = loss.call

        def of_module(batch: Batch) -> Tensor:
            return function(module, batch)

        return of_module
    method = getattr(module, "unit_loss", None)
    if not callable(method) and is_causal_lm(module):
        return NextTokenLoss(module)
    if not callable(method):
        raise PatternError([NoUnitLoss(span=span, model=name)])
    bound: UnitLoss = method
    return bound
