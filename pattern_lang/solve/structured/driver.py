"""From a form to prices: a warm start, budgets, and programs without curvature of their own.

A budget is a part of the cost at a price ν; the price is found by a secant on how far the budget
is overdrawn. Where the cost leaves weights open (a linear objective, a largest dose), a ridge is
added and lowered until the gap to the program without it is closed.
"""

import attrs
import numpy as np
from attrs import define, field, frozen

from pattern_lang.solve.normal import Vector
from pattern_lang.solve.structured.curvature import Curvature
from pattern_lang.solve.structured.form import Form
from pattern_lang.solve.structured.links import Link
from pattern_lang.solve.structured.newton import Descent, Dual, Point
from pattern_lang.solve.structured.passes import Sweeper
from pattern_lang.solve.structured.reader import Budget
from pattern_lang.solve.structured.rowspace import support
from pattern_lang.solve.structured.sums import Ask, Sums
from pattern_lang.solve.structured.warm import sample_of

SAMPLED = 1e-2
# Rows that are to hold to this at best may be judged by float32 sums; the certificate follows.
TRUSTED = 1e-7
FALL = 8.0
# From this stage on the bound is looked for around the weights found.
CENTRED = 2
STAGES = 24
SECANTS = 40
MOST = 1e12
OVERDRAWN = 1e-10
# A gap that is not closed to this is no solution.
ENOUGH = 3e-6


@frozen(eq=False)
class Found:
    """What a search ended with.

    status: `optimal`, `infeasible`, `doubtful`. point: prices and sums. link: with the budgets'
    prices and the ridge; priced: without the ridge. prices: of the budgets. bound: other prices
    of rows, which give a better bound on the cost without the ridge.
    """

    status: str
    point: Point
    link: Link
    priced: Link
    prices: tuple[float, ...]
    ridge: float
    bound: Vector | None = None


