"""Chains for another process, as files: JSON and safetensors in one folder, nothing pickled.

`job.json` says what to run. `base-B.safetensors` holds rows and a network's tensors, which
posteriors over components of that network share. `chain-P-C.safetensors` of posterior P comes back.
User code is loaded again by the other process, from the same files, for the structure of the
network alone; every tensor is overwritten.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pattern_lang.estimate.chain import Setting
from pattern_lang.estimate.evaluate import Rows
from pattern_lang.estimate.models import build, unit_loss_of
from pattern_lang.estimate.moments import Averager, ChainResult, chain_arrays, chain_of
from pattern_lang.estimate.network import flatten, restricted
from pattern_lang.estimate.posterior import setting_of
from pattern_lang.estimate.probes import Probe
from pattern_lang.estimate.running import Running
from pattern_lang.estimate.selection import read_selection, selection_document
from pattern_lang.estimate.store import write_json
from pattern_lang.estimate.tasks import Posterior, Task
from pattern_lang.estimate.user_code import UserCode, UserFunction
from pattern_lang.ir.queries import Sampler


def write_job(folder: Path, posteriors: Sequence[Posterior], shares: Sequence[list[Task]]) -> None:
    """Write everything that processes need; `shares` holds the tasks of each."""
    numbers: dict[int, int] = {}
    bases: list[dict[str, Any]] = []
    described = []
    for posterior in posteriors:
        rows = id(posterior.setting.rows)
        if rows not in numbers:
            numbers[rows] = len(bases)
            bases.append(_describe(folder, len(bases), posterior))
        moves = None if posterior.selection is None else selection_document(posterior.selection)
        described.append({"base": numbers[rows], "name": posterior.place.name, "moves": moves})
    tasks = [[attrs.asdict(task) for task in share] for share in shares]
    write_json(folder / "job.json", {"posteriors": described, "bases": bases, "tasks": tasks})


def read_tasks(folder: Path, worker: int) -> list[Task]:
    """Return the tasks of a process."""
    return [Task(**task) for task in _job(folder)["tasks"][worker]]


def write_running(folder: Path, running: Sequence[Running]) -> None:
    """Write where the chains of each posterior are kept while they run."""
    places = [{"folder": str(place.folder), "key": place.key} for place in running]
    write_json(folder / "running.json", places)


def read_running(folder: Path) -> list[Running]:
    """Return where the chains of each posterior are kept while they run."""
    places = json.loads((folder / "running.json").read_text(encoding="utf-8"))
    return [Running(Path(place["folder"]), place["key"]) for place in places]


def read_setting(folder: Path, number: int, code: UserCode, bases: dict[int, Setting]) -> Setting:
    """Build a posterior again from the files of a job; `bases` keeps what posteriors share."""
    described = _job(folder)["posteriors"][number]
    base, moves = described["base"], described["moves"]
    if base not in bases:
        bases[base] = _read_base(folder, base, code)
    if moves is None:
        return bases[base]
    network = restricted(bases[base].network, read_selection(moves))
    return attrs.evolve(bases[base], network=network)


def _read_base(folder: Path, number: int, code: UserCode) -> Setting:
    described = _job(folder)["bases"][number]
    mapped = load_file(folder / f"base-{number}.safetensors")
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
    network.swift = described["swift"]
    blocks = tuple(
        {name: tensors[f"block/{block}/{name}"] for name in names}
        for block, names in enumerate(described["blocks"])
    )
    members = tensors["members"].split(described["members"])
    averager = Averager(
        members,
        tensors["parts"],
        tensors.get("unit_of_row"),
        described["units"],
        described["width"],
    )
    probes = tuple(
        _read_probe(item, number, tensors, code) for number, item in enumerate(described["probes"])
    )
    present = tuple(tensors.get(f"present/{block}") for block in range(len(blocks)))
    chunks, reweighted = tuple(described["chunks"]), described["reweighted"]
    order, rounding = tensors.get("order"), tensors.get("rounding")
    rows = Rows(blocks, chunks, present, order, reweighted, probes, rounding)
    sampler, differentiated = Sampler(**described["sampler"]), tuple(described["differentiated"])
    return setting_of(network, rows, averager, tensors["anchor"], sampler, differentiated)


def _read_probe(
    item: dict[str, Any], number: int, tensors: dict[str, Tensor], code: UserCode
) -> Probe:
    batch = {name: tensors[f"probe/{number}/{name}"] for name in item["columns"]}
    return Probe(_load(item["function"], code), _tuple(item["arguments"]), batch)


def where_of(folder: Path, number: int) -> tuple[str, Path, Path, tuple[Path, ...]]:
    """Return the posterior's name, file and root of the loss's code, and the folders it needs."""
    job = _job(folder)
    posterior = job["posteriors"][number]
    described = job["bases"][posterior["base"]]
    builder, source = described["builder"], described["loss"] or described["builder"]
    file, root = Path(source["file"]), Path(source["root"])
    probes = (Path(item["function"]["file"]).parent for item in described["probes"])
    return posterior["name"], file, root, (Path(builder["file"]).parent, file.parent, *probes)


def write_result(folder: Path, task: Task, result: ChainResult) -> None:
    """Write what a chain left."""
    arrays = {
        name: torch.from_numpy(np.asarray(array)) for name, array in chain_arrays(result).items()
    }
    draft = folder / f".draft-{task.posterior}-{task.chain}"
    save_file(arrays, draft, {"figures": json.dumps(result.figures)})
    draft.replace(_result(folder, task))


def read_result(folder: Path, task: Task) -> ChainResult:
    """Return what a chain left; raise FileNotFoundError if it did not finish."""
    with safe_open(_result(folder, task), framework="np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        figures = json.loads(file.metadata()["figures"])
    return chain_of(task.chain, task.seed, arrays, figures)


def _describe(folder: Path, number: int, posterior: Posterior) -> dict[str, Any]:
    setting, model = posterior.setting, posterior.model
    model.network.reset()
    tensors = {
        f"state/{name}": tensor.detach().clone(memory_format=torch.contiguous_format)
        for name, tensor in _named(setting.network.module).items()
    }
    for index, probe in enumerate(setting.rows.probes):
        tensors |= {f"probe/{index}/{n}": t.clone() for n, t in probe.batch.items()}
    for block, columns in enumerate(setting.rows.blocks):
        tensors |= {f"block/{block}/{n}": t.contiguous() for n, t in columns.items()}
    for block, present in enumerate(setting.rows.present):
        tensors |= {} if present is None else {f"present/{block}": present}
    if setting.rows.order is not None:
        tensors["order"] = setting.rows.order
    if setting.rows.rounding is not None:
        tensors["rounding"] = setting.rows.rounding
    tensors |= {"members": torch.cat(setting.averager.members), "parts": setting.averager.parts}
    tensors |= {"anchor": setting.anchor}
    if setting.averager.unit_of_row is not None:
        tensors["unit_of_row"] = setting.averager.unit_of_row
    save_file(tensors, folder / f"base-{number}.safetensors")
    return {
        "name": model.source.name,
        "builder": _place(model.builder),
        "loss": _place(model.loss) if model.loss else None,
        "arguments": model.arguments,
        "blocks": [list(columns) for columns in setting.rows.blocks],
        "chunks": setting.rows.chunks,
        "probes": [
            {
                "function": _place(probe.function),
                "arguments": probe.arguments,
                "columns": list(probe.batch),
            }
            for probe in setting.rows.probes
        ],
        "reweighted": setting.rows.reweighted,
        "swift": model.network.swift,
        "units": setting.averager.units,
        "members": [len(members) for members in setting.averager.members],
        "width": setting.averager.width,
        "differentiated": setting.differentiated,
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
