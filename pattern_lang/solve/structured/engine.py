"""The structured solver as an engine: programs in standard form in, points with multipliers out."""

import numpy as np

from pattern_lang.solve.box import Box, Flags
from pattern_lang.solve.engine import EngineResult, Proof, Verdict
from pattern_lang.solve.normal import NormalProgram, Vector
from pattern_lang.solve.rewrite import is_bound
from pattern_lang.solve.structured.costs import OutsideError
from pattern_lang.solve.structured.driver import Driver, Found
from pattern_lang.solve.structured.form import Form, read, span
from pattern_lang.solve.structured.links import Link
from pattern_lang.solve.structured.newton import Dual
from pattern_lang.solve.structured.proof import Checked, Rule, check
from pattern_lang.solve.structured.rowspace import misses, support

NAME = "dual newton"
# Rows hold to this share of the tolerance, relative to the size of the weights.
SHARE = 0.1
TIGHTEST = 1e-12
CLOSEST = 1e-9


def solve_structured(
    program: NormalProgram, box: Box, tolerance: float, start: Vector | None = None
) -> EngineResult | None:
    """Solve a program in standard form, None where it is not structured or this does not finish.

    start: prices to begin with, as another program with the same rows ended.
    """
    try:
        form = read(program, box)
    except OutsideError:
        return None
    driver = Driver(form, max(SHARE * tolerance, TIGHTEST), max(tolerance, CLOSEST))
    if start is not None and start.shape == driver.y.shape:
        driver.y = start
    found, checked = _searched(program, box, form, driver)
    if driver.trust and checked is not None:
        point = found.point
        sums = form.rows.combine @ checked.sums.base + form.rows.scalars @ point.t
        if np.max(misses(form.rows, point.y, sums), initial=0.0) > tolerance * point.size:
            driver.trust = False
            found, checked = _searched(program, box, form, driver)
    if found.status == "infeasible":
        return _empty(program, form, found, driver)
    return None if checked is None else _result(program, form, found, driver, checked)


def _searched(
    program: NormalProgram, box: Box, form: Form, driver: Driver
) -> tuple[Found, Checked | None]:
    """Find prices, and check what they say where they are a solution."""
    found = driver.solve()
    if found.status != "optimal":
        return found, None
    rule, bound = _rules(form, found, driver)
    driver.sweeper.passes += 1.0
    return found, check(form, box, rule, bound, len(program.constraints), driver.sweeper.threads)


def _rules(form: Form, found: Found, driver: Driver) -> tuple[Rule, Rule]:
    """Return the rule that gives the weights, and that which gives the bound on their cost."""
    y = found.point.y if found.bound is None else found.bound
    dual = Dual(form, driver.sweeper, found.link)
    rule = _rule(form, dual, found.link, found.point.y)
    return rule, rule if found.link is found.priced else _rule(form, dual, found.priced, y)


def _result(
    program: NormalProgram, form: Form, found: Found, driver: Driver, checked: Checked
) -> EngineResult:
    y = found.point.y if found.bound is None else found.bound
    t = found.point.t
    rule, _ = _rules(form, found, driver)
    sums = form.rows.combine @ checked.sums.base
    bounds = _bounds(program, checked)
    multipliers, active, product, worst = _multipliers(
        program, form, found.prices, y, sums, t, bounds
    )
    soft = _soft(form, sums + form.rows.scalars @ t)
    cost = checked.sums.cost + float(form.cost @ checked.sums.base[: form.base.dense])
    cost += float(form.scalar_cost @ t) + soft + form.constant
    low = -checked.sums.conjugate - support(form.rows, y) + form.constant
    low -= sum(p * b.limit for b, p in zip(form.budgets, found.prices, strict=True))
    rows = np.full(0 if form.base.response is None else form.base.response.shape[0], np.nan)
    rows[form.base.picked] = checked.sums.base[: form.base.picked.size]
    passes = int(np.ceil(driver.sweeper.passes))
    flat = np.broadcast_to(np.zeros(1), (program.n,))
    # All that curves the cost: its own squares, a ridge of the search, the price of a ball.
    ridge = float(np.max(found.link.ridge)) if found.link.plain else 0.0
    size = max(1.0, checked.sums.square**0.5)
    begin = found.point.y / ridge if ridge > 0 else None
    return EngineResult(
        verdict=Verdict.OPTIMAL,
        x=checked.x,
        dose=float(t[form.names.index("dose")]) if "dose" in form.names else 1.0,
        multipliers=multipliers,
        slope=flat,
        curvature=flat,
        residual=0.0,
        dual_cost=low,
        cost_unit=form.cost_unit,
        active=active,
        at_lower=checked.at_lower,
        at_upper=checked.at_upper,
        iterations=passes,
        name=NAME,
        proof=Proof(
            primal_cost=cost,
            dual_cost=low,
            worst=worst / size,
            complementarity=product,
            passes=passes,
            rows=rows,
            rule=rule,
            start=begin,
            mass=float(checked.sums.base[form.base.dense - 1]),
            square=checked.sums.square,
            entropy=checked.sums.entropy,
            least=checked.sums.least,
            most=checked.sums.most,
        ),
    )


