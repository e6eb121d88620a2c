"""Weights that do not follow the noise: directions of the goals that are softened or dropped.

Meeting every goal exactly may take directions of χ that are mostly noise: the difference of two
rows that hardly differ, say. First the program is solved as it is written. The goals that bind
there, at shifts `z`, are taken apart into the stationary combinations c of their rows (see
`reliability`). Those that are reliable still hold exactly, `c·r = c·z`; the others cost
`κ (c·r - c·z)² / u`, u the share of noise, or nothing when dropped. Where only the default cost
counts, x is then the ridge solution `χᵀ (χχᵀ + noise)⁻¹ z` along them. κ is the cost of meeting z
over the squared length of z; it is 1 there, and gives the penalty the unit of any other objective.
All other statements hold as they stand.
"""

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
from attrs import frozen

from pattern_lang.ir.program import Reliable
from pattern_lang.ir.solution import Direction
from pattern_lang.solve.estimated import Estimated
from pattern_lang.solve.normal import (
    Affine,
    Atom,
    Combined,
    Matrix,
    NormalConstraint,
    NormalProgram,
    Terms,
    Vector,
)
from pattern_lang.solve.optimize import Answer, optimize
from pattern_lang.solve.prices import Final
from pattern_lang.solve.reliability import combinations
from pattern_lang.solve.statements import Ask, Statement

# Directions that goals below the noise need are kept from here on, without `reliable(…)`.
HALF = Reliable(0.5, "soft")
# A goal binds within this of its limit, relative to the limit and to the length of its row.
BINDS = 1e-5
LEAST = 1e-9


@frozen(eq=False)
class System:
    """The goals that bind, and the combinations of their rows of β χ.

    numbers: of the statements. z: (m,) shifts asked for. rates: (m,) how fast the cost rises with
    them. on_rows: (q, m), orthonormal rows over the units; reliability: (q,), falling.
    """

    numbers: tuple[int, ...]
    asks: tuple[Ask, ...]
    z: Vector
    rates: Vector
    reliability: Vector
    on_rows: Matrix

    @property
    def stiffness(self) -> float:
        """Return κ, at least 0."""
        size = float(np.sum((self.on_rows @ self.z) ** 2))
        return max(float(self.rates @ self.z), 0.0) / (2.0 * size) if size > 0 else 0.0

    @property
    def shares(self) -> Vector:
        """Return which share of each shift asked for is left without the noise, (m,); NaN for 0.

        Weights `x = χᵀ S⁻¹ z` follow noise that adds N to `S = χ χᵀ`, so the truth is `z - N S⁻¹ z`
        on average. Where bounds bind this is an approximation.
        """
        noise = np.linalg.pinv(self.on_rows) @ ((1.0 - self.reliability) * (self.on_rows @ self.z))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.z != 0, 1.0 - noise / self.z, np.nan)


@frozen(eq=False)
class Softened:
    """An answer whose weights follow the first `kept` combinations of a system, and how.

    rest: what became of the others. rates: (m,) how fast the cost rises with the shifts asked for.
    """

    answer: Answer
    system: System
    kept: int
    rest: str
    rates: Vector

    @property
    def prices(self) -> Mapping[int, tuple[float, ...]]:
        """Return the price of each ask of the statements in the system, as `Final.prices` does."""
        found: dict[int, tuple[float, ...]] = {}
        for number, ask, rate in zip(
            self.system.numbers, self.system.asks, self.rates, strict=True
        ):
            equal = ask.lower is not None and ask.lower == ask.upper
            price = float(rate) if equal else abs(float(rate))
            found[number] = (*found.get(number, ()), price)
        return found


def soften(
    program: NormalProgram,
    statements: tuple[Statement, ...],
    data: Estimated,
    hard: Answer,
    policy: Reliable,
    tolerance: float,
    system: System | None = None,
) -> Softened | None:
    """Solve again without the directions of the binding goals that are less reliable.

    hard: the answer to the program as it is written. None where all directions are reliable
    enough, the noise is not known, or nothing better comes of it. system: what `system_of`
    returns, where it is known.
    """
    system = system or system_of(statements, data, hard)
    if system is None:
        return None
    kept = int(np.sum(system.reliability >= policy.at))
    if kept == system.reliability.size:
        return None
    rest = policy.rest if system.stiffness > LEAST * LEAST else "dropped"
    made, owners = _rewritten(program, data, system, kept, rest)
    answer = optimize(_at_dose(made, hard), tolerance)
    if answer.status != "optimal":
        return None
    answer = attrs.evolve(answer, dose=hard.dose)
    return Softened(answer, system, kept, rest, _rates(answer, system, data, kept, rest, owners))


