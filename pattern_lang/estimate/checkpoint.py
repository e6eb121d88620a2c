"""Files that a chain goes on from: arrays and facts, sealed, written whole or not at all.

The format is safetensors, see `arrays`. Its last tensor, `seal`, is the SHA-256 of every byte
before it, so that a file that was cut off, or damaged in any bit, is refused. Nothing here imports
torch.
"""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from safetensors import SafetensorError, safe_open

from pattern_lang.estimate.arrays import Matrix, Stored, open_arrays, parts_of
from pattern_lang.estimate.table import Array

SCHEMA = "pattern-lang/chain/3"
_SEAL, _SEAL_BYTES = "seal", 32
_CHUNK = 2**24


class CheckpointError(Exception):
    """A checkpoint that is damaged, or that belongs to something else; says which."""


def write_checkpoint(path: Path, facts: Mapping[str, str], arrays: Mapping[str, Matrix]) -> None:
    """Write a checkpoint under another name, flush it to the disk, and rename it into place.

    Raises OSError when the operating system refuses; nothing is left behind then, and what was at
    `path` before stays.
    """
    draft = path.with_name(f".draft-{path.name}-{uuid4().hex}")
    try:
        with draft.open("wb") as file:
            total = hashlib.sha256()
            for part in parts_of({"schema": SCHEMA, **facts}, arrays, _SEAL_BYTES):
                total.update(part)
                file.write(part)
            file.write(total.digest())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise


def read_checkpoint(path: Path) -> tuple[dict[str, str], dict[str, Array]]:
    """Return the facts and the arrays of a checkpoint.

    Raises CheckpointError for anything but a whole one, FileNotFoundError where there is none.
    """
    _check_seal(path)
    try:
        with safe_open(path, framework="np") as file:
            facts = _known(file.metadata())
            names = [name for name in file.keys() if name != _SEAL]  # noqa: SIM118
            return facts, {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(str(error)) from error


def open_checkpoint(path: Path) -> tuple[dict[str, str], dict[str, Stored]]:
    """Return the facts of a checkpoint, and its arrays as they are in the file.

    Raises as `read_checkpoint` does.
    """
    _check_seal(path)
    try:
        facts, arrays = open_arrays(path)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(str(error)) from error
    del arrays[_SEAL]
    return _known(facts), arrays


def read_facts(path: Path) -> dict[str, str]:
    """Return the facts alone, unverified; raise as `read_checkpoint` does."""
    try:
        with safe_open(path, framework="np") as file:
            return _known(file.metadata())
    except FileNotFoundError:
        raise
    except (OSError, SafetensorError) as error:
        raise CheckpointError(str(error)) from error


def _check_seal(path: Path) -> None:
    total, left = hashlib.sha256(), path.stat().st_size - _SEAL_BYTES
    try:
        with path.open("rb") as file:
            while left > 0:
                chunk = file.read(min(_CHUNK, left))
                if not chunk:
                    break
                total.update(chunk)
                left -= len(chunk)
            seal = file.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CheckpointError(error.strerror or str(error)) from error
    if seal != total.digest():
        raise CheckpointError("it is damaged or cut off")


def _known(facts: dict[str, str] | None) -> dict[str, str]:
    if not facts or facts.get("schema") != SCHEMA:
        raise CheckpointError("something else wrote it")
    return facts
