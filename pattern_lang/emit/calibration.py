"""What `pat calibrate` writes: the trials as JSON, and a picture of their traces."""

from pathlib import Path
from typing import Any

from pattern_lang.emit.canonical import canonical_json, digest
from pattern_lang.emit.folder import FileSet
from pattern_lang.emit.report.canvas import plots_available
from pattern_lang.ir.calibration import Calibration, PosteriorTrial, Trial
from pattern_lang.ir.queries import Sampler

SCHEMA = "pattern-lang/calibration/1"
DOCUMENT = "calibration.json"
PICTURE = "calibration.png"


def emit_calibration(
    calibration: Calibration, pattern: str, statement: str | None, folder: Path
) -> bool:
    """Write `calibration.json`, and `calibration.png` where matplotlib is there; tell which.

    Each file is written whole. Raises PatternError when the operating system refuses.
    """
    files = {}
    if plots_available():
        from pattern_lang.emit.traces import draw_traces

        files[PICTURE] = draw_traces(calibration)
    document = {
        "schema": SCHEMA,
        "pattern": pattern,
        "statement": statement,
        "chosen": _sampler(calibration.chosen) if calibration.chosen else None,
        "expected_seconds": calibration.seconds,
        "spent_seconds": calibration.spent,
        "remarks": calibration.remarks,
        "trials": [_trial(trial) for trial in calibration.trials],
        "files": {name: digest(content) for name, content in files.items()},
    }
    whole = {**files, DOCUMENT: canonical_json(document)}
    stale = () if PICTURE in files else (PICTURE,)
    FileSet(folder, whole, DOCUMENT, stale).write()
    return PICTURE in files


def _sampler(sampler: Sampler) -> dict[str, Any]:
    names = ("kind", "step", "nbeta", "localization", "batch", "chains", "draws", "burn_in", "thin")
    return {name: getattr(sampler, name) for name in names}


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "settings": _sampler(trial.sampler),
        "what": trial.what,
        "sound": trial.sound,
        "expected_seconds": trial.expected,
        "effective_draws_per_second": trial.rate,
        "posteriors": [_posterior(item) for item in trial.posteriors],
    }


def _posterior(trial: PosteriorTrial) -> dict[str, Any]:
    return {
        "posterior": trial.posterior,
        "sound": trial.sound,
        "reasons": trial.reasons,
        "r_hat": trial.r_hat,
        "steps_per_effective_draw": trial.autocorrelation,
        "mean_excess": trial.mean_excess,
        "stiffness": trial.stiffness,
        "minibatch": trial.minibatch,
        "steps": trial.steps,
        "skipped": trial.skipped,
        "loss": trial.loss,
    }
