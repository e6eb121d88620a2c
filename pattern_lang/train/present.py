"""The present parameters of a run as a checkpoint that a pattern is about."""

from pathlib import Path
from typing import Any, TypeVar, cast

import attrs
from attrs import evolve
from safetensors.torch import save
from torch import nn

from pattern_lang.diagnostics import PatternError, Span
from pattern_lang.diagnostics.catalogue.training import OtherNetworks
from pattern_lang.estimate.needs import posterior_models
from pattern_lang.files import write_atomically
from pattern_lang.ir.program import WeightPattern
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.sources import FileRef, ModelSource
from pattern_lang.train.measures import same_network
from pattern_lang.train.state import tensors_of

_T = TypeVar("_T")


def tensors_file(module: nn.Module) -> bytes:
    """Return all parameters and buffers as a safetensors file; tied ones once."""
    tensors = {name: t.cpu().contiguous() for name, t in tensors_of(module).items()}
    content: bytes = save(tensors)
    return content


def write_network(path: Path, module: nn.Module) -> None:
    """Write a checkpoint, whole or not at all; one with these bytes is left as it is.

    Raises OSError.
    """
    content = tensors_file(module)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_bytes() != content:
        write_atomically(path, content)


def check_present(pattern: WeightPattern, model: ModelSource) -> None:
    """Check that a pattern can be asked anew of the network under training.

    Raises OtherNetworks for one about another network, or about several checkpoints of this one:
    there is one present, at which they would not differ.
    """
    found = posterior_models(pattern.queries)
    if len(found) == 1 and same_network(found[0], model):
        return
    problem = OtherNetworks(
        span=pattern.origin,
        pattern=pattern.name,
        models=" and ".join(f"`{other.name}`" for other in found),
        model=model.name,
    )
    raise PatternError([problem])


def at_present(queries: Queries, model: ModelSource, checkpoint: Path, seed: int) -> Queries:
    """Return queries about a network with its weights from a file, and chains of other seeds.

    `seed` is added to that of the sampler, so that the noise of one round is not that of another.
    """
    path = str(checkpoint.absolute())
    moved = about(queries, evolve(model, weights=FileRef(path, (path,))))
    return evolve(moved, sampler=evolve(moved.sampler, seed=moved.sampler.seed + seed))


def about(queries: Queries, model: ModelSource) -> Queries:
    """Return queries with one checkpoint of a network in place of any other."""

    def repointed(value: Any) -> Any:
        return model if isinstance(value, ModelSource) and same_network(value, model) else None

    return _replaced(queries, repointed)


def _replaced(value: _T, replace: Any) -> _T:
    """Return an IR value with parts of it replaced wherever they stand; None leaves one as is."""
    other: _T | None = replace(value)
    if other is not None:
        return other
    if isinstance(value, tuple):
        return cast("_T", tuple(_replaced(item, replace) for item in value))
    if attrs.has(type(value)) and not isinstance(value, Span):
        changed = {
            item.name: _replaced(getattr(value, item.name), replace)
            for item in attrs.fields(cast("Any", type(value)))
            if item.init
        }
        made: _T = attrs.evolve(cast("Any", value), **changed)
        return made
    return value
