"""What each observable reads off the moments of one posterior.

In one posterior an observable is a combination of what is followed, `φ = Σ_d a_d L_d`: mean losses
and the user's own observables. Where it changes with the weights by itself, it has an explicit part
that is linear in `⟨ℓ_j⟩` and `ℓ_j(θ*)`:

- `loss` on d: `a_d = 1`.
- `llc` on d: `a_d = nβ`. Unless held, the loss inside it is itself re-weighted,
  `L_d^w = (1/N_d) Σ_{rows i of d} w_i ℓ_i`, over those rows of d that are re-weighted rows, which
  adds `(n/N_d) Σ_{i in unit j and d} (⟨ℓ_i⟩ - ℓ_i(θ*))`; for d the re-weighted data this is
  `⟨ℓ_j⟩ - ℓ_j(θ*)`, for unrelated data nothing.
- `free_energy`: no `a`; `∂F/∂w_j = β ⟨ℓ_j⟩`. `⟨F⟩` is not estimated: its mean is NaN. Its standard
  deviation is by definition that of nβ L, so that a shift of one `sd` is one of nβ L.
- a user's observable: `a_d = 1`.

Under the posterior of a component the same holds; `mixed` then says which part of `a` is read with
the first moments of the whole posterior, as published (see `assemble`).

Losses are recorded relative to θ*, so `⟨ℓ_j⟩ = ⟨ℓ_j - ℓ_j(θ*)⟩ + ℓ_j(θ*)`.
"""

import numpy as np
from attrs import frozen

from pattern_lang.estimate.layout import Layout, part_number
from pattern_lang.estimate.needs import Place, parts_of, user_observables
from pattern_lang.estimate.table import Array
from pattern_lang.ir.observables import FreeEnergy, LearningCoefficient, Loss, UserObservable
from pattern_lang.ir.queries import Queries


@frozen(eq=False)
class Readout:
    """Coefficients of the k observables in one posterior, in canonical units.

    slopes: (k, q) on what is followed, inside covariances. spread: (k, q) the same, for standard
    deviations and traces. mixed: (k, q) the part of slopes that two chain sets estimate. offset:
    (k,) added to the mean; NaN where no mean is estimated. explicit: (k, P) on the mean unit
    losses, relative to θ*, of each part. anchored: (k,) on `ℓ_j(θ*)`. present: (k,) bool, whether
    the posterior contributes at all.
    """

    slopes: Array
    spread: Array
    mixed: Array
    offset: Array
    explicit: Array
    anchored: Array
    present: Array


def read_out(queries: Queries, place: Place, layout: Layout, anchor_means: Array) -> Readout:
    """Return the coefficients; `anchor_means` (q,) holds what is followed at θ*."""
    k, q = len(queries.observables), len(anchor_means)
    nbeta = queries.sampler.nbeta
    slopes, spread, mixed = np.zeros((k, q)), np.zeros((k, q)), np.zeros((k, q))
    offset, anchored = np.zeros(k), np.zeros(k)
    explicit, present = np.zeros((k, len(layout.parts))), np.zeros(k, dtype=bool)
    own = user_observables(queries, place)
    for row, observable in enumerate(queries.observables):
        for c, part in parts_of(observable):
            if part.place != place:
                continue
            present[row] = True
            match part.primitive:
                case Loss(_, on):
                    number, slope = layout.data.index(on), c
                    offset[row] += c * anchor_means[number]
                case UserObservable():
                    number, slope = len(layout.data) + own.index(part.primitive), c
                    offset[row] += c * anchor_means[number]
                case LearningCoefficient(_, on, held):
                    number, slope = layout.data.index(on), c * nbeta
                    inside = None if held else part_number(layout, on)
                    if inside is not None:
                        size = len(layout.members[number])
                        explicit[row, inside] += c * layout.rows / size
                case FreeEnergy():
                    spread[row, 0] += c * nbeta
                    offset[row] = np.nan
                    explicit[row, 0] += c
                    anchored[row] += c
                    continue
            slopes[row, number] += slope
            spread[row, number] += slope
            mixed[row, number] += slope if part.mixed else 0.0
    return Readout(slopes, spread, mixed, offset, explicit, anchored, present)
