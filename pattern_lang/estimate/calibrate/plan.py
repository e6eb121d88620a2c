"""From how chains move to the length of a whole run: burn-in, thinning, draws."""

from collections.abc import Sequence
from math import ceil, floor, log10

import numpy as np
from attrs import evolve

from pattern_lang.estimate.calibrate.judge import rise
from pattern_lang.estimate.calibrate.terrain import Terrain
from pattern_lang.ir.calibration import Calibration, PosteriorTrial
from pattern_lang.ir.queries import Sampler

WANTED = 200
"""Effective draws of a whole run; 100 would still do without reservations."""
_FEWEST = 64
_MOST_TIMES = 16


def whole_run(
    sampler: Sampler, trials: Sequence[PosteriorTrial], terrains: Sequence[Terrain]
) -> Sampler:
    """Return the settings with the length of a run that the slowest posterior needs."""
    tau = max(max(trial.autocorrelation for trial in trials), 1.0)
    thin = thinning(tau, sum(t.step for t in terrains), sum(t.draw for t in terrains))
    relaxed = max(terrain.relaxation(sampler) for terrain in terrains)
    still = max(2 * max(rise(trial) for trial in trials), 4 * tau, min(2 * relaxed, 20 * tau))
    draws = max(WANTED * per_draw(tau, thin) / sampler.chains, _FEWEST)
    return evolve(sampler, burn_in=round_up(still), thin=thin, draws=even_draws(draws))


def rehearsal(sampler: Sampler) -> Sampler:
    """Return a quarter of a run, enough to see how large the errors of the whole will be."""
    return evolve(sampler, draws=max(even_draws(sampler.draws / 4), 16))


def longer(calibration: Calibration, rehearsed: Sampler, times: float) -> Calibration:
    """Return a calibration whose run has at least `times` the draws of its rehearsal."""
    chosen = calibration.chosen
    assert chosen is not None  # what was rehearsed
    wanted = rehearsed.draws * times
    if wanted <= chosen.draws:
        return calibration
    most = _MOST_TIMES * chosen.draws
    draws = even_draws(min(wanted, most))
    remark = f"the goals need {draws:,} draws a chain, more than mixing alone ({chosen.draws:,})"
    if wanted > most:
        remark = (
            f"the goals need {wanted:,.0f} draws a chain, which is out of reach: the statement "
            f"has {draws:,}; ask for more at a time, or give the network rows that say more"
        )
    share = (chosen.burn_in + chosen.thin * draws) / (chosen.burn_in + chosen.thin * chosen.draws)
    return evolve(
        calibration,
        chosen=evolve(chosen, draws=draws),
        seconds=calibration.seconds * share,
        remarks=(*calibration.remarks, remark),
    )


def thinning(tau: float, step: float, draw: float) -> int:
    """Return the steps between draws at which certainty costs least.

    A draw costs `t · step + draw` seconds, and counts for `1 / per_draw(tau, t)` effective ones.
    """
    options = np.unique(np.geomspace(1, max(4 * tau, 1), 60).astype(int))
    costs = [(t * step + draw) * per_draw(tau, int(t)) for t in options]
    return int(options[int(np.argmin(costs))])


def per_draw(tau: float, thin: int) -> float:
    """Return the draws per effective draw, of an autoregression that takes `tau` steps for one."""
    rho = ((tau - 1) / (tau + 1)) ** thin
    return float((1 + rho) / (1 - rho))


def seconds(sampler: Sampler, terrains: Sequence[Terrain]) -> float:
    """Return what a run takes in one process."""
    steps = sampler.burn_in + sampler.thin * sampler.draws
    return sampler.chains * sum(steps * t.step + sampler.draws * t.draw for t in terrains)


def even_draws(draws: float) -> int:
    """Return at least so many draws, a number that segments divide evenly."""
    return 8 * ceil(round_up(draws) / 8)


def round_up(value: float) -> int:
    """Return a whole number rounded up to two significant digits."""
    if value <= 10:
        return max(1, ceil(value))
    unit = 10 ** (floor(log10(value)) - 1)
    return int(ceil(value / unit) * unit)
