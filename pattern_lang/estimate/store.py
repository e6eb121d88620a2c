"""Estimates on disk: one folder each, written under another name and renamed into place."""

import hashlib
import json
import re
import shutil
from pathlib import Path
from uuid import uuid4

import numpy as np
from attrs import evolve

from pattern_lang.estimate.arrays import open_arrays, parts_of
from pattern_lang.estimate.record import arrays_of, estimate_of, meta_of
from pattern_lang.ir.susceptibility import Estimate, PosteriorDiagnostics

SCHEMA = 3
_ARRAYS, _META = "arrays.safetensors", "meta.json"


class EntryError(Exception):
    """An entry that is damaged, or that something else wrote."""


def write_entry(folder: Path, estimate: Estimate) -> None:
    """Write an estimate to the folder `folder`, whole or not at all.

    Several processes may do so at once: the first stays. An entry that is there already and
    cannot be read is replaced.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.parent / f".draft-{uuid4().hex}"
    draft.mkdir()
    try:
        digest = hashlib.sha256()
        with (draft / _ARRAYS).open("wb") as file:
            for part in parts_of({}, arrays_of(estimate)):
                digest.update(part)
                file.write(part)
        seal = {"schema": SCHEMA, "sha256": digest.hexdigest()}
        write_json(draft / _META, {**meta_of(estimate), **seal})
        _settle(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def read_entry(folder: Path) -> Estimate:
    """Return the estimate in a folder; raise EntryError for anything but a whole entry."""
    try:
        meta = json.loads((folder / _META).read_text(encoding="utf-8"))
        if meta["schema"] != SCHEMA:
            raise EntryError(f"it has schema {meta['schema']}, not {SCHEMA}")
        with (folder / _ARRAYS).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != meta["sha256"]:
                raise EntryError("its arrays are damaged")
        _, arrays = open_arrays(folder / _ARRAYS)
        return estimate_of(meta, {name: np.asarray(array) for name, array in arrays.items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EntryError(f"{type(error).__name__}: {error}") from error


def write_json(path: Path, value: object) -> None:
    """Write canonical JSON under another name and rename it into place."""
    draft = path.with_name(f".draft-{uuid4().hex}")
    text = json.dumps(value, sort_keys=True, indent=1, allow_nan=False)
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def relabel(
    estimate: Estimate,
    observables: tuple[str, ...],
    units: tuple[str, ...],
    posteriors: tuple[str, ...],
) -> Estimate:
    """Give a stored estimate the names of the queries that ask for it now.

    Entries do not depend on names, so the ones inside may be those of an earlier spec.
    """
    chi = estimate.susceptibility
    named = dict(zip(chi.observables, observables, strict=True))
    owners = dict(zip((d.posterior for d in estimate.diagnostics), posteriors, strict=True))
    if all(old == new for old, new in [*named.items(), *owners.items()]):
        return evolve(estimate, susceptibility=evolve(chi, observable_units=units))
    diagnostics = tuple(_renamed(d, named, owners) for d in estimate.diagnostics)
    traces = tuple(evolve(t, posterior=owners[t.posterior]) for t in estimate.traces)
    spectra = tuple(
        evolve(
            s,
            observable=named[s.observable],
            members=tuple(named.get(member, member) for member in s.members),
        )
        for s in estimate.spectra
    )
    chi = evolve(chi, observables=observables, observable_units=units)
    return evolve(
        estimate, susceptibility=chi, diagnostics=diagnostics, traces=traces, spectra=spectra
    )


def _renamed(
    item: PosteriorDiagnostics, named: dict[str, str], owners: dict[str, str]
) -> PosteriorDiagnostics:
    def replace(match: re.Match[str]) -> str:
        return f"`{named.get(match[1], match[1])}`"

    return evolve(
        item,
        posterior=owners[item.posterior],
        split_half=tuple((named[name], value) for name, value in item.split_half),
        reasons=tuple(re.sub(r"`([^`]*)`", replace, reason) for reason in item.reasons),
    )


def _settle(draft: Path, folder: Path) -> None:
    try:
        draft.rename(folder)
    except OSError:  # something is there already
        if _is_whole(folder):
            return
        old = folder.parent / f".draft-{uuid4().hex}"
        folder.rename(old)
        shutil.rmtree(old, ignore_errors=True)
        draft.rename(folder)


def _is_whole(folder: Path) -> bool:
    try:
        read_entry(folder)
    except EntryError:
        return False
    return True
