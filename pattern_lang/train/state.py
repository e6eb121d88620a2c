"""What a run goes on from: parameters and the optimizer's state, as arrays and JSON.

Nothing is pickled: nested state is taken apart into tensors by number and JSON around them.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from attrs import frozen
from torch import Tensor, nn

from pattern_lang.estimate.checkpoint import CheckpointError, read_checkpoint, write_checkpoint

_TENSOR, _PAIRS, _TUPLE = "<tensor>", "<pairs>", "<tuple>"


@frozen(eq=False)
class RunState:
    """A run after `done` steps, with what it has reported so far, and what it says of itself."""

    done: int
    events: tuple[str, ...]
    extra: Any = None


def write_state(
    path: Path,
    identity: str,
    state: RunState,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Keep a run, whole or not at all. Raises OSError when the operating system refuses."""
    tensors: dict[str, Tensor] = {}
    document = {
        "module": _apart(dict(tensors_of(module)), tensors),
        "optimizer": _apart(optimizer.state_dict(), tensors),
    }
    facts = {
        "identity": identity,
        "done": str(state.done),
        "events": json.dumps(state.events),
        "extra": json.dumps(state.extra),
        "document": json.dumps(document),
    }
    write_checkpoint(path, facts, {name: t.cpu().numpy() for name, t in tensors.items()})


def read_state(
    path: Path, identity: str, module: nn.Module, optimizer: torch.optim.Optimizer
) -> RunState | None:
    """Go on from what was kept, None where nothing was.

    Raises CheckpointError for a damaged file, and for that of another run.
    """
    if not path.exists():
        return None
    facts, arrays = read_checkpoint(path)
    if facts.get("identity") != identity:
        raise CheckpointError("it is of another run")
    # Clones are aligned as any tensor is, so that products round in the same way.
    tensors = {name: torch.from_numpy(array).clone() for name, array in arrays.items()}
    document = json.loads(facts["document"])
    kept = _together(document["module"], tensors)
    with torch.no_grad():
        for name, tensor in tensors_of(module).items():
            tensor.copy_(kept[name])
    optimizer.load_state_dict(_together(document["optimizer"], tensors))
    events = tuple(json.loads(facts["events"]))
    return RunState(int(facts["done"]), events, json.loads(facts["extra"]))


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Return all parameters and buffers by name; tied ones once, under their first name."""
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in module.state_dict(keep_vars=True).items():
        if isinstance(tensor, Tensor) and id(tensor) not in seen:
            seen.add(id(tensor))
            found[name] = tensor.detach()
    return found


def _apart(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Return nested state as JSON types; its tensors go into `tensors`."""
    match value:
        case Tensor():
            name = f"t{len(tensors)}"
            tensors[name] = value.detach()
            return {_TENSOR: name}
        case Mapping():
            return {_PAIRS: [[_apart(k, tensors), _apart(v, tensors)] for k, v in value.items()]}
        case tuple():
            return {_TUPLE: [_apart(item, tensors) for item in value]}
        case list():
            return [_apart(item, tensors) for item in value]
        case None | bool() | int() | float() | str():
            return value
    raise TypeError(type(value).__name__)


def _together(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    match value:
        case {"<tensor>": name}:
            return tensors[name]
        case {"<pairs>": pairs}:
            return {_together(k, tensors): _together(v, tensors) for k, v in pairs}
        case {"<tuple>": items}:
            return tuple(_together(item, tensors) for item in items)
        case list():
            return [_together(item, tensors) for item in value]
    return value
