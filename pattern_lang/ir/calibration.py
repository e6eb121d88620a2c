"""What a calibration found: settings that were tried, how their chains looked, and the choice."""

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.ir.queries import Sampler


@frozen(eq=False)
class PosteriorTrial:
    """Short chains of one posterior under some settings.

    loss: (chains, records) mean loss minus its value at θ*, in nats, at the steps `steps`
    (records,); NaN once a chain has diverged. The first `skipped` records are left out of every
    figure. autocorrelation: gradient steps per effective draw, of the slowest of the mean loss and
    the observables. mean_excess: `nβ (⟨L⟩ - L(θ*))`. stiffness: ε (nβ h + γ) for the sharpest
    curvature h. minibatch: the share by which minibatches widen that direction's variance.
    """

    posterior: str
    steps: NDArray[np.int64]
    loss: NDArray[np.float64]
    skipped: int
    r_hat: float
    autocorrelation: float
    mean_excess: float
    stiffness: float
    minibatch: float
    sound: bool
    reasons: tuple[str, ...]


@frozen(eq=False)
class Trial:
    """One setting for all posteriors of a pattern; it is as good as the worst of them.

    sampler has the lengths of a whole run: those that are written, where `what` says so, otherwise
    those that the chains ask for. rate: effective draws per second of one process. expected:
    seconds that the whole run would take in one process.
    """

    sampler: Sampler
    what: str
    posteriors: tuple[PosteriorTrial, ...]
    rate: float
    expected: float

    @property
    def sound(self) -> bool:
        """Tell whether every posterior was sampled well."""
        return all(trial.sound for trial in self.posteriors)

    @property
    def settings(self) -> tuple[float, float, float]:
        """Return what was swept over: ε, nβ and γ."""
        return self.sampler.step, self.sampler.nbeta, self.sampler.localization

    @property
    def worst(self) -> PosteriorTrial:
        """Return the posterior to judge by: an unsound one, else the slowest."""
        return min(self.posteriors, key=lambda t: (t.sound, -_number(t.autocorrelation)))

    @property
    def r_hat(self) -> float:
        """Return the largest R-hat of a posterior's mean loss; NaN when a chain diverged."""
        return float(np.max([trial.r_hat for trial in self.posteriors]))

    def is_choice(self, calibration: "Calibration") -> bool:
        """Tell whether this is what the calibration chose."""
        chosen = calibration.chosen
        if chosen is None or self.what:
            return False
        return self.settings == (chosen.step, chosen.nbeta, chosen.localization)

    @property
    def mean_excess(self) -> float:
        """Return `nβ (⟨L⟩ - L(θ*))` of the worst posterior."""
        return self.worst.mean_excess


@frozen(eq=False)
class Calibration:
    """The trials, in the order in which they were made, and what they lead to.

    chosen: settings for a whole run, None when nothing was sound. seconds: what the run is
    expected to take in one process. spent: what the calibration took. remarks: further things to
    know.
    """

    trials: tuple[Trial, ...]
    chosen: Sampler | None
    seconds: float
    spent: float
    remarks: tuple[str, ...] = ()


def _number(value: float) -> float:
    return value if np.isfinite(value) else float("inf")
