"""A start from a sample of the units: contiguous stretches, picked by a fixed seed."""

import numpy as np

from pattern_lang.solve.structured.base import Base
from pattern_lang.solve.structured.passes import Chunk

STRETCH = 1024
SHARE = 12
PER_ROW = 200
# A sample of groups must hold this many units of each.
PER_GROUP = 50


def sample_of(base: Base, seed: int = 0) -> tuple[Chunk, ...] | None:
    """Return stretches of units to start from, None where all units are cheap enough."""
    wanted = max(base.n // SHARE, PER_ROW * base.dense)
    if base.groups is not None:
        wanted = max(wanted, PER_GROUP * base.groups.count)
    if 4 * wanted > base.n or base.n * base.dense < 1 << 19:
        return None
    places = base.n // STRETCH
    count = max(1, wanted // STRETCH)
    chosen = np.sort(np.random.default_rng(seed).choice(places, min(count, places), replace=False))
    tiles = [slice(int(k) * STRETCH, (int(k) + 1) * STRETCH) for k in chosen]
    parts = np.array_split(np.arange(len(tiles)), min(16, len(tiles)))
    return tuple(tuple(tiles[int(i)] for i in part) for part in parts)