@define(eq=False)
class Driver:
    """Solves a form; keeps the last prices and Hessian as the next start."""

    form: Form
    tolerance: float
    sweeper: Sweeper = field(init=False)
    y: Vector = field(init=False)
    closed: float = 1e-9
    curvature: Curvature | None = None
    started: bool = False
    trust: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        curved = self.form.link.least_curvature > 0 and not self.form.budgets
        self.trust = curved and self.tolerance >= TRUSTED
        self.sweeper = Sweeper(self.form.base)
        self.y = np.zeros(self.form.rows.count)

    def solve(self) -> Found:
        """Find the prices."""
        curved = self.form.link.least_curvature > 0
        return self._budgeted(0.0) if curved else self._lowered()

    def _descend(self, link: Link, tolerance: float | None = None) -> Descent:
        if not self.started:
            self._start(link)
        dual = Dual(self.form, self.sweeper, link, self.trust)
        found = dual.descend(self.y, tolerance or self.tolerance, self.curvature)
        if found.done:
            self.y, self.curvature = found.point.y, found.curvature
        return found

    def _start(self, link: Link) -> None:
        """Solve roughly on a sample of the units, and that from a sample of the sample.

        Groups that no sample can hold are left out of it, and have no price at first.
        """
        self.started = True
        if np.any(self.y):
            return
        form, sample = self.form, sample_of(self.form.base)
        if sample is None and form.rows.arrow:
            form = form.without_groups()
            sample = sample_of(form.base)
        samples: list[tuple[Form, Link]] = []
        while sample is not None:
            link = link.part(sample.units)
            form = attrs.evolve(form, base=sample.base)
            samples.append((form, link))
            sample = sample_of(sample.base)
        y, curvature = np.zeros(form.rows.count), None
        for form, link in reversed(samples):
            sweeper = Sweeper(form.base, whole=self.form.base.n)
            found = Dual(form, sweeper, link).descend(y, SAMPLED, curvature)
            self.sweeper.passes += sweeper.passes
            if found.done:
                y, curvature = found.point.y, found.curvature
        self.y[: y.size] = y
        self.curvature = curvature if y.size == self.y.size else None

    # Budgets

    def _budgeted(self, ridge: float) -> Found:
        """Solve with a ridge more, and the price that the budgets need."""
        plain = self.form.link.with_ridge(ridge)
        found = self._descend(plain)
        nothing = tuple(0.0 for _ in self.form.budgets)
        made = self._found(found, plain, self.form.link, nothing, ridge)
        if made.status != "optimal":
            return made
        over = [k for k, b in enumerate(self.form.budgets) if _overdraft(b, found.point.sums) > 0]
        if not over:
            return made
        if len(over) > 1:
            return self._found(found, plain, self.form.link, nothing, ridge, "doubtful")
        return self._priced(over[0], ridge, made)

    def _priced(self, number: int, ridge: float, free: Found) -> Found:
        """Find the price of one budget at which it is used up."""
        budget = self.form.budgets[number]
        if self._is_least(budget):
            # The weights nearest to 1 lie outside the ball, so all do.
            prices = tuple(1.0 if k == number else 0.0 for k in range(len(free.prices)))
            return attrs.evolve(free, status="infeasible", prices=prices)
        if budget.limit <= 0:
            return _as(free, "doubtful")
        price = max(float(np.mean(free.link.ridge)) + free.link.entropy, 1e-300)
        start = _logarithm(budget, free.point.sums)
        found = self._searched(number, ridge, price, start)
        return _as(free, "doubtful") if found is None else found

    def _searched(
        self, number: int, ridge: float, first: float, at_low: float = np.inf
    ) -> Found | None:
        """Search for the price of a budget from `first` on; None where it goes to 0."""
        budget = self.form.budgets[number]
        own = self.form.link
        if (own.kinks and budget.kind == "entropy") or (own.entropy and budget.kind == "magnitude"):
            return None  # no closed form for both
        low, high = 0.0, np.inf
        at_high = -np.inf
        price = first
        last: tuple[float, float] | None = None
        for _ in range(SECANTS):
            base = self.form.link.with_budget(budget.kind, price)
            found = self._descend(base.with_ridge(ridge))
            prices = tuple(price if k == number else 0.0 for k in range(len(self.form.budgets)))
            best = self._found(found, base.with_ridge(ridge), base, prices, ridge)
            if best.status != "optimal":
                return best
            off = _logarithm(budget, found.point.sums)
            if abs(off) <= OVERDRAWN or (off <= 0 and high - low < 1e-14 * high):
                break
            if off > 0:
                low, at_low = price, off
            else:
                high, at_high = price, off
            following = _next(price, off, last, low, high, at_low, at_high)
            last = (price, off)
            if not np.isfinite(following) or following > MOST * first:
                return _as(best, "doubtful")
            if following < first / MOST**0.5:
                return None
            price = following
        others = [b for k, b in enumerate(self.form.budgets) if k != number]
        if any(_overdraft(b, best.point.sums) > 0 for b in others):
            return _as(best, "doubtful")
        return best

    def _is_least(self, budget: Budget) -> bool:
        """Tell whether what the budget limits is all that the program minimises."""
        form = self.form
        link = form.link
        alone = link.plain and not isinstance(link.ridge, np.ndarray) and not link.slope
        soft = np.any(form.rows.curvature) or np.any(
            np.isfinite(form.rows.most) & (form.rows.most > 0)
        )
        return bool(
            budget.kind == "square"
            and alone
            and float(np.max(link.ridge)) > 0
            and not (np.any(form.cost) or form.names or soft)
        )

    # Without curvature

    def _lowered(self) -> Found:
        """Add a ridge and lower it until nothing is left of what it costs.

        Without finite bounds, or a budget that curves the cost, there is no bound to close on.
        """
        ridge = self._first_ridge()
        if len(self.form.budgets) == 1 and self.form.budgets[0].kind != "magnitude":
            # A budget that binds curves the cost by itself.
            curved = self._searched(0, 0.0, ridge) if self.form.budgets[0].limit > 0 else None
            if curved is not None and curved.status == "optimal":
                return curved
            self.y, self.curvature = np.zeros_like(self.y), None
        best: Found | None = None
        least = np.inf
        for stage in range(STAGES):
            found = self._budgeted(ridge)
            if found.status == "infeasible" or best is None:
                best = found
            if found.status != "optimal":
                break
            if found.priced.least_curvature <= 0 and not found.priced.bounded:
                if not self.form.budgets:
                    return _as(found, "doubtful")
                best = _as(found, "doubtful")
                ridge /= FALL
                continue
            found = self._exchanged(found)
            gap = self._gap(found, found.point.y)
            if gap > self.closed and stage >= CENTRED:
                found, gap = self._centred(found, gap)
            if gap < least:
                best, least = found, gap
            if gap <= self.closed or gap > 1e3 * least:
                break
            ridge /= FALL
        assert best is not None
        return best if least <= ENOUGH or best.status != "optimal" else _as(best, "doubtful")

    def _exchanged(self, found: Found) -> Found:
        """Count the ridge as part of the price of a binding budget on Σx², where there is one."""
        binding = [
            k for k, b in enumerate(self.form.budgets) if b.kind == "square" and found.prices[k] > 0
        ]
        if not binding:
            return found
        prices = list(found.prices)
        prices[binding[0]] += found.ridge
        return attrs.evolve(found, prices=tuple(prices), priced=found.link, ridge=0.0)

    def _centred(self, found: Found, gap: float) -> tuple[Found, float]:
        """Improve the bound: a ridge around the weights themselves pulls their prices nowhere."""
        centre = np.empty(self.form.base.n)
        precise = Ask(precise=True)
        prices = Dual(self.form, self.sweeper, found.link).prices(found.point.y)
        self.sweeper.sweep(prices, found.link, precise, out=centre)
        link = found.priced.around(found.ridge, centre)
        dual = Dual(self.form, self.sweeper, link)
        again = dual.descend(found.point.y, self.tolerance, self.curvature)
        if not again.done:
            return found, gap
        better = self._gap(found, again.point.y)
        if better >= gap:
            return found, gap
        return attrs.evolve(found, bound=again.point.y), better

    def _first_ridge(self) -> float:
        form = self.form
        n = form.base.n
        lengths = form.base.lengths()[: form.base.dense]
        sizes = [float(np.max(np.abs(form.cost) * lengths, initial=0.0)) / n**0.5]
        sizes += (np.abs(form.scalar_cost) * form.sizes / n**0.5).tolist()
        sizes += [float(np.mean(np.abs(k.jump) + np.abs(k.more))) for k in form.link.kinks]
        sizes.append(float(np.mean(form.link.ridge)))
        return float(max(*sizes, 1e-300))

    def _gap(self, found: Found, y: Vector) -> float:
        """Return the relative gap between the cost and the bound without the ridge."""
        point, form = found.point, self.form
        cost = self._linear(point) + self._unit_cost(found)
        return abs(cost - self._bound(found, y)) / max(form.cost_unit * 1e-3, abs(cost), 1e-300)

    def _linear(self, point: Point) -> float:
        form = self.form
        soft = 0.0
        bent = form.rows.curvature > 0
        if np.any(bent):
            soft += float(np.sum(0.5 * form.rows.curvature[bent] * point.y[bent] ** 2))
        extreme = np.isfinite(form.rows.most) & (form.rows.most > 0)
        miss = np.abs(point.rows - form.rows.upper)[extreme]
        soft += float(np.sum(form.rows.most[extreme] * miss))
        rows = float(np.dot(form.cost, point.sums.rows))
        return rows + float(np.dot(form.scalar_cost, point.t)) + soft

    def _unit_cost(self, found: Found) -> float:
        """Return Σφ(x) of the program, from the conjugate: what is added to φ is taken off."""
        prices = Dual(self.form, self.sweeper, found.link).prices(found.point.y)
        sums = found.point.sums
        through = -float(np.dot(prices.dense, sums.rows))
        if prices.groups is not None and sums.groups is not None:
            through -= float(np.dot(prices.groups, sums.groups))
        spent = sum(
            p * _spent(b, sums) for b, p in zip(self.form.budgets, found.prices, strict=True)
        )
        return float(through - sums.value - found.ridge * 0.5 * sums.square - spent)

    def _bound(self, found: Found, y: Vector) -> float:
        form = self.form
        dual = Dual(form, self.sweeper, found.priced)
        ask = Ask(precise=True)
        value = self.sweeper.sweep(dual.prices(y), found.priced, ask).value
        total = value + support(form.rows, y)
        total += sum(p * b.limit for b, p in zip(form.budgets, found.prices, strict=True))
        if form.names and not np.any(form.cost) and not any(found.prices):
            push = -float(np.dot(form.rows.scalars.T @ y, np.sign(-form.scalar_cost)))
            if len(form.names) == 1 and push > 0:
                total *= abs(float(form.scalar_cost[0])) / push
        return -total

    def _found(
        self,
        found: Descent,
        link: Link,
        priced: Link,
        prices: tuple[float, ...],
        ridge: float,
        status: str | None = None,
    ) -> Found:
        if status is None:
            status = "infeasible" if found.infeasible else "optimal" if found.done else "doubtful"
        return Found(status, found.point, link, priced, prices, ridge)


