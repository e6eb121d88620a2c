"""From the folder of a plan to the weights and the spec that a run needs."""

from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.training import NothingToTrain, OtherData, SpecOfPlan
from pattern_lang.emit.canonical import digest
from pattern_lang.emit.read import check_files, output_folder, read_plan, read_weights
from pattern_lang.ir.program import ONLINE
from pattern_lang.syntax.bundle import FileBundle


@frozen(eq=False)
class Plan:
    """What a folder that `pat compile` wrote says of its weights.

    weights: float32 (n,), by unit; None for a plan that has none, which `online` begins without.
    document: `plan.json`.
    """

    folder: Path
    document: dict[str, Any]
    weights: NDArray[np.float32] | None

    @property
    def solved(self) -> NDArray[np.float32]:
        """Return the weights; raises NothingToTrain where there are none."""
        if self.weights is not None:
            return self.weights
        status = str(self.document["status"])
        raise PatternError([NothingToTrain(folder=str(self.folder), status=status)])

    @property
    def pattern(self) -> str:
        """Return the name of the pattern."""
        return str(self.document["pattern"])

    @property
    def data_digest(self) -> str:
        """Return the digest of the data that the weights are for."""
        return str(self.document["digests"]["data"])

    @property
    def parameters(self) -> dict[str, str]:
        """Return the parameters that were set when the plan was made, as text."""
        return {name: str(value) for name, value in self.document["parameters"].items()}


def open_plan(path: Path) -> Plan:
    """Read a plan with its weights, and check every file against it.

    Raises what reading an output raises, and NothingToTrain.
    """
    folder = output_folder(path)
    document = read_plan(folder)
    if document["weights"] is None and document["schedule"]["kind"] == ONLINE:
        check_files(folder)
        return Plan(folder, document, None)
    if document["weights"] is None:
        problem = NothingToTrain(folder=str(folder), status=str(document["status"]))
        raise PatternError([problem])
    check_files(folder)
    stored = read_weights(folder)
    count = document["units"]["count"]
    if not np.array_equal(np.sort(stored.unit_id), np.arange(count)):
        reason = f"they are not for each of {count:,} units once"
        data = str(document["units"]["data"])
        raise PatternError([OtherData(folder=str(folder), data=data, reason=reason)])
    weights = np.empty(count, dtype=np.float32)
    weights[stored.unit_id] = stored.weight
    return Plan(folder, document, weights)


def find_spec(plan: Plan, given: Path | None) -> Path:
    """Return the spec that a plan was made from: the given file, or one of its name nearby.

    It is looked for in the working folder, and then beside the folders that hold the plan. Raises
    SpecOfPlan when there is none, or none with the same text.
    """
    name, wanted = str(plan.document["spec"]), plan.document["digests"]["spec"]
    around = plan.folder.resolve().parents
    tried = [given] if given is not None else [Path(name), *(up / name for up in around)]
    there = [path for path in tried if path.is_file()]
    for path in there:
        if _spec_digest(path) == wanted:
            return path
    if there:
        reason, advice = f"and `{there[0]}` has changed since", "run `pat compile` again"
    elif given is not None:
        reason, advice = f"and there is no `{given}`", "give its path: `--spec FILE`"
    else:
        reason, advice = "which is not to be found", "say where it is: `--spec FILE`"
    problem = SpecOfPlan(folder=str(plan.folder), spec=name, reason=reason, advice=advice)
    raise PatternError([problem])


def is_sound(plan: Plan) -> bool:
    """Tell whether the estimate behind a plan was found sound, of each of its posteriors."""
    return all(item.get("sound", True) for item in plan.document["diagnostics"])


def _spec_digest(path: Path) -> str:
    """Return the digest of a spec's text as it is read: without a mark, lines ended alike."""
    try:
        text = FileBundle().read(str(path))
    except (OSError, PatternError):
        return ""
    return "" if text is None else digest(text.encode("utf-8", "replace"))
