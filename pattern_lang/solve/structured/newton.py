"""Newton's method on the dual of a structured program, one pass over the data per step.

`F(y) = Σ φ*(z_j) + σ(y)` with `z = -Aᵀ(cost + combineᵀ y)` is convex; its gradient needs the row
sums of one pass. Scalars such as the dose are kept by an augmented Lagrangian in row space alone.
"""

from functools import cached_property

import attrs
import numpy as np
from attrs import define, frozen

from pattern_lang.solve.normal import Vector
from pattern_lang.solve.structured.base import Prices
from pattern_lang.solve.structured.curvature import Curvature
from pattern_lang.solve.structured.form import Form
from pattern_lang.solve.structured.links import Link
from pattern_lang.solve.structured.passes import Sweeper
from pattern_lang.solve.structured.rowspace import misses, step, support
from pattern_lang.solve.structured.sums import Ask, Sums

STEPS = 60
TRIALS = 12
# So many steps in a row that do not halve the residual, and passes are made in float64.
PATIENCE = 3
# A step that leaves no more than this of the residual is good, whatever rounding does to F.
HALF = 0.5
# A step that leaves more than this of the residual asks for the Hessian where it ended.
SLOW = 0.3
# While rows miss by more than this there may be no point: each pass looks for a proof.
FAR = 1e-2
# Float32 passes are trusted down to this residual, relative to the size of the weights.
SINGLE = 1e-6
# Below this they show little but rounding.
SEEN = 2e-7
# What float32 and float64 sums may be off by, relative to the size of what is added up.
NOISE_SINGLE, NOISE_DOUBLE = 1e-6, 1e-13
# How stiff scalars are held, relative to the Hessian.
STIFF = 1e-4
# Prices leave at most this share of the cost of a scalar.
EXACT = 1e-11
ROUNDS = 8
# A line is searched this finely, in at most so many looks.
NEAR = 0.02
HALVINGS = 40
# So many units' prices may be kept for it.
REMEMBERED = 30_000_000


@frozen(eq=False)
class Point:
    """Prices y (k,), scalars t (q,), and what a pass at them added up.

    rows: (k,) `combine · u + scalars · t`. value: F(y), scalars included. miss: the largest
    distance of a row from where its price says it should be, relative to `size`, the size of
    the weights. ray: whether y proves that there are no weights.
    """

    y: Vector
    t: Vector
    sums: Sums
    rows: Vector
    value: float
    miss: float
    size: float
    ray: bool
    precise: bool


