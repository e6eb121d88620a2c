"""Reading a checkpoint, and checking it against the network before anything is overwritten."""

from pathlib import Path

import torch
from torch import Tensor, nn

from pattern_lang.diagnostics import PatternError, Span
from pattern_lang.diagnostics.catalogue.inputs import (
    NonFiniteWeights,
    UnreadableWeights,
    WeightsMismatch,
)

State = dict[str, Tensor]


def read_weights(path: Path, span: Span | None) -> State:
    """Return the tensors of a safetensors file, or of a state dict saved by torch.

    Nothing in the file is run: `.pt` files are read with weights_only. Raises UnreadableWeights.
    """
    try:
        state = _read(path)
    except Exception as error:
        reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
        raise PatternError([UnreadableWeights(span=span, file=path.name, reason=reason)]) from error
    if not (isinstance(state, dict) and all(isinstance(v, Tensor) for v in state.values())):
        reason = "it holds no dictionary of tensors"
        raise PatternError([UnreadableWeights(span=span, file=path.name, reason=reason)])
    return state


def _read(path: Path) -> State:
    if path.suffix in (".pt", ".pth", ".bin"):
        found: State = torch.load(path, map_location="cpu", weights_only=True)
        return found
    from safetensors.torch import load_file

    loaded: State = load_file(path)
    return loaded


def load_weights(module: nn.Module, state: State, file: str, span: Span | None) -> None:
    """Load tensors into a module; raise WeightsMismatch or NonFiniteWeights and change nothing.

    A name may be missing where the module ties it to one that is there.
    """
    own = module.state_dict(keep_vars=True)
    wrong = _mismatches(own, state)
    if wrong:
        problem = WeightsMismatch(span=span, file=file, first=wrong[0], others=tuple(wrong[1:9]))
        raise PatternError([problem])
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise PatternError([NonFiniteWeights(span=span, file=file, tensor=name)])
    module.load_state_dict(state, strict=False)


def _mismatches(own: State, state: State) -> list[str]:
    given = {id(own[name]) for name in state if name in own}
    missing = [name for name in own if name not in state and id(own[name]) not in given]
    extra = [name for name in state if name not in own]
    other = [n for n in state if n in own and own[n].shape != state[n].shape]
    return [
        *(f"tensor `{n}` has shape {_shape(state[n])}, needs {_shape(own[n])}" for n in other),
        *(f"tensor `{n}` {_shape(own[n])} is missing" for n in missing),
        *(f"tensor `{n}` {_shape(state[n])} has no place in the model" for n in extra),
    ]


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))
