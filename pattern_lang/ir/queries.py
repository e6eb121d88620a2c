"""What to sample: the settings of a sampler and the posteriors that a pattern needs."""

from attrs import field, frozen

from pattern_lang.diagnostics import Span
from pattern_lang.ir.observables import Observable
from pattern_lang.ir.sources import Component, DataSource, ModelSource

COVARIANCE, PATHWISE = "covariance", "pathwise"


@frozen
class Sampler:
    """Settings of a posterior sampler (the posterior is `exp(-nβ L - γ/2 ‖θ-θ*‖²)`).

    `step` is ε, `nbeta` is nβ, `localization` is γ. `burn_in` counts steps before the first draw
    and `thin` the steps from one draw to the next. `seed` is the root of every chain's seed.
    `estimator` says how susceptibilities are read off the chains: as covariances of losses, or as
    `pathwise` derivatives of the chains themselves.
    """

    kind: str
    step: float
    nbeta: float
    localization: float
    batch: int
    chains: int
    draws: int
    burn_in: int
    thin: int = 1
    seed: int = 0
    decay: float = 0.99
    stabilizer: float = 0.1
    estimator: str = COVARIANCE
    origin: Span | None = field(default=None, eq=False, repr=False)

    @property
    def is_pathwise(self) -> bool:
        """Return whether susceptibilities are means of derivatives along the chains."""
        return self.estimator == PATHWISE


@frozen
class Reweight:
    """`reweight DATA per UNIT as NAME`; UNIT is `token`, `sample` or `group` (of `group_field`)."""

    data: DataSource
    unit: str
    group_field: str | None
    name: str
    origin: Span | None = field(default=None, eq=False, repr=False)


@frozen
class Reason:
    """Why something is sampled: a source line and what it asked for."""

    source: str
    location: str


@frozen
class PosteriorQuery:
    """One posterior to sample: a model, the parameters that move, and who asked.

    `observables` names the rows of χ that this posterior contributes to.
    """

    model: ModelSource
    component: Component | None
    observables: tuple[str, ...]
    reasons: tuple[Reason, ...] = field(default=(), eq=False)


@frozen
class Queries:
    """Everything the estimator is asked for by one pattern (merged and de-duplicated).

    χ gets one row for each of `observables`, in this order, over the units of `reweight`.
    """

    reweight: Reweight
    sampler: Sampler
    observables: tuple[Observable, ...]
    posteriors: tuple[PosteriorQuery, ...]
