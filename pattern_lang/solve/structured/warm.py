"""Starts from samples of the units: contiguous stretches, picked by a fixed seed and copied."""

from typing import Any

import attrs
import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.solve.response import ArraySource, Response
from pattern_lang.solve.structured.base import Base, Groups

STRETCH = 1024
SHARE = 12
PER_ROW = 200
# No sample holds more numbers than this.
MOST = 1 << 24
# A sample of groups must hold this many units of each.
PER_GROUP = 50


@frozen(eq=False)
class Sample:
    """Some units as base rows of their own. units: (k,) which they are."""

    base: Base
    units: NDArray[np.int64]


def sample_of(base: Base, seed: int = 0) -> Sample | None:
    """Return a sample to start from, None where all units are cheap enough."""
    wanted = max(min(base.n // SHARE, MOST // base.dense), PER_ROW * base.dense)
    if base.groups is not None:
        wanted = max(wanted, PER_GROUP * base.groups.count)
    if 4 * wanted > base.n or base.n * base.dense < 1 << 19:
        return None
    places, count = base.n // STRETCH, max(1, wanted // STRETCH)
    chosen = np.sort(np.random.default_rng(seed).choice(places, min(count, places), replace=False))
    units = (chosen[:, None] * STRETCH + np.arange(STRETCH)).reshape(-1)
    return Sample(_of(base, chosen, units), units)


def _of(base: Base, chosen: NDArray[np.int64], units: NDArray[np.int64]) -> Base:
    response = base.response
    if response is not None:
        stretches = [slice(int(k) * STRETCH, (int(k) + 1) * STRETCH) for k in chosen]
        array: NDArray[Any] = np.empty((base.picked.size, units.size), base.dtype)
        for place, stretch in enumerate(stretches):
            array[:, place * STRETCH : (place + 1) * STRETCH] = base.block(stretch)
        response = Response(ArraySource(array))
    groups = base.groups
    if groups is not None:
        own = None if groups.coefficients is None else groups.coefficients[units]
        groups = Groups(groups.codes[units], groups.count, own)
    return attrs.evolve(
        base,
        n=units.size,
        response=response,
        picked=np.arange(base.picked.size),
        written=base.written[:, units],
        groups=groups,
    )
