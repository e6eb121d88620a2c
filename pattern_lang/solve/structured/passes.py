"""One streaming pass over the base rows: weights from prices, and the sums that they make.

Tiles of a few thousand units stay in the cache while BLAS reads them twice, for `z = -Aᵀv` and
for `r = A x`. Threads share out chunks of tiles; the chunks' partial sums are added in their
order, in float64, so the bits do not depend on the number of threads.
"""

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
from attrs import define
from numpy.typing import NDArray

from pattern_lang.solve.structured.base import Base, Chunk, Prices, shared_out, threads_for
from pattern_lang.solve.structured.links import Link
from pattern_lang.solve.structured.sums import Ask, Sums
from pattern_lang.solve.structured.tile import Held


@define(eq=False)
class Sweeper:
    """Makes passes over base rows. `passes` counts them, in units of a whole pass.

    whole: how many units the base stands for; of a sample they are more than it has, and sums
    are multiplied to match.
    """

    base: Base
    threads: int = attrs.field()
    whole: int = attrs.field(default=0)
    passes: float = 0.0
    chunks: tuple[Chunk, ...] = attrs.field(init=False)
    dtype: type = attrs.field(init=False)

    @threads.default
    def _threads(self) -> int:
        return threads_for(self.base)

    def __attrs_post_init__(self) -> None:
        self.whole = self.whole or self.base.n
        self.chunks = self.base.tiles()
        self.dtype = self.base.dtype

    @property
    def sampled(self) -> bool:
        """Tell whether the units are a sample."""
        return self.whole != self.base.n

    def sweep(self, prices: Prices, link: Link, ask: Ask, out: NDArray[Any] | None = None) -> Sums:
        """Make one pass at prices, writing x to `out` (n,)."""
        held = Held.of(self.base, prices, link, ask, self.dtype)
        total = self._added(lambda chunk: held.chunk(chunk, out))
        self.passes += self.base.n / self.whole
        return total.scaled(self.whole / self.base.n) if self.sampled else total

    def line(self, start: Prices, ahead: Prices, link: Link) -> Callable[[float], float]:
        """Return the slope of `Σ φ*(z + length · dz)` by length; making it takes one pass."""
        first = Held.of(self.base, start, link, Ask(), self.dtype)
        second = Held.of(self.base, ahead, link, Ask(), self.dtype)
        tiles = [tile for chunk in self.chunks for tile in chunk]
        kept = [(link.part(u), first.priced(u)[0], second.priced(u)[0]) for u in tiles]
        self.passes += self.base.n / self.whole

        def slope(length: float) -> float:
            total = 0.0
            for part, z, dz in kept:
                total += float(np.dot(part.weigh(z + z.dtype.type(length) * dz), dz))
            return float(total * self.whole / self.base.n)

        return slope

    def _added(self, work: Callable[[Chunk], Sums]) -> Sums:
        total, *others = shared_out(work, self.chunks, self.threads)
        for part in others:
            total.add(part)
        return total
