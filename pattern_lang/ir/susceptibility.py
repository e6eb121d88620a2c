"""What an estimate returns: χ with its noise, the units it is over, and how the chains behaved."""

from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.ir.noise import Noise

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]


@frozen(eq=False)
class Susceptibility:
    """χ in the convention `χ_j(φ) = -Cov[φ, ℓ_j - L]`, under the localised posterior.

    With `β = nβ / n`, re-weighting by `w` shifts `⟨φ⟩` by `β χ (w - 1)` to first order (Elliott &
    Murfet 2605.07980). Each row sums to zero over the units.

    chi, stderr: (k, n) float32, per observable and unit. mean, sd: (k,) float64, posterior mean
    and standard deviation, in the observable's unit (NaN where the mean is not estimated).
    noise: how replicates of χ, from separate stretches of the chains, deviate from it. They carry
    the errors that units share; `stderr` is theirs for each entry, and calibrated: χ ± 1.96 stderr
    covers 95 %. mean_stderr: (k,) float64, that of `mean`.
    """

    observables: tuple[str, ...]
    observable_units: tuple[str, ...]
    chi: NDArray[np.float32]
    stderr: NDArray[np.float32]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    noise: Noise
    nbeta: float
    mean_stderr: NDArray[np.float64] | None = None

    @property
    def beta(self) -> float:
        """Return `β = nβ / n`."""
        return self.nbeta / float(self.chi.shape[1])

    def replicates(self, row: int) -> NDArray[np.float64]:
        """Return the replicates of one row of χ, (S, n); their mean is the row."""
        return np.asarray(self.noise.replicates(row) + self.chi[row])

    def row(self, observable: str) -> int:
        """Return the row number of an observable."""
        return self.observables.index(observable)


@frozen(eq=False)
class UnitTable:
    """The units of the re-weighted data, in unit order.

    unit: `sample`, `group` or `token`. unit_id: (n,) = 0..n-1. size: (n,) rows (or tokens) in
    each unit. fields: the row fields, scalar or string, one value per unit (for groups: only the
    group's own field). row: (n,) row number in the unfiltered data, for samples.
    """

    unit: str
    unit_id: Ints
    size: Floats
    fields: dict[str, NDArray[Any]]
    row: Ints | None = None
    filtered: bool = False


@frozen(eq=False)
class ChainTrace:
    """What one chain did, draw by draw.

    loss: (draws,) mean loss over the re-weighted data minus its value at θ*. observables:
    (draws, k) this posterior's part of each observable's value.
    """

    posterior: str
    chain: int
    seed: int
    loss: Floats
    observables: Floats


@frozen(eq=False)
class PosteriorDiagnostics:
    """How the chains of one posterior behaved; R-hat and the like are of the mean loss's trace.

    between_within: the variance of the chains' means over that within chains (small is good).
    figures: what the sampler says about itself, by name: for `hmc` `acceptance`, `divergences`,
    `step` and `leapfrog_steps`; for `laplace` `parameters`, `directions` (of known curvature),
    `negative` (of negative curvature, taken as flat) and `newton` (the mode's distance, in sd).
    """

    posterior: str
    r_hat: float
    effective_draws: float
    autocorrelation_time: float
    anchor_loss: float
    mean_excess: float
    split_half: tuple[tuple[str, float], ...]
    verdict: str
    sound: bool
    reasons: tuple[str, ...] = ()
    figures: tuple[tuple[str, float], ...] = ()
    between_within: float = 0.0


@frozen(eq=False)
class Estimate:
    """The whole answer of the estimator for one pattern.

    `digests` holds `data`, `model:NAME` and `queries`, each `sha256:…`. `sampled` is false when
    everything came from the cache. `seconds` is the time that the sampling took when it ran.
    `control` holds, where asked for, the correlation of each observable's χ with that at nβ = 0.
    """

    susceptibility: Susceptibility
    units: UnitTable
    traces: tuple[ChainTrace, ...]
    diagnostics: tuple[PosteriorDiagnostics, ...]
    digests: dict[str, str]
    sampled: bool
    seconds: float
    control: tuple[tuple[str, float], ...] = ()
