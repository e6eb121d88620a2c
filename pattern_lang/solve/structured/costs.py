"""The cost of a program, split: what each unit pays, what rows cost, what scalars cost."""

from typing import Any

import numpy as np
from attrs import define, field

from pattern_lang.ir.program import KL, L1, Chi2, SumSquares
from pattern_lang.solve.box import Box
from pattern_lang.solve.normal import (
    Affine,
    Combined,
    Costs,
    Distance,
    Dose,
    Grouped,
    Square,
    Terms,
)
from pattern_lang.solve.structured.links import Each, Kink, Link


class OutsideError(ValueError):
    """The program is none of the structured class; the text says which part."""


@define(eq=False)
class UnitCosts:
    """A link under construction: `ridge/2 x² + slope x + constant` and kinks, per unit."""

    n: int
    ridge: Any = 0.0
    slope: Any = 0.0
    constant: float = 0.0
    entropy: float = 0.0
    kinks: list[Kink] = field(factory=list)

    def square(self, factor: Each, at: float) -> None:
        """Add `factor (x - at)²`."""
        self.ridge = self.ridge + 2.0 * factor
        self.slope = self.slope - 2.0 * factor * at
        self.constant += at * at * _sum(factor, self.n)

    def two_sided(self, kind: str, left: Each, right: Each, at: float, reach: float) -> None:
        """Add a cost of `x - at` with one factor on each side; huber is square up to `reach`."""
        match kind:
            case "squares":
                self.square(left, at)
                self._kink(at, 0.0, 2.0 * (right - left))
            case "magnitudes":
                self.slope = self.slope - left
                self.constant += at * _sum(left, self.n)
                self._kink(at, left + right, 0.0)
            case _:
                self.slope = self.slope - 2.0 * reach * left
                start = 2.0 * reach * at - reach * reach
                self.constant += start * _sum(left, self.n)
                self._kink(at - reach, 0.0, 2.0 * left)
                self._kink(at, 0.0, 2.0 * (right - left))
                self._kink(at + reach, 0.0, -2.0 * right)

    def _kink(self, at: float, jump: Each, more: Each) -> None:
        if np.any(jump) or np.any(more):
            self.kinks.append(Kink(at, jump, more))

    def link(self, box: Box) -> Link:
        """Return the link within a box."""
        if self.entropy and self.kinks:
            raise OutsideError("entropy beside costs with kinks")
        lower, upper = _bound(box.lower), _bound(box.upper)
        if self.entropy:
            lower = np.maximum(lower, -1.0) if isinstance(lower, np.ndarray) else max(lower, -1.0)
        kinks: list[Kink] = []
        for kink in sorted(self.kinks, key=lambda k: k.at):
            if kinks and kinks[-1].at == kink.at:
                last = kinks.pop()
                kink = Kink(kink.at, last.jump + kink.jump, last.more + kink.more)
            kinks.append(kink)
        return Link(self.ridge, lower, upper, self.slope, tuple(kinks), self.entropy)


def _sum(factor: Each, n: int) -> float:
    return float(np.sum(factor)) if isinstance(factor, np.ndarray) else n * float(factor)


def _bound(limits: Any) -> Each:
    """Return a bound on x: one number where all units share it."""
    first = float(limits[0])
    if limits.strides == (0,) or np.all(limits == first):
        return first - 1.0
    return np.asarray(limits - 1.0)


def split(cost: Terms, n: int) -> tuple[UnitCosts, Terms, Terms]:
    """Return what units pay, the terms that are linear in rows or scalars, and the soft terms.

    Raises OutsideError for a term that is none of these.
    """
    units = UnitCosts(n)
    linear: list[tuple[float, Any]] = []
    soft: list[tuple[float, Any]] = []
    for coefficient, atom in cost:
        match atom:
            case Affine() | Dose():
                linear.append((coefficient, atom))
            case Grouped(groups=1):
                linear.append((coefficient, atom))
            case Square() | Distance():
                soft.append((coefficient, atom))
            case Combined(kind="squares" | "magnitudes"):
                soft.append((coefficient, atom))
            case _:
                add_unit_cost(units, coefficient, atom)
    return units, tuple(linear), tuple(soft)


def add_unit_cost(units: UnitCosts, coefficient: float, atom: object) -> None:
    """Add a cost that is a sum over units; raises OutsideError where it is none."""
    match atom:
        case SumSquares(scale, offset) if scale:
            units.square(coefficient * scale * scale, -(scale + offset) / scale)
        case Chi2():
            units.square(coefficient / units.n, 0.0)
        case KL():
            units.entropy += coefficient / units.n
        case L1(scale, offset) if scale:
            size = coefficient * abs(scale)
            units.two_sided("magnitudes", size, size, -(scale + offset) / scale, 0.0)
        case Costs(kind, scale, offset, weights, up, down, reach) if scale:
            size = abs(scale) if kind == "magnitudes" else scale * scale
            sides = (down, up) if scale > 0 else (up, down)
            left, right = (_even(coefficient * size * side * weights) for side in sides)
            units.two_sided(kind, left, right, -(scale + offset) / scale, reach / abs(scale))
        case _:
            raise OutsideError(f"{type(atom).__name__} is no sum over units")


def _even(weights: Any) -> Each:
    first = float(weights[0])
    return first if np.all(weights == first) else weights