def _rule(form: Form, dual: Dual, link: Link, y: Vector) -> Rule:
    prices = dual.prices(y)
    return Rule(link, form.base.picked, prices.dense, prices.groups)


def _soft(form: Form, sums: Vector) -> float:
    """Return what soft targets cost at row sums."""
    rows = form.rows
    total = 0.0
    bent = rows.curvature > 0
    if np.any(bent):
        away = np.maximum(np.maximum(sums - rows.upper, rows.lower - sums)[bent], 0.0)
        total += float(np.sum(away**2 / (2.0 * rows.curvature[bent])))
    capped = np.isfinite(rows.most) & (rows.most > 0)
    return total + float(np.sum(rows.most[capped] * np.abs(sums - rows.upper)[capped]))


def _bounds(program: NormalProgram, checked: Checked) -> dict[int, float]:
    """Return the multiplier of each constraint on single weights, summed over units."""
    made: dict[int, float] = {}
    for index, constraint in enumerate(program.constraints):
        if is_bound(constraint):
            low, high = checked.sums.lower_price[index + 1], checked.sums.upper_price[index + 1]
            total = high - low if constraint.equality else high + low
            made[index] = float(total) / abs(constraint.terms[0][0])
    return made


def _multipliers(
    program: NormalProgram,
    form: Form,
    prices: tuple[float, ...],
    y: Vector,
    sums: Vector,
    t: Vector,
    bounds: dict[int, float],
) -> tuple[tuple[Vector, ...], tuple[Flags, ...], float, float]:
    """Return multipliers and active entries per constraint, and the worst product and miss."""
    rows = form.rows
    count = len(program.constraints)
    multipliers = [np.zeros(1) for _ in range(count)]
    active = [np.zeros(1, dtype=np.bool_) for _ in range(count)]
    for index, value in bounds.items():
        multipliers[index] = np.array([value])
    values = (sums + rows.scalars @ t) * rows.lengths
    y = y / rows.lengths
    lower, upper = rows.lower * rows.lengths, rows.upper * rows.lengths
    claimed = np.zeros((2, rows.count), dtype=np.bool_)
    product, worst = 0.0, 0.0
    for side in form.sides:
        where = span(side, form.starts)
        if side.constraint is None:
            continue
        lead, own = np.broadcast_to(side.lead, y[where].shape), y[where]
        miss = values[where] - side.level
        close = 1e-9 * (1.0 + np.abs(side.level))
        if side.equality:
            free = ~claimed[0, where] & ~claimed[1, where]
            price = np.where(free, own / lead, 0.0)
            claimed[:, where] = True
        else:
            high = lead > 0
            limit = np.where(high, upper[where], lower[where])
            free = np.where(high, ~claimed[1, where], ~claimed[0, where])
            free &= np.abs(limit - side.level) <= close * 1e-3
            push = np.where(high, np.maximum(own, 0.0), np.maximum(-own, 0.0))
            price = np.where(free, push / np.abs(lead), 0.0)
            claimed[1, where] |= high & free
            claimed[0, where] |= ~high & free
            miss = np.maximum(np.where(high, miss, -miss), 0.0)
        product = max(product, float(np.max(np.abs(price * lead * (values[where] - side.level)))))
        worst = max(worst, float(np.max(np.abs(miss) / rows.lengths[where])))
        multipliers[side.constraint] = np.asarray(price)
        active[side.constraint] = np.asarray(price != 0) | side.equality
    for budget, paid in zip(form.budgets, prices, strict=True):
        multipliers[budget.constraint] = np.array([paid * budget.price])
        active[budget.constraint] = np.array([paid > 0])
    return tuple(multipliers), tuple(active), product, worst


def _empty(program: NormalProgram, form: Form, found: Found, driver: Driver) -> EngineResult:
    """Return an infeasible program's ray as multipliers."""
    nothing: dict[int, float] = {}
    multipliers, active, _, _ = _multipliers(
        program, form, found.prices, found.point.y, found.point.rows, found.point.t, nothing
    )
    flat = np.broadcast_to(np.zeros(1), (program.n,))
    off = np.broadcast_to(np.zeros(1, dtype=np.bool_), (program.n,))
    return EngineResult(
        verdict=Verdict.INFEASIBLE,
        x=flat,
        dose=0.0,
        multipliers=multipliers,
        slope=flat,
        curvature=flat,
        residual=0.0,
        dual_cost=np.inf,
        cost_unit=form.cost_unit,
        active=active,
        at_lower=off,
        at_upper=off,
        iterations=int(np.ceil(driver.sweeper.passes)),
        name=NAME,
    )