def system_of(statements: tuple[Statement, ...], data: Estimated, hard: Answer) -> System | None:
    """Return the goals that bind at an answer; None where there are none, or no known noise."""
    if hard.w is None:
        return None
    final = Final(hard.w, hard)
    picked: list[tuple[int, Ask, float, float]] = []
    for statement in statements:
        prices = final.prices(statement.number) if statement.is_goal else ()
        for place, ask in enumerate(statement.asks):
            z = _binding(ask, data, hard)
            if z is not None:
                picked.append((statement.number, ask, z, _rate(statement, place, ask, prices)))
    rows = [data.index(ask.observable) for _, ask, _, _ in picked]
    found = combinations(data.susceptibility, rows)
    if found is None:
        return None
    return System(
        tuple(number for number, _, _, _ in picked),
        tuple(ask for _, ask, _, _ in picked),
        np.array([z for _, _, z, _ in picked]),
        np.array([rate for _, _, _, rate in picked]),
        found.reliability,
        found.on_rows / data.susceptibility.beta,
    )


def directions_of(
    asks: tuple[Ask, ...], on_rows: Matrix, reliability: Vector, data: Estimated
) -> tuple[Direction, ...]:
    """Return combinations of rows of β χ as directions: their loadings have unit length."""
    loadings = on_rows * np.array([data.row(ask.observable).length for ask in asks])
    loadings /= np.linalg.norm(loadings, axis=1, keepdims=True)
    names = tuple(ask.observable for ask in asks)
    return tuple(
        Direction(float(share), names, tuple(own.tolist()))
        for share, own in zip(reliability, loadings, strict=True)
    )


def _binding(ask: Ask, data: Estimated, hard: Answer) -> float | None:
    """Return the limit that an ask sits on, None where it sits on none."""
    assert hard.w is not None
    row = data.row(ask.observable)
    if not row.length:
        return None
    factor = hard.dose if ask.per_dose else 1.0
    limits = [factor * limit for limit in (ask.lower, ask.upper) if limit is not None]
    if ask.lower is not None and ask.lower == ask.upper:
        return limits[0]
    shift = float(row.read() @ (hard.w - 1.0))
    near = [z for z in limits if abs(shift - z) <= BINDS * max(abs(z), 1e-4 * row.length)]
    return near[0] if near else None


def _rate(statement: Statement, place: int, ask: Ask, prices: tuple[float, ...]) -> float:
    """Return how fast the cost rises as the shift that is asked for rises."""
    if not prices:
        return 0.0
    match statement.kind:
        case "raise":
            return prices[0]
        case "lower":
            return -prices[0]
        case "hold" if len(prices) == 2:
            return prices[1] - prices[0]
        case _:
            return prices[place]


def _rewritten(
    program: NormalProgram, data: Estimated, system: System, kept: int, rest: str
) -> tuple[NormalProgram, tuple[int, ...]]:
    """Return the program with the combinations in the place of the goals, and their owners."""
    inside = frozenset(system.numbers)
    others = tuple(c for c in program.constraints if c.owner not in inside)
    first = 1 + max((c.owner for c in program.constraints), default=0)
    atoms = [Affine(data.row(ask.observable)) for ask in system.asks]
    held: list[NormalConstraint] = []
    cost: list[tuple[float, Atom]] = list(program.cost)
    for place, on_rows in enumerate(system.on_rows):
        terms: Terms = tuple((float(c), a) for c, a in zip(on_rows, atoms, strict=True) if c)
        target = float(on_rows @ system.z)
        if place < kept:
            held.append(NormalConstraint(terms, -target, equality=True, owner=first + place))
        elif rest == "soft":
            cost.append((_penalty(system, place), Combined("squares", ((terms, -target),))))
    made = attrs.evolve(program, constraints=(*others, *held), cost=tuple(cost))
    return made, tuple(first + place for place in range(kept))


def _penalty(system: System, place: int) -> float:
    return system.stiffness / max(1.0 - float(system.reliability[place]), LEAST)


def _at_dose(program: NormalProgram, hard: Answer) -> NormalProgram:
    return program.at_dose(hard.dose) if program.has_dose else program


def _rates(
    answer: Answer,
    system: System,
    data: Estimated,
    kept: int,
    rest: str,
    owners: tuple[int, ...],
) -> Vector:
    """Return how fast the cost rises with each shift that is asked for, (m,)."""
    assert answer.w is not None
    final, x = Final(answer.w, answer), answer.w - 1.0
    shifts = np.array([data.row(ask.observable).read() @ x for ask in system.asks])
    rates = np.zeros(system.reliability.size)
    for place in range(rates.size):
        if place < kept:
            prices: Any = final.prices(owners[place])
            rates[place] = prices[0] if prices else np.nan
        elif rest == "soft":
            missed = float(system.on_rows[place] @ (system.z - shifts))
            rates[place] = 2.0 * _penalty(system, place) * missed
    return np.asarray(rates @ system.on_rows)
