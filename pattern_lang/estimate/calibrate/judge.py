"""What short chains say: the same questions that are asked of the chains of a whole run."""

import numpy as np

from pattern_lang.estimate.calibrate.pilot import CHAINS, Pilot
from pattern_lang.estimate.calibrate.terrain import Terrain
from pattern_lang.estimate.diagnostics import Limits, look_at, slowest
from pattern_lang.estimate.mixing import r_hat
from pattern_lang.estimate.table import Array
from pattern_lang.ir.calibration import PosteriorTrial
from pattern_lang.ir.queries import Queries

_FEWEST_DRAWS = 3.0  # for each chain; fewer, and it has hardly moved on from where it began
_WIDE = 1.0  # stiffness from which a step is too long to be sound, whatever the traces say
_NOISY = 0.5


def judge(queries: Queries, pilot: Pilot, terrain: Terrain, skipped: int) -> PosteriorTrial:
    """Judge the chains of a pilot without their first `skipped` records."""
    trace, sampler = pilot.trace, pilot.setting.sampler
    skipped = min(skipped, trace.shape[1] // 2)
    kept = trace[:, skipped:]
    stiffness, minibatch = terrain.stiffness(sampler), terrain.minibatch(sampler)
    rhat, tau, excess = np.nan, np.inf, np.nan
    if pilot.diverged is not None:
        reasons = [f"a chain diverged at step {pilot.diverged}: the step is too large"]
    else:
        effective = slowest(queries, pilot.view.spread, kept)
        rhat, tau = r_hat(kept[:, :, 0]), pilot.every * kept[:, :, 0].size / effective
        excess = sampler.nbeta * float(kept[:, :, 0].mean())
        reasons = _reasons(queries, pilot, kept)
    reasons += _biases(stiffness, minibatch)
    return PosteriorTrial(
        posterior=pilot.view.posterior.place.name,
        steps=pilot.steps,
        loss=trace[:, :, 0],
        skipped=skipped,
        r_hat=rhat,
        autocorrelation=tau,
        mean_excess=excess,
        stiffness=stiffness,
        minibatch=minibatch,
        sound=not reasons,
        reasons=tuple(reasons),
    )


def _reasons(queries: Queries, pilot: Pilot, kept: Array) -> list[str]:
    """Return what is gravely wrong with traces, as the diagnostics of a whole run would say it."""
    limits = Limits(few=0, too_few=_FEWEST_DRAWS * CHAINS, halves=2 * CHAINS)
    found = look_at(queries, pilot.view.spread, kept, limits)
    return [finding.text for finding in found if finding.grave]


def _biases(stiffness: float, minibatch: float) -> list[str]:
    found = []
    if stiffness > _WIDE:
        wider = f"by {1 / (1 - stiffness / 4) - 1:.0%}" if stiffness < 4 else "without bound"
        found.append(f"the step widens the sharpest direction's variance {wider}")
    if minibatch > _NOISY:
        found.append(
            f"noise of minibatches widens the sharpest direction's variance by {minibatch:.0%}"
        )
    return found


def rise(trial: PosteriorTrial) -> int:
    """Return the steps until the mean loss has come within a quarter of its spread of the level.

    The level and the spread are those of the records that are not skipped; the trace is averaged
    over the chains and smoothed.
    """
    kept = trial.loss[:, trial.skipped :]
    level, spread = kept.mean(), kept.std()
    mean = trial.loss.mean(axis=0)
    width = max(1, len(mean) // 20)
    smooth = np.convolve(mean, np.ones(width) / width, mode="valid")
    there = np.flatnonzero(smooth >= level - spread / 4)
    return int(trial.steps[min(int(there[0]) + width - 1, len(mean) - 1)]) if len(there) else 0
