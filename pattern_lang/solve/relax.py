"""How far a statement of a clash, alone, would have to give way for there to be weights.

What is sought is the least amount, in the unit of the statement's own limits, by which they all
move outwards so that the program is feasible, everything else as it stands. A guess comes from
one convex program; then the program is asked on both sides of it, and where the answers do not
bracket it closely, halving finds it.
"""

from collections.abc import Callable

import attrs
import numpy as np
from attrs import frozen

from pattern_lang.ir.program import Norm, SumSquares
from pattern_lang.solve.box import box_of
from pattern_lang.solve.conic.engine import solve_conic
from pattern_lang.solve.engine import Engine, Verdict
from pattern_lang.solve.infeasible import feasible, is_large
from pattern_lang.solve.normal import (
    Affine,
    Dose,
    NormalConstraint,
    NormalProgram,
    Terms,
    Vector,
    size_of,
    width,
)
from pattern_lang.solve.optimize import optimize
from pattern_lang.solve.response import ConstantRow
from pattern_lang.solve.rewrite import standard
from pattern_lang.solve.values import left_side, violation

# The answer is feasible with this much more, relative, and was seen infeasible with SHY less.
MORE = 1e-6
SHY = 1e-4
HALVINGS = 40
DOUBLINGS = 60
# Guesses below this, relative to the size of a row, are rounding.
LEAST = 1e-12


@frozen(eq=False)
class Giving:
    """A constraint of a statement with how it gives way: `left side + slope · amount`."""

    constraint: NormalConstraint
    slope: float

    def at(self, amount: float) -> NormalConstraint:
        """Return the constraint with an amount given."""
        constant = self.constraint.constant + self.slope * amount
        return attrs.evolve(self.constraint, constant=constant)

    def by(self, scalar: Dose) -> NormalConstraint:
        """Return the constraint with a variable amount given."""
        terms = (*self.constraint.terms, (self.slope, scalar))
        return attrs.evolve(self.constraint, terms=terms)


@frozen
class Give:
    """The least amount by which a statement must give way; `above`: an equality, upwards."""

    amount: float
    above: bool


def least_give(
    program: NormalProgram, owner: int, share: bool = False, engine: Engine = solve_conic
) -> Give | None:
    """Return the least amount by which a statement must give way, None where none is enough.

    program: with its constraints as they were made, not in standard form. A limit moves by the
    amount, an equality becomes a range of that half-width, and rows that share a dose may miss
    it by the amount; with `share`, the targets fall instead, by this share of themselves.
    """
    guess = _guess(program, owner, share, engine)
    if guess is None:
        return None

    def enough(amount: float) -> bool:
        return feasible(standard(given(program, owner, amount, share)), engine)

    size = min(size_of(c) for c in _own(program, owner))
    rounding = guess.amount <= LEAST * size
    amount = max(guess.amount, 0.0) if rounding else _proven(enough, guess.amount, share)
    return None if amount is None else attrs.evolve(guess, amount=amount)


def _proven(enough: Callable[[float], bool], guess: float, share: bool) -> float | None:
    """Return the least amount that is enough, beginning from a guess."""
    low, high = guess * (1.0 - SHY), guess * (1.0 + MORE)
    if enough(high):
        return high if not enough(low) else _halved(enough, 0.0, low)
    for _ in range(DOUBLINGS):
        low, high = high, 2.0 * high
        if share and high > 1.0:
            return None
        if enough(high):
            return _halved(enough, low, high)
    return None


def _halved(enough: Callable[[float], bool], low: float, high: float) -> float:
    """Return the least amount that is enough, between one that is not and one that is."""
    for _ in range(HALVINGS):
        if high - low <= MORE * high:
            break
        middle = 0.5 * (low + high)
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def given(program: NormalProgram, owner: int, amount: float, share: bool = False) -> NormalProgram:
    """Return the program in which a statement has given way by an amount."""
    made: list[NormalConstraint] = []
    for constraint in program.constraints:
        if constraint.owner == owner:
            made.extend(g.at(amount) for g in _givings(constraint, share))
        else:
            made.append(constraint)
    return attrs.evolve(program, constraints=tuple(made), conserved=_conserved(program, owner))


def _conserved(program: NormalProgram, owner: int) -> bool:
    """Tell whether the mean is still fixed at 1 when a statement gives way."""
    return program.conserved and not any(_is_mean(c) for c in _own(program, owner))


def _is_mean(constraint: NormalConstraint) -> bool:
    if not constraint.equality or len(constraint.terms) != 1:
        return False
    atom = constraint.terms[0][1]
    return isinstance(atom, Affine) and isinstance(atom.stored, ConstantRow)


def _own(program: NormalProgram, owner: int) -> tuple[NormalConstraint, ...]:
    return tuple(c for c in program.constraints if c.owner == owner)


