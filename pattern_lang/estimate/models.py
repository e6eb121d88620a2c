"""Building the network that a spec names, at its checkpoint, with its loss per row."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from attrs import frozen
from torch import Tensor, nn

from pattern_lang.diagnostics import PatternError, Span
from pattern_lang.diagnostics.catalogue.estimates import NotAModule, NothingTrainable, NoUnitLoss
from pattern_lang.estimate.errors import Errors
from pattern_lang.estimate.files import locate
from pattern_lang.estimate.network import Batch, Network, UnitLoss, flatten, moving_parameters
from pattern_lang.estimate.user_code import UserCode, UserFunction
from pattern_lang.estimate.weights import load_weights, read_weights
from pattern_lang.ir.sources import Arguments, FunctionRef, ModelSource


@frozen(eq=False)
class LoadedModel:
    """A network, and the functions of the user that it is made of."""

    source: ModelSource
    network: Network
    builder: UserFunction
    loss: UserFunction | None

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
    assert source.builder is not None  # a `torch` model has one
    errors = Errors()
    builder = errors.attempt(partial(_function, source.builder, source, code))
    loss = errors.attempt(partial(_function, source.loss, source, code)) if source.loss else None
    path = errors.attempt(partial(_weights, source, code)) if source.weights else None
    errors.stop()
    assert builder is not None  # every error stopped above
    module = build(source.name, builder, source.arguments, code, source.origin)
    if source.weights is not None and path is not None:
        span = source.weights.origin or source.origin
        load_weights(module, read_weights(path, span), path.name, span)
    network = flatten(module, unit_loss_of(source.name, module, loss, source.origin))
    return LoadedModel(source, network, builder, loss)


def _function(ref: FunctionRef, source: ModelSource, code: UserCode) -> UserFunction:
    return code.function(ref, source.origin)


def _weights(source: ModelSource, code: UserCode) -> Path:
    assert source.weights is not None  # asked by the caller
    path = locate(source.weights, code.journal, source.origin)
    code.journal.read(path)
    return path


def build(
    name: str, builder: UserFunction, arguments: Arguments, code: UserCode, span: Span | None
) -> nn.Module:
    """Call a builder, from a fixed random state: without weights, θ* is what it returns.

    Raises UserCodeFailed, NotAModule and NothingTrainable.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
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
    """Return the loss per row: the given function, or else the module's own method.

    Raises NoUnitLoss when there is neither.
    """
    if loss is not None:
        function: Callable[[nn.Module, Any], Tensor] = loss.call

        def of_module(batch: Batch) -> Tensor:
            return function(module, batch)

        return of_module
    method = getattr(module, "unit_loss", None)
    if not callable(method):
        raise PatternError([NoUnitLoss(span=span, model=name)])
    bound: UnitLoss = method
    return bound