@define(eq=False, slots=False)
class Dual:
    """The dual function of a form at one link; passes are counted by the sweeper.

    trust: whether passes in the precision of the data may say that the rows hold.
    """

    form: Form
    sweeper: Sweeper
    link: Link
    trust: bool = False

    @cached_property
    def plain_ask(self) -> Ask:
        """Return what every pass adds up."""
        kinds = [budget.kind for budget in self.form.budgets]
        return Ask(entropy="entropy" in kinds, magnitude="magnitude" in kinds)

    @cached_property
    def asked(self) -> float:
        """Return how far the limits of rows lie from 0: no size of the weights is below that."""
        rows = self.form.rows
        away = np.maximum(np.maximum(rows.lower, -rows.upper), 0.0)
        return float(max(np.max(away, initial=0.0), 1e-7 * self.form.base.n**0.5))

    def prices(self, y: Vector) -> Prices:
        """Return what each base row is worth."""
        v = self.form.rows.combine.T @ y
        dense = self.form.base.dense
        groups = v[dense:] if self.form.base.groups is not None else None
        return Prices(v[:dense] + self.form.cost, groups)

    @property
    def stiffness(self) -> Vector:
        """Return the curvature of each scalar, (q,)."""
        scale = float(np.mean(self.link.ridge)) + self.link.entropy
        return STIFF * max(scale, 1e-12) / self.form.sizes**2

    def off(self, y: Vector) -> Vector:
        """Return what prices leave of the cost of each scalar, (q,): 0 at a solution."""
        return np.asarray(self.form.scalar_cost + self.form.rows.scalars.T @ y)

    def at(self, y: Vector, t: Vector, ask: Ask) -> Point:
        """Make a pass at prices y, with scalars t."""
        form = self.form
        sums = self.sweeper.sweep(self.prices(y), self.link, ask)
        base = sums.rows if sums.groups is None else np.concatenate([sums.rows, sums.groups])
        rows = form.rows.combine @ base + form.rows.scalars @ t
        sigma = support(form.rows, y)
        size = max(sums.square**0.5, self.asked)
        return Point(
            y=y,
            t=t,
            sums=sums,
            rows=rows,
            value=sums.value + sigma,
            miss=float(np.max(misses(form.rows, y, rows), initial=0.0)) / size,
            size=size,
            ray=ask.reach and self._is_ray(y, sums, sigma),
            precise=ask.precise or self.sweeper.dtype is np.float64,
        )

    def _is_ray(self, y: Vector, sums: Sums, sigma: float) -> bool:
        """Tell whether `y · (rows - limits)` is positive all over the box."""
        if np.any(self.form.cost) or not np.isfinite(sums.reach):
            return False
        push = self.form.rows.scalars.T @ y
        if np.any(push < 0) or np.any(self.form.rows.curvature * y):
            return False
        size = abs(sums.reach) + float(np.sum(np.abs(y)))
        return sums.reach + sigma < -1e-9 * size

    def descend(self, y: Vector, tolerance: float, hessian: Curvature | None = None) -> "Descent":
        """Minimise F from y until the rows miss by at most `tolerance`, relative."""
        single = self.sweeper.dtype is np.float32
        trust = self.trust or self.sweeper.sampled
        always = self.sweeper.sampled or self.form.base.n * self.form.base.dense <= 1 << 20
        ask = attrs.evolve(self.plain_ask, hessian=always or hessian is None, reach=True)
        point = self.at(y, np.zeros(self.form.sizes.size), ask)
        curvature = hessian
        fresh = hessian is not None
        stalled = 0
        scale = 0.0
        for _ in range(STEPS):
            if point.sums.hessian is not None:
                curvature, fresh = Curvature.of(self.form.rows, point.sums), True
            assert curvature is not None
            scale = max(scale, float(np.max(np.diag(curvature.dense), initial=0.0)))
            if point.ray and (point.precise or self.sweeper.sampled):
                return Descent(point, curvature, False, True)
            enough = tolerance if point.precise or not trust else max(tolerance, SEEN)
            if point.miss <= enough and (point.precise or trust) and self._settled(point):
                return Descent(point, curvature, True, False)
            near = point.ray or (point.miss <= max(tolerance, SINGLE) and not trust)
            precise = point.precise or near or stalled >= PATIENCE
            want = always or (not fresh and point.miss > max(tolerance, SINGLE))
            ask = attrs.evolve(
                self.plain_ask,
                hessian=want,
                reach=point.ray or point.miss > FAR or stalled > 0,
                precise=precise and single,
            )
            following = self._advance(point, curvature.with_floor(scale or 1.0), ask)
            if following is None and not point.precise:
                stalled = PATIENCE
                continue
            if following is None:
                return Descent(point, curvature, False, False)
            if following.miss > SLOW * point.miss:
                fresh = False
            stalled = stalled + 1 if following.miss > HALF * point.miss else 0
            curvature = self._bowed(curvature, point, following)
            point = following
        assert curvature is not None
        return Descent(point, curvature, point.miss <= tolerance, False)

    def _bowed(self, curvature: Curvature, point: Point, following: Point) -> Curvature:
        """Correct a Hessian by what the step did to the rows (a BFGS update)."""
        fallen = self._plain(point) - self._plain(following)
        noise = NOISE_SINGLE * point.size
        if following.sums.hessian is not None or float(np.max(np.abs(fallen))) <= noise:
            return curvature
        return curvature.updated(following.y - point.y, fallen)

    def _settled(self, point: Point) -> bool:
        """Tell whether the scalars are where their prices say."""
        return bool(np.all(np.abs(self.off(point.y)) <= EXACT * np.abs(self.form.scalar_cost)))

    def _advance(self, point: Point, curvature: Curvature, ask: Ask) -> Point | None:
        """Take the Newton step, shortened until F falls."""
        goal, t = self._goal(point, curvature)
        if not self._settled(point):
            return self.at(goal, t, ask)
        direction = goal - point.y
        slope = self._bent(point.y, direction) - float(np.dot(direction, self._plain(point)))
        length = 1.0
        best: Point | None = None
        for _ in range(TRIALS):
            y = goal if length == 1.0 else point.y + length * direction
            found = self.at(y, t if length == 1.0 else point.t + length * (t - point.t), ask)
            noise = NOISE_DOUBLE if found.precise and point.precise else NOISE_SINGLE
            allowance = noise * (abs(point.value) + abs(point.sums.value) + 1e-300)
            fallen = found.value <= point.value + 1e-4 * length * min(slope, 0.0) + allowance
            level = found.value <= point.value + NOISE_SINGLE * abs(point.value)
            if fallen or (level and found.miss <= HALF * point.miss):
                return found
            if level and (best is None or found.miss < best.miss):
                best = found
            length = self._shorter(point.y, direction, length)
        return best if best is not None and best.miss < point.miss else None

    def _goal(self, point: Point, curvature: Curvature) -> tuple[Vector, Vector]:
        """Return the prices and scalars of the full step.

        Scalars are free, so the step keeps `scalarsᵀ y = -cost`: an augmented Lagrangian in row
        space alone, whose multiplier is the scalar. They are raised by their cost, so that what
        keeps them from falling below 0 matters only where there is no point at all.
        """
        form = self.form
        rows, plain = form.rows, self._plain(point)
        if not form.names:
            return step(rows, curvature, plain, point.y), point.t
        stiff = self.stiffness
        stiffened = curvature.with_scalars(rows.scalars / np.sqrt(stiff))
        y, t = point.y, point.t
        for _ in range(ROUNDS):
            moved = curvature.times(y - point.y)
            sums = plain - moved + rows.scalars @ (t - self.off(y) / stiff)
            y = step(rows, stiffened, sums, y)
            t = t - self.off(y) / stiff
            if np.all(np.abs(self.off(y)) <= 0.1 * EXACT * np.abs(form.scalar_cost)):
                break
        return y, t

    def _plain(self, point: Point) -> Vector:
        """Return row sums without the scalars."""
        return point.rows - self.form.rows.scalars @ point.t

    def _shorter(self, y: Vector, direction: Vector, length: float) -> float:
        """Return where F is least along a direction, between 0 and a length where it has risen.

        The prices of units along the direction take one pass; looking along it takes none.
        """
        if self.form.base.n > REMEMBERED:
            return 0.25 * length
        v = self.form.rows.combine.T @ direction
        dense = self.form.base.dense
        ahead = Prices(v[:dense], None if self.form.base.groups is None else v[dense:])
        line = self.sweeper.line(self.prices(y), ahead, self.link)
        low, high = 0.0, length
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high) if low else 0.1 * high
            if high - low <= NEAR * high:
                break
            slope = line(middle) + self._bent(y + middle * direction, direction)
            low, high = (middle, high) if slope < 0 else (low, middle)
        return low if low else high

    def _bent(self, y: Vector, direction: Vector) -> float:
        """Return the slope along a direction of what is in row space alone."""
        rows = self.form.rows
        rising = np.where((y > 0) | ((y == 0) & (direction > 0)), rows.upper, rows.lower)
        rising = np.where(direction == 0, 0.0, np.where(np.isfinite(rising), rising, 0.0))
        return float(np.dot(direction, rising + rows.curvature * y))


@frozen(eq=False)
class Descent:
    """Where a descent ended. done: the rows hold. infeasible: y is a ray that proves it."""

    point: Point
    curvature: Curvature
    done: bool
    infeasible: bool
