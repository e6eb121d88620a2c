"""What an estimate returns: χ with its noise, the units it is over, and how the chains behaved."""

from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.ir.noise import Noise
from pattern_lang.ir.sources import LibraryPredicate
from pattern_lang.ir.tokens import TokenPredicateError, TokenRows

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]


@frozen(eq=False)
class Susceptibility:
    """χ in the convention `χ_j(φ) = -Cov[φ, ℓ_j - L]`, under the localised posterior.

    With `β = nβ / n`, re-weighting by `w` shifts `⟨φ⟩` by `β χ (w - 1)` to first order (Elliott &
    Murfet 2605.07980). Each row sums to zero over the units.

    chi: (k, n) float32, per observable and unit. mean, sd: (k,) float64, posterior mean
    and standard deviation, in the observable's unit (NaN where the mean is not estimated).
    noise: how replicates of χ, from separate stretches of the chains, deviate from it. They carry
    the errors that units share. mean_stderr: (k,) float64, that of `mean`. widening: (k,) by which
    factor replicates deviate more in `noise` than they did, as segments of a chain know of each
    other and are few; where it is not known, None.
    """

    observables: tuple[str, ...]
    observable_units: tuple[str, ...]
    chi: NDArray[np.float32]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    noise: Noise
    nbeta: float
    mean_stderr: NDArray[np.float64] | None = None
    widening: NDArray[np.float64] | None = None

    @property
    def stderr(self) -> NDArray[np.float32]:
        """Return the standard error of every entry of χ, (k, n): χ ± 1.96 stderr covers 95 %.

        It is worked out anew each time, as it would be as large as χ.
        """
        return self.noise.entries()

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

    unit: `sample`, `group` or `token`. unit_id: (n,) = 0..n-1. size: (n,) rows in each unit, or
    positions with a loss where losses are per position. fields: the row fields, scalar or string,
    one value per unit (for groups: only the group's own field); for tokens also `sample_id`, the
    row number in the unfiltered data, and `position`: the loss at position t is that of token t + 1
    of the row. row: (n,) row number in the unfiltered data, for samples. tokens: for tokens, the
    rows that the units are in, where the data say which tokens they hold.
    """

    unit: str
    unit_id: Ints
    size: Floats
    fields: dict[str, NDArray[Any]]
    row: Ints | None = None
    filtered: bool = False
    tokens: TokenRows | None = None

    def holds(self, predicate: LibraryPredicate) -> NDArray[np.bool_]:
        """Return for which units a predicate on tokens holds, (n,); units have to be tokens.

        Raises TokenPredicateError where they are not, or no tokens are known.
        """
        if self.unit != "token":
            raise TokenPredicateError(
                f"`{predicate.function.rpartition('.')[2]}` is about tokens, and a unit is a "
                f"{self.unit}"
            )
        if self.tokens is None:
            raise TokenPredicateError("the data do not say which tokens their rows hold")
        line, position = self.places()
        return self.tokens.holds(predicate)[line, position]

    def places(self) -> tuple[Ints, Ints]:
        """Return where the units are in `tokens`: the index of their row, and the position."""
        assert self.tokens is not None
        line = np.searchsorted(self.tokens.rows, self.fields["sample_id"])
        return line, np.asarray(self.fields["position"], dtype=np.int64)


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
    `negative` (of negative curvature, taken as flat) and `newton` (the mode's distance, in sd);
    for `importance` these, `effective_pairs` (Kish) and `pareto_k` of the weights. There
    `effective_draws` counts pairs.
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


@frozen
class Spectrum:
    """What one principal direction is: its family's singular values and its own loadings.

    `loadings` (one for each of `members`) have unit length, and are on rows of χ divided by their
    root mean square over the units. `k` counts from 1. `turn` is the angle, in radians, by which
    noise of χ may have turned the loadings (one standard error): large where singular values are
    near each other.
    """

    observable: str
    k: int
    singular_values: tuple[float, ...]
    members: tuple[str, ...]
    loadings: tuple[float, ...]
    turn: float = 0.0

    @property
    def gap(self) -> tuple[float, float]:
        """Return the nearer neighbour's singular value, and its distance as a share of this one.

        A family of one member has no neighbour: the value is 0 and the distance 1.
        """
        own = self.singular_values[self.k - 1]
        others = self.singular_values[: self.k - 1] + self.singular_values[self.k :]
        nearest = min(others, key=lambda value: abs(value - own), default=0.0)
        return nearest, abs(own - nearest) / own if own > 0 else 0.0


@frozen(eq=False)
class Estimate:
    """The whole answer of the estimator for one pattern.

    `digests` holds `data`, `model:NAME` and `queries`, each `sha256:…`. `sampled` is false when
    everything came from the cache. `seconds` is the time that the sampling took when it ran.
    `spectra` says of each principal direction what it is, in the order of the observables.
    `control` holds, where asked for, the correlation of each observable's χ with that at nβ = 0.
    """

    susceptibility: Susceptibility
    units: UnitTable
    traces: tuple[ChainTrace, ...]
    diagnostics: tuple[PosteriorDiagnostics, ...]
    digests: dict[str, str]
    sampled: bool
    seconds: float
    spectra: tuple[Spectrum, ...] = ()
    control: tuple[tuple[str, float], ...] = ()