def _givings(constraint: NormalConstraint, share: bool) -> tuple[Giving, ...]:
    if share:
        return (Giving(constraint, constraint.target),)
    if not constraint.equality:
        return (Giving(constraint, -1.0),)
    step = sum(abs(c) for c, atom in constraint.terms if isinstance(atom, Dose)) or 1.0
    below = attrs.evolve(
        constraint,
        terms=tuple((-c, atom) for c, atom in constraint.terms),
        constant=-np.asarray(constraint.constant, dtype=np.float64),
        target=-constraint.target,
        equality=False,
    )
    return (Giving(attrs.evolve(constraint, equality=False), -step), Giving(below, -step))


def _guess(program: NormalProgram, owner: int, share: bool, engine: Engine) -> Give | None:
    """Return about how much is needed, None where the rest is infeasible by itself."""
    whole = standard(program)
    others = frozenset(c.owner for c in program.constraints) - {owner}
    rest = whole.only(others)
    if box_of(rest).crossed:
        return None
    own = _own(program, owner)
    w = None if share else _nearest(rest, _own(whole, owner))
    if w is None and not is_large(program):
        w, amount = _by_cones(rest, _own(whole, owner), share, engine)
        if share or w is None:
            return None if amount is None else Give(amount, False)
    if w is None:
        return Give(_size(own, share), False) if feasible(rest, engine) else None
    entries = left_side(own[0], w, 0.0)
    above = float(np.max(entries)) > -float(np.min(entries))
    return Give(max(_missed(c, w) for c in own), above)


def _size(own: tuple[NormalConstraint, ...], share: bool) -> float:
    """Return a small amount to begin doubling from."""
    if share:
        return 1e-6
    limits = [float(np.max(np.abs(np.asarray(c.constant - c.target)))) for c in own]
    return 1e-6 * (max(limits) or min(size_of(c) for c in own))


def _missed(constraint: NormalConstraint, w: Vector) -> float:
    step = sum(abs(c) for c, atom in constraint.terms if isinstance(atom, Dose)) or 1.0
    return violation(constraint, w, 0.0) / step


def _nearest(rest: NormalProgram, own: tuple[NormalConstraint, ...]) -> Vector | None:
    """Return weights of the rest that come nearest to a statement of one row, or one number."""
    if any(isinstance(atom, Dose) for c in rest.constraints for _, atom in c.terms):
        return None
    if any(width(c.terms, rest.n) > 1 or c.units is not None for c in own):
        return None
    if all(isinstance(atom, Affine) for c in own for _, atom in c.terms):
        return _along_row(rest, own)
    if len(own) > 1 or own[0].equality:
        return None
    return _least(rest, _as_cost(own[0].terms))


def _along_row(rest: NormalProgram, own: tuple[NormalConstraint, ...]) -> Vector | None:
    """Go to the end of what the rest allows, on the side where the statement is."""
    first = own[0]
    if any(_row_of(c) != _row_of(first) for c in own):
        return None
    level = float(np.max(np.asarray(first.constant))) - first.target
    down: Terms = first.terms
    up: Terms = tuple((-c, atom) for c, atom in down)
    # The statement wants `terms = -level`: from 0, that is up where the level is negative.
    sides = (up, down) if level < 0 else (down, up)
    for cost in sides if len(own) > 1 or first.equality else (down,):
        w = _least(rest, cost)
        if w is None:
            return None
        entries = float(left_side(attrs.evolve(first, units=None), w, 0.0)[0])
        if (entries < 0) == (cost is up) or (len(own) == 1 and not first.equality):
            return w
    return None


def _row_of(constraint: NormalConstraint) -> object:
    if len(constraint.terms) != 1:
        return id(constraint)
    stored = constraint.terms[0][1].stored  # type: ignore[union-attr]
    return getattr(stored, "index", id(stored))


def _as_cost(terms: Terms) -> Terms:
    """Return what is least where an expression is: of a lone norm, its square."""
    if len(terms) != 1:
        return terms
    coefficient, atom = terms[0]
    if isinstance(atom, Norm):
        return ((coefficient, SumSquares(atom.scale, atom.offset)),)
    return terms


def _least(rest: NormalProgram, cost: Terms) -> Vector | None:
    answer = optimize(attrs.evolve(rest, cost=cost), 1e-9)
    return answer.w if answer.status == "optimal" else None


def _by_cones(
    rest: NormalProgram, own: tuple[NormalConstraint, ...], share: bool, engine: Engine
) -> tuple[Vector | None, float | None]:
    """Return weights, and the amount in standard form, of the program with a variable amount."""
    givings = [g for c in own for g in _givings(c, share)]
    sizes = [size_of(g.constraint) / abs(g.slope) for g in givings if g.slope]
    amount = Dose("give", min(sizes, default=1.0) if not share else 1.0)
    wide = attrs.evolve(
        rest,
        constraints=(*rest.constraints, *(g.by(amount) for g in givings)),
        cost=((1.0, amount),),
    )
    if share:
        cap = NormalConstraint(((1.0, amount),), -1.0, owner=-1)
        wide = attrs.evolve(wide, constraints=(*wide.constraints, cap))
    result = engine(wide, box_of(wide), 1e-9)
    if result.verdict is Verdict.INFEASIBLE or not np.all(np.isfinite(result.x)):
        return None, None
    return box_of(rest).clip(result.w), float(result.dual_cost)
