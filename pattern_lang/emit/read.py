"""Reading an output folder back: the plan, the weights and χ."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.emission import DamagedOutput, OutputMissing, UnknownSchema
from pattern_lang.emit import targets
from pattern_lang.emit.canonical import digest
from pattern_lang.emit.documents import DIAGNOSTICS_SCHEMA, QUERIES_SCHEMA
from pattern_lang.emit.matrices import SUSCEPTIBILITY_SCHEMA
from pattern_lang.emit.plan import PLAN_SCHEMA
from pattern_lang.emit.tables import WEIGHTS_SCHEMA

_T = TypeVar("_T")


@frozen(eq=False)
class StoredWeights:
    """`weights.parquet`: one entry per unit; the optional columns where the file has them."""

    unit_id: NDArray[np.int64]
    weight: NDArray[np.float32]
    group: tuple[Any, ...] | None
    row: NDArray[np.int64] | None
    metadata: dict[str, str]
    sample_id: NDArray[np.int64] | None = None
    position: NDArray[np.int64] | None = None


@frozen(eq=False)
class StoredSusceptibility:
    """`susceptibility.safetensors`: χ (k, n) in the sign convention of the header."""

    observables: tuple[str, ...]
    observable_units: tuple[str, ...]
    chi: NDArray[np.float32]
    stderr: NDArray[np.float32]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    unit_id: NDArray[np.int64]
    nbeta: float
    metadata: dict[str, str]


def output_folder(path: Path) -> Path:
    """Return the output folder that a path means: the folder itself, or that of its `plan.json`."""
    return path.parent if path.name == targets.PLAN else path


def read_plan(path: Path) -> dict[str, Any]:
    """Return the plan of a folder (or of the path of a `plan.json`).

    Raises `PatternError` when there is none, it is damaged, or its schema is not known.
    """
    return _read_json(output_folder(path) / targets.PLAN, PLAN_SCHEMA)


def read_diagnostics(path: Path) -> dict[str, Any]:
    """Return `diagnostics.json`; raises like `read_plan`."""
    return _read_json(output_folder(path) / targets.DIAGNOSTICS, DIAGNOSTICS_SCHEMA)


def read_queries(path: Path) -> dict[str, Any]:
    """Return `queries.json`; raises like `read_plan`."""
    return _read_json(output_folder(path) / targets.QUERIES, QUERIES_SCHEMA)


def read_weights(path: Path, name: str = targets.WEIGHTS) -> StoredWeights:
    """Return the weights of a folder; raises like `read_plan`."""
    file = output_folder(path) / name
    table = _parse(file, lambda: import_module("pyarrow.parquet").read_table(file))
    raw = table.schema.metadata or {}
    metadata = {key.decode(): value.decode() for key, value in raw.items()}
    _check_schema(file, metadata.get("schema"), WEIGHTS_SCHEMA)
    names = table.column_names
    return StoredWeights(
        unit_id=table["unit_id"].to_numpy(),
        weight=table["weight"].to_numpy(),
        group=tuple(table["group"].to_pylist()) if "group" in names else None,
        row=table["row"].to_numpy() if "row" in names else None,
        metadata=metadata,
        sample_id=table["sample_id"].to_numpy() if "sample_id" in names else None,
        position=table["position"].to_numpy() if "position" in names else None,
    )


def read_susceptibility(path: Path) -> StoredSusceptibility:
    """Return χ of a folder; raises like `read_plan`."""
    file = output_folder(path) / targets.SUSCEPTIBILITY
    metadata, tensors = _parse(file, lambda: _tensors(file))
    _check_schema(file, metadata.get("schema"), SUSCEPTIBILITY_SCHEMA)
    return StoredSusceptibility(
        observables=tuple(json.loads(metadata["observables"])),
        observable_units=tuple(json.loads(metadata["observable_units"])),
        chi=tensors["chi"],
        stderr=tensors["chi_stderr"],
        mean=tensors["mean"],
        sd=tensors["sd"],
        unit_id=tensors["unit_id"],
        nbeta=float(metadata["nbeta"]),
        metadata=metadata,
    )


def check_files(path: Path) -> None:
    """Compare every file of a folder with the digest that its plan states.

    Raises `PatternError` with one diagnostic per file that is missing or differs.
    """
    folder = output_folder(path)
    problems: list[OutputMissing | DamagedOutput] = []
    for name, expected in read_plan(folder)["files"].items():
        try:
            content = (folder / name).read_bytes()
        except OSError as error:
            reason = error.strerror or "unreadable"
            problems.append(OutputMissing(path=str(folder / name), reason=reason))
            continue
        if digest(content) != expected:
            reason = "its bytes are not those that the plan was written with"
            problems.append(DamagedOutput(path=str(folder / name), reason=reason))
    if problems:
        raise PatternError(problems)


def _tensors(file: Path) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    safe_open = import_module("safetensors").safe_open
    with safe_open(file, framework="numpy") as source:
        return source.metadata() or {}, {name: source.get_tensor(name) for name in source.keys()}  # noqa: SIM118


def _read_json(file: Path, schema: str) -> dict[str, Any]:
    document = _parse(file, lambda: json.loads(file.read_bytes()))
    if not isinstance(document, dict):
        raise PatternError([DamagedOutput(path=str(file), reason="it is not a JSON object")])
    _check_schema(file, document.get("schema"), schema)
    return document


def _parse(file: Path, read: Callable[[], _T]) -> _T:
    """Read a file, turning every way that can fail into a diagnostic."""
    if not file.is_file():
        reason = "there is no such file"
        if file.name == targets.PLAN and file.parent.is_dir():
            reason = "the folder has no plan, so its output is incomplete"
        raise PatternError([OutputMissing(path=str(file), reason=reason)])
    try:
        return read()
    except PermissionError as error:
        reason = error.strerror or "permission denied"
        raise PatternError([OutputMissing(path=str(file), reason=reason)]) from error
    except Exception as error:  # each format has its own exceptions for a damaged file
        text = str(error).partition("\n")[0] or type(error).__name__
        raise PatternError([DamagedOutput(path=str(file), reason=text)]) from error


def _check_schema(file: Path, found: Any, known: str) -> None:
    """Refuse another schema, or another major version; a later minor version only adds."""
    text = found if isinstance(found, str) else "none"
    name, _, version = text.rpartition("/")
    known_name, _, major = known.rpartition("/")
    if name != known_name or version.partition(".")[0] != major:
        raise PatternError([UnknownSchema(path=str(file), found=text, known=known)])
