"""Exact moments by quadrature, and the parts of the estimator that oracles look into."""

from collections.abc import Callable, Sequence

import numpy as np
from estimate_samples import World
from numpy.typing import NDArray
from scipy.stats import binom

from pattern_lang.estimate import SilentReporter
from pattern_lang.estimate.assemble import calibrated_response, response, susceptibility
from pattern_lang.estimate.chain_store import ChainStore, PosteriorKey
from pattern_lang.estimate.crew import Means
from pattern_lang.estimate.inputs import load_inputs
from pattern_lang.estimate.journal import Journal
from pattern_lang.estimate.responses import PosteriorResult
from pattern_lang.estimate.sampling import prepare_posteriors, sample_posteriors
from pattern_lang.estimate.tasks import one_thread
from pattern_lang.estimate.user_code import UserCode
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.susceptibility import Susceptibility

Floats = NDArray[np.float64]


class Quadrature:
    """The density `exp(-energy)` on an interval."""

    def __init__(self, energy: Callable[[Floats], Floats], reach: float) -> None:
        self.x = np.linspace(-reach, reach, 200_001)
        log = -energy(self.x)
        weight = np.exp(log - log.max())
        self.weight = weight / weight.sum()

    def mean(self, values: Floats) -> float:
        return float(self.weight @ values)

    def cov(self, a: Floats, b: Floats) -> float:
        return self.mean(a * b) - self.mean(a) * self.mean(b)


class StepLaw(Quadrature):
    """The stationary density of full-batch Langevin steps of size ε: exact, with the step's bias.

    `force` is the derivative of the energy. A step is `x - ε/2 force(x) + √ε η`.
    """

    def __init__(
        self,
        energy: Callable[[Floats], Floats],
        force: Callable[[Floats], Floats],
        step: float,
        reach: float,
    ) -> None:
        self.x = np.linspace(-reach, reach, 1201)
        arrival = self.x - step / 2 * force(self.x)
        kernel = np.exp(-((self.x[:, None] - arrival) ** 2) / (2 * step))
        kernel /= kernel.sum(axis=0)
        weight = np.exp(-energy(self.x))
        for _ in range(12):  # 4096 steps
            kernel = kernel @ kernel
        self.weight = kernel @ (weight / weight.sum())


def posteriors(queries: Queries, digest: str = "oracle") -> list[PosteriorResult]:
    """Sample every posterior of some queries, without the cache."""
    code = UserCode(Journal())
    with one_thread():
        inputs = load_inputs(queries, code)
        ready = prepare_posteriors(queries, inputs, code)
        keys = [
            PosteriorKey(f"{digest}/{number}", (), f"{digest}/{number}")
            for number in range(len(ready))
        ]
        means = Means(ChainStore(None, SilentReporter()), code, SilentReporter(), 1)
        return sample_posteriors(queries, ready, keys, means)


def jacobian_replicates(result: PosteriorResult) -> Floats:
    """Return every replicate of the response before centring, (S, k, n)."""
    mean, noise = response(result)
    return np.stack([mean + noise.loadings[s] @ noise.basis for s in range(noise.count)])


def sum_replicates(results: Sequence[PosteriorResult]) -> Floats:
    """Return the replicates over independent posteriors, calibrated, (S, k, n)."""
    pairs = [calibrated_response(result) for result in results]
    mean = sum((jacobian for jacobian, _ in pairs[1:]), start=pairs[0][0])
    noise = sum((noise for _, noise in pairs[1:]), start=pairs[0][1])
    return np.stack([mean + noise.loadings[s] @ noise.basis for s in range(noise.count)])


def jacobian(queries: Queries) -> tuple[Floats, Floats]:
    """Return the response before centring, and its standard error, (k, n) each."""
    replicates = sum_replicates(posteriors(queries))
    return replicates.mean(axis=0), replicates.std(axis=0, ddof=1) / np.sqrt(len(replicates))


def estimated(queries: Queries, rows: int, digest: str = "oracle") -> Susceptibility:
    """Return χ over single rows, without the cache; chains are seeded by `digest`."""
    constants = np.zeros(len(queries.observables))
    return susceptibility(queries, posteriors(queries, digest), np.ones(rows), constants)[0]


def least(repeats: int) -> float:
    """Return the share of 95 % intervals that hold the truth in 99 of 100 such sets of repeats."""
    return float(binom.ppf(0.01, repeats, 0.95)) / repeats


__all__ = [
    "Quadrature",
    "StepLaw",
    "World",
    "estimated",
    "jacobian",
    "jacobian_replicates",
    "least",
    "posteriors",
    "sum_replicates",
]
