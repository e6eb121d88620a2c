"""One streaming pass over the base rows: weights from prices, and the sums that they make.

Tiles of a few thousand units stay in the cache while BLAS reads them twice, for `z = -Aᵀv` and
for `r = A x`. Threads share out chunks of tiles; the chunks' partial sums are added in their
order, in float64, so the bits do not depend on the number of threads.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import numpy as np
import scipy.sparse as sp
from attrs import define, frozen
from numpy.typing import NDArray

from pattern_lang.solve.normal import Vector
from pattern_lang.solve.structured.base import Base, Prices
from pattern_lang.solve.structured.links import Link, Numbers, entropy_of

Chunk = tuple[slice, ...]
# Below this many numbers threads cost more than they save.
ALONE = 1 << 19


@frozen
class Ask:
    """What a pass must add up beside the rows.

    hessian: `A diag(x'(z)) Aᵀ`. budgets: `Σx²`, `Σ w log w`, `Σ|x|`. reach: `Σ sup z x` over the
    box. precise: in float64 whatever the response is stored in.
    """

    hessian: bool = False
    budgets: bool = False
    reach: bool = True
    precise: bool = False


@define(eq=False)
class Sums:
    """What a pass adds up. rows: (dense,), groups: (groups,) of A x; value: `Σ φ*(z)`.

    hessian: (dense, dense). cross: (dense, groups). diagonal: (groups,). square, entropy,
    magnitude: the budgets. free: how many units lie between their bounds.
    """

    rows: Vector
    groups: Vector | None
    value: float = 0.0
    reach: float = 0.0
    free: float = 0.0
    square: float = 0.0
    entropy: float = 0.0
    magnitude: float = 0.0
    hessian: Vector | None = None
    cross: Vector | None = None
    diagonal: Vector | None = None

    def add(self, other: "Sums") -> None:
        """Add the sums of another chunk."""
        for item in attrs.fields(Sums):
            mine, more = getattr(self, item.name), getattr(other, item.name)
            if more is not None:
                setattr(self, item.name, more if mine is None else mine + more)

    def scaled(self, factor: float) -> "Sums":
        """Multiply everything, as for a sample of the units."""
        made = Sums(factor * self.rows, None)
        for item in attrs.fields(Sums):
            mine = getattr(self, item.name)
            setattr(made, item.name, None if mine is None else factor * mine)
        return made


@define(eq=False)
class Sweeper:
    """Makes passes over base rows. `passes` counts them, in units of a whole pass."""

    base: Base
    threads: int = attrs.field(factory=lambda: len(os.sched_getaffinity(0)))
    passes: float = 0.0
    chunks: tuple[Chunk, ...] = attrs.field(init=False)
    dtype: type = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.chunks = self.base.tiles()
        self.dtype = self.base.dtype

    def sweep(
        self,
        prices: Prices,
        link: Link,
        ask: Ask,
        sample: tuple[Chunk, ...] | None = None,
        out: NDArray[Any] | None = None,
    ) -> Sums:
        """Make one pass at prices, over all units or a sample, writing x to `out` (n,)."""
        chunks = self.chunks if sample is None else sample
        held = _Held.of(self.base, prices, link, ask, self.dtype)
        total = self._added(lambda chunk: held.chunk(chunk, out), chunks)
        units = sum(tile.stop - tile.start for chunk in chunks for tile in chunk)
        self.passes += units / self.base.n
        return total if sample is None else total.scaled(self.base.n / units)

    def line(
        self, start: Prices, ahead: Prices, link: Link, sample: tuple[Chunk, ...] | None
    ) -> Callable[[float], float]:
        """Return the slope of `Σ φ*(z + length · dz)` by length; making it takes one pass."""
        chunks = self.chunks if sample is None else sample
        first = _Held.of(self.base, start, link, Ask(), self.dtype)
        second = _Held.of(self.base, ahead, link, Ask(), self.dtype)
        tiles = [tile for chunk in chunks for tile in chunk]
        kept = [(link.part(u), first.priced(u)[0], second.priced(u)[0]) for u in tiles]
        units = sum(tile.stop - tile.start for tile in tiles)
        self.passes += units / self.base.n

        def slope(length: float) -> float:
            total = 0.0
            for part, z, dz in kept:
                total += float(np.dot(part.weigh(z + z.dtype.type(length) * dz), dz))
            return float(total * self.base.n / units)

        return slope

    def _added(self, work: Callable[[Chunk], Sums], chunks: tuple[Chunk, ...]) -> Sums:
        small = self.base.n * self.base.dense <= ALONE or self.threads < 2 or len(chunks) < 2
        if small:
            parts = [work(chunk) for chunk in chunks]
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                parts = list(pool.map(work, chunks))
        total = parts[0]
        for part in parts[1:]:
            total.add(part)
        return total


@frozen(eq=False)
class _Held:
    """Prices and link in the precision of a pass."""

    base: Base
    link: Link
    ask: Ask
    dtype: type
    picked: Numbers
    written: Numbers
    mass: float
    groups: Numbers | None

    @classmethod
    def of(cls, base: Base, prices: Prices, link: Link, ask: Ask, stored: type) -> "_Held":
        dtype = np.float64 if ask.precise else stored
        first = base.picked.size
        groups: Numbers | None = None if prices.groups is None else prices.groups.astype(dtype)
        if groups is not None and base.groups is not None and not base.groups.whole:
            groups = np.append(groups, dtype(0.0))
        return cls(
            base,
            link,
            ask,
            dtype,
            -prices.dense[:first].astype(dtype),
            -prices.dense[first:-1],
            float(prices.dense[-1]),
            groups,
        )

    def chunk(self, tiles: Chunk, out: NDArray[Any] | None) -> Sums:
        # Steps too long make exponentials overflow; they are then shortened.
        with np.errstate(over="ignore", invalid="ignore"):
            total = self.tile(tiles[0], out)
            for tile in tiles[1:]:
                total.add(self.tile(tile, out))
        return total

    def tile(self, units: slice, out: NDArray[Any] | None) -> Sums:
        """Work out the units of one tile."""
        z, block, written, codes, coefficients = self.priced(units)
        link = self.link.part(units)
        x = link.weigh(z)
        if out is not None:
            out[units] = x
        sums = self._sums(link, z, x, block, written)
        if codes is not None:
            sums.groups = self._grouped(codes, coefficients, x)
        self._budgets(sums, x)
        if self.ask.hessian:
            self._hessian(sums, link.derivative(x), block, written, codes, coefficients)
        return sums

    def priced(
        self, units: slice
    ) -> tuple[Numbers, Numbers, Numbers, NDArray[np.int64] | None, Numbers | None]:
        """Return z of some units, and what it was made of."""
        block = self.base.block(units)
        if block.dtype != self.dtype:
            block = block.astype(self.dtype)
        written = self.base.written[:, units]
        z = self.picked @ block
        if written.size:
            z += (self.written @ written).astype(self.dtype)
        z -= self.dtype(self.mass)
        codes, coefficients = self._codes(units)
        if codes is not None and self.groups is not None:
            worth = self.groups[codes]
            z -= worth if coefficients is None else worth * coefficients
        return z, block, written, codes, coefficients

    def _codes(self, units: slice) -> tuple[NDArray[np.int64] | None, Numbers | None]:
        groups = self.base.groups
        if groups is None:
            return None, None
        coefficients = None if groups.coefficients is None else groups.coefficients[units]
        return groups.codes[units], coefficients

    def _grouped(
        self, codes: NDArray[np.int64], coefficients: Numbers | None, x: Numbers
    ) -> Vector:
        assert self.base.groups is not None
        values = x if coefficients is None else x * coefficients
        count = self.base.groups.count
        if self.base.groups.whole:
            return np.asarray(np.bincount(codes, values, minlength=count), dtype=np.float64)
        inside = codes >= 0
        sums = np.bincount(codes[inside], values[inside], minlength=count)
        return np.asarray(sums, dtype=np.float64)

    def _sums(self, link: Link, z: Numbers, x: Numbers, block: Numbers, written: Numbers) -> Sums:
        tail = [*(written @ x), float(np.sum(x))]
        rows = np.concatenate([block @ x, tail]).astype(np.float64)
        if link.plain and not isinstance(link.ridge, np.ndarray):
            square = float(np.dot(x, x))
            whole = float(np.dot(z, x)) - 0.5 * float(link.ridge) * square
            value = whole - (float(link.slope) * float(tail[-1]) if link.slope else 0.0)
            sums = Sums(rows, None, value=value, square=square)
        else:
            sums = Sums(rows, None, value=float(np.dot(z, x)) - link.cost(x))
        if self.ask.reach:
            with np.errstate(invalid="ignore"):
                most = np.maximum(z * link.lower, z * link.upper)
            reach = float(np.sum(most))
            sums.reach = reach if np.isfinite(reach) else np.inf
        return sums

    def _budgets(self, sums: Sums, x: Numbers) -> None:
        if self.ask.budgets:
            sums.square = float(np.dot(x, x))
            sums.entropy = entropy_of(x)
            sums.magnitude = float(np.sum(np.abs(x)))

    def _hessian(
        self,
        sums: Sums,
        slope: Numbers,
        block: Numbers,
        written: Numbers,
        codes: NDArray[np.int64] | None,
        coefficients: Numbers | None,
    ) -> None:
        first, dense = block.shape[0], self.base.dense
        root = np.sqrt(slope)
        scaled: Numbers = np.empty((dense, root.size), dtype=self.dtype)
        np.multiply(block, root, out=scaled[:first])
        np.multiply(written, root, out=scaled[first:-1], casting="same_kind")
        scaled[-1] = root
        sums.hessian = (scaled @ scaled.T).astype(np.float64)
        sums.free = float(np.count_nonzero(slope))
        if codes is not None and self.base.groups is not None:
            own = slope if coefficients is None else slope * coefficients
            scaled *= root if coefficients is None else root * coefficients
            count = self.base.groups.count
            inside = np.flatnonzero((codes >= 0) & (slope > 0))
            hot = sp.csc_array(
                (np.ones(inside.size, self.dtype), codes[inside], np.arange(inside.size + 1)),
                shape=(count, inside.size),
            )
            sums.cross = np.asarray(hot @ np.ascontiguousarray(scaled[:, inside].T)).T.astype(float)
            square = own if coefficients is None else own * coefficients
            diagonal = np.bincount(codes[inside], square[inside], minlength=count)
            sums.diagonal = diagonal.astype(np.float64)
