"""The network of a run: built from a seed, or at the model's own checkpoint."""

import torch
from attrs import frozen
from torch import nn

from pattern_lang.estimate.models import LoadedModel, fresh, unit_loss_of
from pattern_lang.estimate.network import UnitLoss
from pattern_lang.estimate.user_code import UserCode
from pattern_lang.ir.training import CHECKPOINT


@frozen(eq=False)
class Trained:
    """A module under training, and its loss: of each row, or of each position."""

    module: nn.Module
    unit_loss: UnitLoss


def network_of(model: LoadedModel, start: str, seed: int, code: UserCode) -> Trained:
    """Return a network of its own for one run; that of `model` stays as it is.

    With `start` at the checkpoint the seed does not matter here. Floating types are those that
    estimates use: float64 where a moving parameter has it, float32 otherwise. Raises as loading
    the model does.
    """
    source = model.source
    module = fresh(model, code, seed)
    wide = model.network.dtype == torch.float64
    module.to(torch.float64 if wide else torch.float32)
    if start == CHECKPOINT:
        model.network.reset()
        module.load_state_dict(model.network.module.state_dict())
    return Trained(module, unit_loss_of(source.name, module, model.loss, source.origin))
