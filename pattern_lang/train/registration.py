"""What a study fixes before its first run, and holds itself to."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.emission import CannotWrite
from pattern_lang.diagnostics.catalogue.training import StudyChanged
from pattern_lang.emit.canonical import canonical_json, plain
from pattern_lang.estimate.digests import digest_of, document
from pattern_lang.files import write_atomically
from pattern_lang.ir.training import Optimizer, Study
from pattern_lang.train.plans import Plan

STUDY_SCHEMA = "pattern-lang/study/1"
REGISTRATION = "study.json"


def registration(study: Study, optimizer: Optimizer, plans: Mapping[str, Plan]) -> dict[str, Any]:
    """Return what is fixed: arms, seeds, budget, measures, and the weights and goals by digest."""
    fixed: dict[str, Any] = {
        "schema": STUDY_SCHEMA,
        "study": study.name,
        "arms": [arm.name for arm in study.arms],
        "seeds": list(study.seeds),
        "optimizer": document(evolve(optimizer, network=None, function=None)),
        "measures": [
            {"observables": [item.name for item in measure.observables], "every": measure.every}
            for measure in study.measures
        ],
        "patterns": {
            name: {
                "goals": [goal["source"] for goal in plan.document["goals"]],
                "weights": plan.document["files"].get("weights.parquet"),
                "data": plan.data_digest,
            }
            for name, plan in plans.items()
        },
    }
    fixed = plain(fixed)
    return {**fixed, "digest": digest_of(fixed)}


def register(folder: Path, fixed: Mapping[str, Any], *, fresh: bool) -> None:
    """Write a registration, before the first run; one that is there has to be the same.

    Raises StudyChanged, and CannotWrite.
    """
    path = folder / REGISTRATION
    known = _known(path)
    if known == fixed:
        return
    if known is not None and not fresh:
        if not known:
            what = "it is damaged, so nobody can tell what was fixed"
            raise PatternError([StudyChanged(path=str(path), what=what)])
        changed = [name for name in fixed if name != "digest" and known.get(name) != fixed[name]]
        what = ", ".join(f"`{name}`" for name in changed) or "its schema"
        raise PatternError([StudyChanged(path=str(path), what=f"{what} changed since")])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, canonical_json(fixed))
    except OSError as error:
        reason = error.strerror or str(error)
        raise PatternError([CannotWrite(path=str(path), reason=reason, kept=False)]) from error


def _known(path: Path) -> dict[str, Any] | None:
    """Return what was registered, None where nothing was, and nothing where it is damaged."""
    try:
        found = json.loads(path.read_bytes())
    except OSError:
        return None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
