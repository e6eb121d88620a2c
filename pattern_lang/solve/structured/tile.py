"""The sums of one tile of units: two products with its block of rows, and what is done between."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.solve.normal import Vector
from pattern_lang.solve.structured.base import Base, Chunk, Prices
from pattern_lang.solve.structured.links import Link, Numbers, entropy_of
from pattern_lang.solve.structured.sums import Ask, Sums


@frozen(eq=False)
class Held:
    """Prices and link in the precision of a pass."""

    base: Base
    link: Link
    varies: bool
    ask: Ask
    dtype: type
    picked: Numbers
    written: Numbers
    mass: float
    groups: Numbers | None

    @classmethod
    def of(cls, base: Base, prices: Prices, link: Link, ask: Ask, stored: type) -> "Held":
        """Cast prices to what a response is stored in, or to float64 where that is asked for."""
        dtype = np.float64 if ask.precise else stored
        first = base.picked.size
        groups: Numbers | None = None if prices.groups is None else prices.groups.astype(dtype)
        if groups is not None and base.groups is not None and not base.groups.whole:
            groups = np.append(groups, dtype(0.0))
        return cls(
            base,
            link,
            link.varies,
            ask,
            dtype,
            -prices.dense[:first].astype(dtype),
            -prices.dense[first:-1],
            float(prices.dense[-1]),
            groups,
        )

    def chunk(self, tiles: Chunk, out: NDArray[Any] | None) -> Sums:
        """Add up tiles."""
        # Steps too long make exponentials overflow; they are then shortened.
        with np.errstate(over="ignore", invalid="ignore"):
            total = self.tile(tiles[0], out)
            for tile in tiles[1:]:
                total.add(self.tile(tile, out))
        return total

    def tile(self, units: slice, out: NDArray[Any] | None) -> Sums:
        """Work out the units of one tile."""
        z, block, written, codes, coefficients = self.priced(units)
        link = self.link.part(units) if self.varies else self.link
        x = link.weigh(z)
        if out is not None:
            out[units] = x
        sums = self._sums(link, z, x, block, written)
        if codes is not None:
            sums.groups = self._grouped(codes, coefficients, x)
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
        square, whole = float(np.dot(x, x)), float(np.dot(z, x))
        mass = float(np.add.reduce(x))
        rows = np.concatenate([block @ x, *([written @ x] if written.size else []), [mass]])
        if link.plain and not isinstance(link.ridge, np.ndarray):
            value = whole - 0.5 * float(link.ridge) * square
            value -= float(link.slope) * mass if link.slope else 0.0
        else:
            value = whole - link.cost(x)
        sums = Sums(rows.astype(np.float64), None, value=value, square=square)
        if self.ask.reach:
            with np.errstate(invalid="ignore"):
                reach = float(np.sum(np.maximum(z * link.lower, z * link.upper)))
            sums.reach = reach if np.isfinite(reach) else np.inf
        if self.ask.entropy:
            sums.entropy = entropy_of(x)
        if self.ask.magnitude:
            sums.magnitude = float(np.sum(np.abs(x)))
        return sums

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
            self._beside(sums, slope, scaled, root, codes, coefficients)

    def _beside(
        self,
        sums: Sums,
        slope: Numbers,
        scaled: Numbers,
        root: Numbers,
        codes: NDArray[np.int64],
        coefficients: Numbers | None,
    ) -> None:
        """Add up what groups have of the Hessian. scaled: (dense, units) rows times `root`."""
        groups = self.base.groups
        assert groups is not None
        own = slope if coefficients is None else slope * coefficients
        square = own if coefficients is None else own * coefficients
        root = root if coefficients is None else root * coefficients
        if not groups.whole:
            inside = np.flatnonzero(codes >= 0)
            codes, square, root = codes[inside], square[inside], root[inside]
            scaled = scaled[:, inside]
        across: Numbers = np.empty((codes.size, scaled.shape[0]), dtype=self.dtype)
        np.multiply(scaled.T, root[:, None], out=across)
        hot = sp.csc_array(
            (np.ones(codes.size, self.dtype), codes, np.arange(codes.size + 1)),
            shape=(groups.count, codes.size),
        )
        sums.cross = np.asarray(hot @ across).T.astype(np.float64)
        sums.diagonal = np.bincount(codes, square, minlength=groups.count).astype(np.float64)
