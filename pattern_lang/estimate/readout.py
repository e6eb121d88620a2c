"""What each observable reads off the moments of one posterior.

In one posterior an observable is a combination of mean losses, `φ = Σ_d a_d L_d`, and, where it
changes with the weights by itself, an explicit part that is linear in `⟨ℓ_j⟩` and `ℓ_j(θ*)`:

- `loss` on d: `a_d = 1`.
- `llc` on d: `a_d = nβ`. Unless held, the loss inside it is itself re-weighted,
  `L_d^w = (1/N_d) Σ_{rows i of d} w_i ℓ_i`, over those rows of d that are re-weighted rows, which
  adds `(n/N_d) Σ_{i in unit j and d} (⟨ℓ_i⟩ - ℓ_i(θ*))`; for d the re-weighted data this is
  `⟨ℓ_j⟩ - ℓ_j(θ*)`, for unrelated data nothing.
- `free_energy`: no `a`; `∂F/∂w_j = β ⟨ℓ_j⟩`. `⟨F⟩` is not estimated: its mean is NaN. Its standard
  deviation is by definition that of nβ L, so that a shift of one `sd` is one of nβ L.

Losses are recorded relative to θ*, so `⟨ℓ_j⟩ = ⟨ℓ_j - ℓ_j(θ*)⟩ + ℓ_j(θ*)`.
"""

import numpy as np
from attrs import frozen

from pattern_lang.estimate.layout import Layout, part_number
from pattern_lang.estimate.table import Array
from pattern_lang.ir.observables import FreeEnergy, LearningCoefficient, Loss
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.sources import ModelSource


@frozen(eq=False)
class Readout:
    """Coefficients of the k observables in one posterior, in canonical units.

    slopes: (k, q) on the data sets' mean losses, inside covariances. spread: (k, q) the same, for
    standard deviations and traces. offset: (k,) added to the mean; NaN where no mean is estimated.
    explicit: (k, P) on the mean unit losses, relative to θ*, of each part. anchored: (k,) on
    `ℓ_j(θ*)`. present: (k,) bool, whether the posterior contributes at all.
    """

    slopes: Array
    spread: Array
    offset: Array
    explicit: Array
    anchored: Array
    present: Array


def read_out(queries: Queries, model: ModelSource, layout: Layout, anchor_means: Array) -> Readout:
    """Return the coefficients; `anchor_means` (q,) holds the data sets' mean losses at θ*."""
    k, q = len(queries.observables), len(layout.data)
    nbeta = queries.sampler.nbeta
    slopes, spread = np.zeros((k, q)), np.zeros((k, q))
    offset, anchored = np.zeros(k), np.zeros(k)
    explicit, present = np.zeros((k, len(layout.parts))), np.zeros(k, dtype=bool)
    for row, observable in enumerate(queries.observables):
        for c, primitive in observable.terms:
            match primitive:
                case Loss(owner, on) if owner == model:
                    number = layout.data.index(on)
                    slopes[row, number] += c
                    spread[row, number] += c
                    offset[row] += c * anchor_means[number]
                case LearningCoefficient(owner, on, held) if owner == model:
                    number = layout.data.index(on)
                    slopes[row, number] += c * nbeta
                    spread[row, number] += c * nbeta
                    part = None if held else part_number(layout, on)
                    if part is not None:
                        size = (layout.averages[number] > 0).sum()
                        explicit[row, part] += c * layout.rows / size
                case FreeEnergy(owner, _) if owner == model:
                    spread[row, 0] += c * nbeta
                    offset[row] = np.nan
                    explicit[row, 0] += c
                    anchored[row] += c
                case _:
                    continue
            present[row] = True
    return Readout(slopes, spread, offset, explicit, anchored, present)
