"""A pattern after lowering: goals on observables and convex constraints on the weights.

Everything here is symbolic. Amounts are in canonical units (nats, plain numbers) or in posterior
standard deviations (`Unit.SD`), which become numbers once the estimate is known.
"""

from attrs import field, frozen

from pattern_lang.diagnostics import Span
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.sources import Argument, Predicate, RowExpression
from pattern_lang.semantics.units import Unit

ONLINE = "online"


@frozen
class Amount:
    """A number in a canonical unit: `ONE`, `NATS` or `SD`."""

    value: float
    unit: Unit


@frozen
class Goal:
    """`shift | raise | lower | hold` of one observable.

    `kind` is the keyword. For shift the predicted shift equals the amount; raise: at least it;
    lower: at most minus it; hold: within plus and minus it. `source` is the statement's text.
    """

    kind: str
    observable: str
    amount: Amount
    source: str
    origin: Span | None = field(default=None, eq=False, repr=False)


@frozen
class Move:
    """`move [O…] along [c…] by Q`: the shifts are `t·c`, with `t = amount`, or the largest t."""

    observables: tuple[str, ...]
    direction: tuple[Amount, ...]
    amount: Amount | None
    source: str
    origin: Span | None = field(default=None, eq=False, repr=False)


@frozen
class Entries:
    """The vector w itself: the constraint holds for each unit."""


@frozen
class Mean:
    """mean(w)."""


@frozen
class Total:
    """sum(w)."""


@frozen
class GroupMass:
    """mass(w, across: row.FIELD): the constraint holds for each group's relative share."""

    field: str


@frozen
class ShareMass:
    """mass(w, of: PREDICATE): the relative share of the units that satisfy a predicate."""

    predicate: Predicate


@frozen
class Predicted:
    """predicted(O): the predicted shift of an observable, in its own unit (SD if asked so)."""

    observable: str
    unit: Unit


@frozen
class SumSquares:
    """sum_squares(scale·w + offset)."""

    scale: float
    offset: float


@frozen
class Norm:
    """norm(scale·w + offset), Euclidean."""

    scale: float
    offset: float


@frozen
class L1:
    """l1(scale·w + offset)."""

    scale: float
    offset: float


@frozen
class Maximum:
    """max(w); convex."""


@frozen
class Minimum:
    """min(w); concave."""


@frozen
class KL:
    """kl(w) = mean(w log w), in nats, with conserved mass."""


@frozen
class Chi2:
    """chi2(w) = mean((w - 1)²), with conserved mass."""


@frozen
class EffectiveSampleSize:
    """ess(w) = n⁻¹ (Σw)² / Σw², a share of n, with conserved mass; quasi-concave."""


@frozen
class Risk:
    """risk(O): the standard error of the predicted shift of an observable, in its own unit."""

    observable: str
    unit: Unit


@frozen
class UnitNumber:
    """A number of each unit's own, from its row fields: constant, with one value per unit."""

    expression: RowExpression


@frozen
class UnitCost:
    """`Σ_j a_j s_j f(scale·w_j + offset)`: a cost that adds up over units.

    `kind` is `squares` (f(z) = z²), `magnitudes` (|z|) or `huber` (z² up to |z| = `at`, and its
    tangent 2·at·|z| - at² beyond). a_j is the value of `weighted` for the unit, 1 without; s_j is
    `up` where z > 0 and `down` where z < 0.
    """

    kind: str
    scale: float
    offset: float
    weighted: RowExpression | None = None
    up: float = 1.0
    down: float = 1.0
    at: float = 1.0


@frozen
class Joined:
    """One number from a list of numbers in w.

    `kind` is `norm`, `squares`, `magnitudes` or `largest`. Every part has one entry; the parts of
    `largest` are convex, all others affine.
    """

    kind: str
    parts: tuple["Expression", ...]


Atom = (
    Entries
    | UnitNumber
    | UnitCost
    | Joined
    | Mean
    | Total
    | GroupMass
    | ShareMass
    | Predicted
    | SumSquares
    | Norm
    | L1
    | Maximum
    | Minimum
    | KL
    | Chi2
    | EffectiveSampleSize
    | Risk
)


@frozen
class Expression:
    """`Σ coefficient · atom + constant`."""

    terms: tuple[tuple[float, Atom], ...]
    constant: float = 0.0


@frozen
class Constraint:
    """`expression relation 0`, where `relation` is `<=` or `==`; convex as checked.

    `implied` marks what no one wrote: mass is conserved in every pattern. With `only`, a constraint
    on each unit holds for the units that satisfy the predicate.
    """

    expression: Expression
    relation: str
    source: str
    implied: bool = False
    origin: Span | None = field(default=None, eq=False, repr=False)
    only: Predicate | None = None


@frozen
class Objective:
    """`minimize` (or `maximize`, `sense = "maximize"`) an expression."""

    sense: str
    expression: Expression
    source: str
    origin: Span | None = field(default=None, eq=False, repr=False)


@frozen
class Reliable:
    """`require reliable(at, rest: …)`: what becomes of directions that are mostly noise.

    Directions of what the goals ask for keep a share of signal; where it is below `at`, they are
    `soft` (missed at a price that their noise sets) or `dropped`.
    """

    at: float
    rest: str
    source: str = ""
    origin: Span | None = field(default=None, eq=False, repr=False)


@frozen
class Schedule:
    """When the weights apply: `once`, `ramp` or `online`, with its settings."""

    kind: str
    arguments: tuple[tuple[str, Argument], ...] = ()


@frozen
class EmitTarget:
    """`emit TARGET(…)`: the target's name, its positional path and its options."""

    kind: str
    path: str
    arguments: tuple[tuple[str, Argument], ...] = ()
    origin: Span | None = field(default=None, eq=False, repr=False)


@frozen
class WeightPattern:
    """One pattern, ready to be estimated and solved."""

    name: str
    queries: Queries
    goals: tuple[Goal | Move, ...]
    constraints: tuple[Constraint, ...]
    objective: Objective
    schedule: Schedule
    targets: tuple[EmitTarget, ...]
    origin: Span | None = field(default=None, eq=False, repr=False)
    reliable: Reliable | None = None
