"""Chains for another process, as files: JSON and safetensors in one folder, nothing pickled.

`job.json` says what to run, `posterior-P.safetensors` holds the rows and the network's tensors of
posterior P, `chain-P-C.safetensors` comes back. User code is loaded again by the other process,
from the same files, for the structure of the network alone; every tensor is overwritten.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pattern_lang.estimate.chain import Setting
from pattern_lang.estimate.evaluate import Rows
from pattern_lang.estimate.models import build, unit_loss_of
from pattern_lang.estimate.moments import Averager, ChainResult, SegmentMoments
from pattern_lang.estimate.network import flatten
from pattern_lang.estimate.posterior import setting_of
from pattern_lang.estimate.store import write_json
from pattern_lang.estimate.tasks import Posterior, Task
from pattern_lang.estimate.user_code import UserCode, UserFunction
from pattern_lang.ir.queries import Sampler

_MOMENTS = ("means", "units", "rows", "cross")


def write_job(folder: Path, posteriors: Sequence[Posterior], shares: Sequence[list[Task]]) -> None:
    """Write everything that processes need; `shares` holds the tasks of each."""
    described = [_describe(folder, number, p) for number, p in enumerate(posteriors)]
    tasks = [[attrs.asdict(task) for task in share] for share in shares]
    write_json(folder / "job.json", {"posteriors": described, "tasks": tasks})


def read_tasks(folder: Path, worker: int) -> list[Task]:
    """Return the tasks of a process."""
    return [Task(**task) for task in _job(folder)["tasks"][worker]]


def read_setting(folder: Path, number: int, code: UserCode) -> Setting:
    """Build a posterior again from the files of a job."""
    described = _job(folder)["posteriors"][number]
    mapped = load_file(folder / f"posterior-{number}.safetensors")
    # Aligned as in the process that wrote them, so that products round in the same way.
    tensors = {name: tensor.clone() for name, tensor in mapped.items()}
    builder = _load(described["builder"], code)
    loss = _load(described["loss"], code) if described["loss"] else None
    name, arguments = described["name"], _tuple(described["arguments"])
    module = build(name, builder, arguments, code, None)
    network = flatten(module, unit_loss_of(name, module, loss, None))
    for name, tensor in _named(network.module).items():
        tensor.data.copy_(tensors[f"state/{name}"])
    network.anchor.copy_(network.theta)
    blocks = tuple(
        {name: tensors[f"block/{block}/{name}"] for name in names}
        for block, names in enumerate(described["blocks"])
    )
    averager = Averager(
        tensors["averages"], tensors["parts"], tensors.get("unit_of_row"), described["units"]
    )
    rows = Rows(blocks, tuple(described["chunks"]))
    return setting_of(network, rows, averager, tensors["anchor"], Sampler(**described["sampler"]))


def where_of(folder: Path, number: int) -> tuple[str, Path, Path, tuple[Path, Path]]:
    """Return the model's name, file and root of the code of its loss, and the folders it needs."""
    described = _job(folder)["posteriors"][number]
    builder, source = described["builder"], described["loss"] or described["builder"]
    file, root = Path(source["file"]), Path(source["root"])
    return described["name"], file, root, (Path(builder["file"]).parent, file.parent)


def write_result(folder: Path, task: Task, result: ChainResult) -> None:
    """Write what a chain left."""
    arrays = {"trace": torch.from_numpy(result.trace)}
    for name in _MOMENTS:
        parts = [torch.from_numpy(getattr(segment, name)) for segment in result.segments]
        arrays[name] = torch.stack(parts)
    draft = folder / f".draft-{task.posterior}-{task.chain}"
    save_file(arrays, draft, {"figures": json.dumps(result.figures)})
    draft.replace(_result(folder, task))


def read_result(folder: Path, task: Task) -> ChainResult:
    """Return what a chain left; raise FileNotFoundError if it did not finish."""
    with safe_open(_result(folder, task), framework="np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        figures = json.loads(file.metadata()["figures"])
    moments = zip(*(arrays[name] for name in _MOMENTS), strict=True)
    segments = tuple(SegmentMoments(*parts) for parts in moments)
    return ChainResult(task.chain, task.seed, arrays["trace"], segments, figures)


def _describe(folder: Path, number: int, posterior: Posterior) -> dict[str, Any]:
    setting, model = posterior.setting, posterior.model
    tensors = {
        f"state/{name}": tensor.detach().clone(memory_format=torch.contiguous_format)
        for name, tensor in _named(setting.network.module).items()
    }
    for block, columns in enumerate(setting.rows.blocks):
        tensors |= {f"block/{block}/{n}": t.contiguous() for n, t in columns.items()}
    tensors |= {"averages": setting.averager.averages, "parts": setting.averager.parts}
    tensors |= {"anchor": setting.anchor}
    if setting.averager.unit_of_row is not None:
        tensors["unit_of_row"] = setting.averager.unit_of_row
    save_file(tensors, folder / f"posterior-{number}.safetensors")
    return {
        "name": model.source.name,
        "builder": _place(model.builder),
        "loss": _place(model.loss) if model.loss else None,
        "arguments": model.source.arguments,
        "blocks": [list(columns) for columns in setting.rows.blocks],
        "chunks": setting.rows.chunks,
        "units": setting.averager.units,
        "sampler": attrs.asdict(attrs.evolve(setting.sampler, origin=None), recurse=False),
    }


def _named(module: nn.Module) -> dict[str, Tensor]:
    """Return every parameter and buffer by name, tied ones once."""
    return dict([*module.named_parameters(), *module.named_buffers()])


def _place(function: UserFunction) -> dict[str, str]:
    return {
        "file": str(function.file),
        "root": str(function.root),
        "function": function.function,
    }


def _load(place: dict[str, str], code: UserCode) -> UserFunction:
    return code.load(Path(place["file"]), Path(place["root"]), place["function"], None)


def _tuple(value: Any) -> Any:
    """Turn JSON lists back into the tuples that arguments are made of."""
    return tuple(_tuple(item) for item in value) if isinstance(value, list) else value


def _job(folder: Path) -> dict[str, Any]:
    job: dict[str, Any] = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    return job


def _result(folder: Path, task: Task) -> Path:
    return folder / f"chain-{task.posterior}-{task.chain}.safetensors"
