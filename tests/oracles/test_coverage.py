"""Whether 95 % intervals hold the truth 95 times in 100, over repeats with other seeds.

The truth is that of the linear-Gaussian model with the steps' own law, so it is exact, and the
repeats differ in nothing but their chains. Intervals are ±1.96 standard errors: Student's factor and
the correction for autocorrelation belong to the standard error.
"""

import numpy as np
import pytest
from estimate_samples import World, ask, observable, sgld
from oracle_tools import estimated
from test_linear_gaussian import GAMMA, NBETA, PROBE, TRAIN, setting

from pattern_lang.ir.observables import LearningCoefficient, Loss
from pattern_lang.ir.queries import Sampler

TILT = np.linspace(-1, 1, 10)


def coverage(world: World, repeats: int, settings: Sampler) -> dict[str, float]:
    """Return how often intervals hold χ, a predicted shift, a mean loss and λ̂."""
    model, train, probe = setting(world)
    kinds = [
        observable("loss", Loss(model, probe)),
        observable("llc", LearningCoefficient(model, train, held=True)),
    ]
    queries = ask(train, kinds, settings)
    raw = -np.stack(
        [
            TRAIN.covariance(PROBE, settings.step).mean(axis=0),
            NBETA * TRAIN.covariance(TRAIN, settings.step).mean(axis=0),
        ]
    )
    chi = raw - raw.mean(axis=1, keepdims=True)
    here = TRAIN.posterior(np.ones(10), settings.step)
    losses = [TRAIN.losses(rows, *here).mean() for rows in (PROBE, TRAIN)]
    least = TRAIN.losses(TRAIN, TRAIN.start, np.zeros((3, 3))).mean()
    mean = np.array([losses[0], NBETA * (losses[1] - least)])
    hits: dict[str, list[float]] = {name: [] for name in ("chi", "shift", "mean", "llc")}
    for repeat in range(repeats):
        found = estimated(queries, 10, f"coverage {repeat}")
        hits["chi"].append(np.mean(np.abs(found.chi - chi) < 1.96 * found.stderr))
        shifts = np.stack([found.replicates(row) @ TILT for row in range(2)], axis=1)
        error = shifts.std(axis=0, ddof=1) / np.sqrt(len(shifts))
        hits["shift"].append(np.mean(np.abs(shifts.mean(axis=0) - chi @ TILT) < 1.96 * error))
        assert found.mean_stderr is not None
        inside = np.abs(found.mean - mean) < 1.96 * found.mean_stderr
        hits["mean"].append(inside[0])
        hits["llc"].append(inside[1])
    return {name: float(np.mean(values)) for name, values in hits.items()}


def langevin(**settings: object) -> Sampler:
    return sgld(nbeta=NBETA, localization=GAMMA, **settings)


def test_intervals_cover(world: World) -> None:
    """Sixty repeats tell 95 % from 85 %; the slow tests below are closer."""
    found = coverage(world, 60, langevin(step=0.03, draws=100, burn_in=20))
    assert 0.89 <= found["chi"] <= 0.99, found
    assert found["shift"] >= 0.87, found
    assert found["mean"] >= 0.87, found
    assert found["llc"] >= 0.87, found


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "settings",
    [
        {"step": 0.01, "draws": 120, "thin": 3, "burn_in": 30},
        {"step": 0.01, "draws": 400, "thin": 1, "burn_in": 50},  # segments of little more than τ
        {"step": 0.03, "draws": 200, "thin": 2, "burn_in": 30},
    ],
)
def test_intervals_cover_closely(world: World, settings: dict[str, object]) -> None:
    found = coverage(world, 200, langevin(**settings))
    assert all(0.90 <= share <= 0.98 for share in found.values()), found


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_intervals_of_the_unbiased_sampler_cover(world: World) -> None:
    settings = langevin(kind="hmc", step=0.0, batch=0, chains=2, draws=120, burn_in=40)
    found = coverage(world, 200, settings)
    assert all(0.90 <= share <= 0.98 for share in found.values()), found