def _as(found: Found, status: str) -> Found:
    return Found(status, found.point, found.link, found.priced, found.prices, found.ridge)


def _spent(budget: Budget, sums: Sums) -> float:
    match budget.kind:
        case "square":
            return 0.5 * sums.square
        case "entropy":
            return sums.entropy
        case _:
            return sums.magnitude


def _overdraft(budget: Budget, sums: Sums) -> float:
    return _spent(budget, sums) - budget.limit * (1.0 + OVERDRAWN) if budget.limit > 0 else 1.0


def _logarithm(budget: Budget, sums: Sums) -> float:
    return float(np.log(max(_spent(budget, sums), 1e-300) / budget.limit))


def _next(
    price: float,
    off: float,
    last: tuple[float, float] | None,
    low: float,
    high: float,
    at_low: float,
    at_high: float,
) -> float:
    """Return the next price: a secant in logarithms within what brackets it."""
    if not np.isfinite(high):
        step = 4.0
        if last is not None and last[1] > 0 and last[0] < price and off < last[1]:
            slope = (off - last[1]) / (np.log(price) - np.log(last[0]))
            step = float(np.clip(np.exp(min(-off / slope, 9.0)) * 1.1, 1.5, 100.0))
        return price * step
    if low == 0.0:
        return high * float(np.clip(np.exp(off / 1.5), 0.01, 0.5))
    share = at_low / (at_low - at_high)
    secant = np.exp(np.log(low) + share * (np.log(high) - np.log(low)))
    if last is not None and last[1] != off and last[0] > 0:
        slope = (off - last[1]) / (np.log(price) - np.log(last[0]))
        tried = price * float(np.exp(np.clip(-off / slope, -50, 50))) if slope else secant
        if low < tried < high:
            return tried
    return float(np.clip(secant, low * (1 + 1e-15), high))
