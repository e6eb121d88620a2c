"""Optimizers: torch's own or the user's, and how the rate changes over a run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.training import NotAnOptimizer
from pattern_lang.ir.training import CONSTANT, LINEAR, Optimizer

if TYPE_CHECKING:
    from pattern_lang.estimate.user_code import UserCode

_KINDS = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD"}


def make_optimizer(module: nn.Module, settings: Optimizer, code: UserCode) -> torch.optim.Optimizer:
    """Return the optimizer of a run.

    Of kind `python` it is what the user's function makes of the module and its own arguments.
    Raises UserCodeFailed, and NotAnOptimizer when that is something else.
    """
    arguments: dict[str, Any] = dict(settings.arguments)
    if settings.function is None:
        kind = getattr(torch.optim, _KINDS[settings.kind])
        moving = [parameter for parameter in module.parameters() if parameter.requires_grad]
        made: torch.optim.Optimizer = kind(moving, **arguments)
        return made
    function = code.function(settings.function, settings.origin)
    action = f"making an optimizer by `{function.name}`"
    with code.guarded(action, function.file, function.root, settings.origin):
        found = function.call(module, **arguments)
    if not isinstance(found, torch.optim.Optimizer):
        kind = f"a {type(found).__name__}" if found is not None else "nothing"
        problem = NotAnOptimizer(span=settings.origin, function=function.name, found=kind)
        raise PatternError([problem])
    return found


def rate(settings: Optimizer, step: int) -> float:
    """Return what the learning rate of a step, counted from 0, is multiplied by.

    It rises linearly over `warmup` steps, and then falls to 0 at the end of the run, linearly or
    as half a period of a cosine, or stays.
    """
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    if settings.decay == CONSTANT:
        return 1.0
    left = max(settings.steps - settings.warmup, 1)
    done = min((step - settings.warmup) / left, 1.0)
    return 1.0 - done if settings.decay == LINEAR else 0.5 * (1.0 + math.cos(math.pi * done))
