"""Costs of single units, and the rule that turns a price z into a weight.

A unit's cost φ is a sum of squares, magnitudes, hubers and `s w log w`. Without the last, φ' is
piecewise linear and increasing, so `x(z) = argmin φ(x) - z x` is a sum of clipped pieces; with it
alone, an exponential; with both, a Newton iteration in log w. Bounds clip the result, which is
exact because φ is convex in one variable.
"""

from typing import Any

import attrs
import numpy as np
from attrs import frozen
from numpy.typing import NDArray

Numbers = NDArray[Any]
# One number for all units, or one per unit (n,).
Each = float | Numbers

# What a slope of zero counts as: a price then jumps over the piece.
FLAT = 1e-200
ROUNDS = 60


@frozen(eq=False)
class Kink:
    """A cost whose slope changes at x = at: by `jump` at once, and `more` per x beyond.

    Left of the kink it adds nothing to φ' but `before`, and right of it `before + jump`.
    """

    at: float
    jump: Each
    more: Each


@frozen(eq=False)
class Link:
    """`φ(x) = ridge/2 x² + slope x + kinks + entropy · w log w`, x = w - 1, within bounds on x.

    slope, before: φ'(x) left of all kinks is `slope + before_ridge x` (see `pieces`). The kinks
    are in order, and none stand beside entropy. lower, upper: one number or (n,). Costs of the
    kinks are measured from 0 at the first of them.
    """

    ridge: Each
    lower: Each
    upper: Each
    slope: Each = 0.0
    kinks: tuple[Kink, ...] = ()
    entropy: float = 0.0

    def with_ridge(self, more: float) -> "Link":
        """Add `more/2 x²`."""
        return attrs.evolve(self, ridge=self.ridge + more) if more else self

    def around(self, ridge: float, centre: Numbers) -> "Link":
        """Add `ridge/2 (x - centre)²`, up to a constant. centre: (n,)."""
        return attrs.evolve(self, ridge=self.ridge + ridge, slope=self.slope - ridge * centre)

    @property
    def bounded(self) -> bool:
        """Tell whether every unit has two finite bounds."""
        return bool(np.all(np.isfinite(self.lower)) and np.all(np.isfinite(self.upper)))

    def with_budget(self, kind: str, price: float) -> "Link":
        """Add `price` times what a budget adds up (see `reader.Budget`)."""
        if not price:
            return self
        match kind:
            case "square":
                return self.with_ridge(price)
            case "entropy":
                entropy = self.entropy + price
                lower: Any = np.maximum(self.lower, -1.0)
                lower = lower if isinstance(self.lower, np.ndarray) else float(lower)
                return attrs.evolve(self, entropy=entropy, lower=lower)
            case _:
                return self._with_magnitude(price)

    def _with_magnitude(self, price: float) -> "Link":
        """Add `price · |x|`: minus the price in slope, and twice the price in a jump at 0."""
        same = [k for k in self.kinks if k.at == 0.0]
        rest = [k for k in self.kinks if k.at != 0.0]
        jump: Any = same[0].jump if same else 0.0
        kink = Kink(0.0, jump + 2.0 * price, same[0].more if same else 0.0)
        kinks = tuple(sorted((*rest, kink), key=lambda k: k.at))
        return attrs.evolve(self, slope=self.slope - price, kinks=kinks)

    def part(self, units: slice | NDArray[np.int64]) -> "Link":
        """Return the link of some units."""
        if not self.varies:
            return self
        kinks = tuple(Kink(k.at, _part(k.jump, units), _part(k.more, units)) for k in self.kinks)
        return Link(
            _part(self.ridge, units),
            _part(self.lower, units),
            _part(self.upper, units),
            _part(self.slope, units),
            kinks,
            self.entropy,
        )

    @property
    def varies(self) -> bool:
        """Tell whether units differ."""
        own = (self.ridge, self.lower, self.upper, self.slope)
        kinks = (number for k in self.kinks for number in (k.jump, k.more))
        return any(isinstance(number, np.ndarray) for number in (*own, *kinks))

    @property
    def plain(self) -> bool:
        """Tell whether φ is a ridge, and nothing else."""
        return not self.kinks and not self.entropy and not isinstance(self.slope, np.ndarray)

    @property
    def least_curvature(self) -> float:
        """Return the least slope of φ' anywhere: 0 where a price may leave x open."""
        if self.entropy:
            return 1.0
        current: Any = self.ridge
        least = float(np.min(current))
        for kink in self.kinks:
            current = current + kink.more
            least = min(least, float(np.min(current)))
        return least

    def weigh(self, z: Numbers) -> Numbers:
        """Return x(z), within the bounds."""
        x = self._free(z)
        np.clip(x, _like(self.lower, z), _like(self.upper, z), out=x)
        return x

    def _free(self, z: Numbers) -> Numbers:
        if self.entropy:
            return self._entropic(z)
        if not self.kinks:
            inverse = 1.0 / np.maximum(self.ridge, FLAT)
            moved = z - _like(self.slope, z) if np.any(self.slope) else z
            with np.errstate(over="ignore"):
                return np.asarray(moved * _like(inverse, z))
        return self._pieces(z)

    def _pieces(self, z: Numbers) -> Numbers:
        """Walk the pieces of φ' from left to right; each takes its share of the price."""
        first = self.kinks[0].at
        curvature: Any = self.ridge
        level: Any = self.slope + self.ridge * first
        with np.errstate(over="ignore", divide="ignore"):
            x = first + np.minimum(z - level, 0.0) / np.maximum(curvature, FLAT)
            for place, kink in enumerate(self.kinks):
                level = level + kink.jump
                curvature = curvature + kink.more
                last = place + 1 == len(self.kinks)
                width = np.inf if last else self.kinks[place + 1].at - kink.at
                x += np.clip((z - level) / np.maximum(curvature, FLAT), 0.0, width)
                level = level + (0.0 if last else curvature * width)
        return np.asarray(x, dtype=z.dtype)

    def _entropic(self, z: Numbers) -> Numbers:
        """Solve `ridge (w - 1) + slope + s (log w + 1) = z` for w: convex in log w."""
        s = self.entropy
        target = (z - self.slope) / s - 1.0
        if not np.any(self.ridge):
            with np.errstate(over="ignore"):
                return np.asarray(np.expm1(target), dtype=z.dtype)
        ratio = self.ridge / s
        goal = target + ratio
        # From the right of the root Newton on the convex `ratio e^q + q - goal` falls to it.
        q = np.minimum(goal, np.log1p(np.maximum(goal, 0.0) / ratio))
        for _ in range(ROUNDS):
            grown = ratio * np.exp(q)
            step = (grown + q - goal) / (grown + 1.0)
            q = q - step
            if float(np.max(np.abs(step), initial=0.0)) <= 1e-14:
                break
        return np.asarray(np.expm1(q), dtype=z.dtype)

    def derivative(self, x: Numbers) -> Numbers:
        """Return dx/dz at weights that came out of `weigh`: 0 at bounds, kinks and jumps."""
        inside = (x > _like(self.lower, x)) & (x < _like(self.upper, x))
        curvature: Any = self.ridge
        for kink in self.kinks:
            curvature = curvature + np.where(x > kink.at, kink.more, 0.0)
            if np.any(kink.jump):
                inside &= (x != x.dtype.type(kink.at)) | (np.asarray(kink.jump) == 0)
        if self.entropy:
            curvature = curvature + self.entropy / np.maximum(1.0 + x, np.finfo(x.dtype).tiny)
        with np.errstate(divide="ignore"):
            made = np.where(inside, 1.0 / np.maximum(curvature, 1e-300), 0.0)
        return np.asarray(made, dtype=x.dtype)

    def marginal(self, x: Numbers) -> Numbers:
        """Return φ'(x), from the left at a kink."""
        made: Any = self.ridge * x + self.slope
        for kink in self.kinks:
            beyond = np.maximum(x - kink.at, 0.0)
            made = made + kink.more * beyond + np.where(beyond > 0, kink.jump, 0.0)
        if self.entropy:
            made = made + self.entropy * (np.log(np.maximum(1.0 + x, 1e-300)) + 1.0)
        return np.asarray(made)

    def cost(self, x: Numbers) -> float:
        """Return `Σ φ(x)`, with the kinks measured from the first."""
        total = 0.5 * _dot(self.ridge, x, x)
        if np.any(self.slope):
            total += _dot(self.slope, x, None)
        for kink in self.kinks:
            beyond = np.maximum(x - x.dtype.type(kink.at), 0.0)
            total += _dot(kink.jump, beyond, None) + 0.5 * _dot(kink.more, beyond, beyond)
        return total + (self.entropy * entropy_of(x) if self.entropy else 0.0)


def entropy_of(x: Numbers) -> float:
    """Return `Σ w log w` with w = 1 + x."""
    w = 1.0 + x
    return float(np.dot(w, np.log(np.where(w > 0, w, 1.0))))


def _part(number: Each, units: slice | NDArray[np.int64]) -> Each:
    return number[units] if isinstance(number, np.ndarray) else number


def _like(number: Each, z: Numbers) -> Any:
    if isinstance(number, np.ndarray):
        return number.astype(z.dtype, copy=False)
    return z.dtype.type(number)


def _dot(weight: Each, x: Numbers, y: Numbers | None) -> float:
    if isinstance(weight, np.ndarray):
        return float(np.dot(weight, x if y is None else x * y))
    if weight == 0:
        return 0.0
    return float(weight) * float(np.sum(x) if y is None else np.dot(x, y))
