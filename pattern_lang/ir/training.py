"""Training runs and studies, as the spec asks for them: nothing is loaded yet."""

from attrs import field, frozen

from pattern_lang.diagnostics import Span
from pattern_lang.ir.observables import Observable
from pattern_lang.ir.program import WeightPattern
from pattern_lang.ir.sources import Arguments, FunctionRef, ModelSource, Predicate, RowExpression

SCRATCH, CHECKPOINT = "scratch", "checkpoint"
CONSTANT, LINEAR, COSINE = "constant", "linear", "cosine"


@frozen
class Optimizer:
    """How networks are trained: torch's optimizer of that `kind`, or one of the user's own.

    steps: how many steps. batch: rows per step. arguments: what the optimizer is made with, `lr`
    among it. start: from fresh parameters (`scratch`) or from the model's own `checkpoint`.
    warmup: steps in which the rate rises from 0. decay: how it falls from then on, to 0 at the
    last step unless it is `constant`. clip: the largest Euclidean norm of a gradient.
    function: of kind `python`, what makes an optimizer of the module. network: the one to train,
    None for the one that the pattern's observables are about.
    """

    kind: str
    steps: int
    batch: int
    arguments: Arguments = ()
    start: str = SCRATCH
    warmup: int = 0
    decay: str = CONSTANT
    clip: float | None = None
    function: FunctionRef | None = None
    network: ModelSource | None = None
    origin: Span | None = field(default=None, eq=False, repr=False)


@frozen
class Base:
    """No weights: every unit counts alike."""


@frozen(eq=False)
class Steered:
    """The weights of a pattern, with its schedule."""

    pattern: WeightPattern


@frozen(eq=False)
class Shuffled:
    """The weights of an arm, permuted over all units, or `among` those with one row value."""

    arm: "ArmKind"
    among: RowExpression | Predicate | None = None


@frozen(eq=False)
class RandomDirection:
    """Weights as far from 1 as those of an arm, in a random direction."""

    arm: "ArmKind"


@frozen(eq=False)
class Heuristic:
    """Weights that follow a row value, or a predicate, as far from 1 as those of an arm."""

    row: RowExpression | Predicate
    like: "ArmKind"


@frozen(eq=False)
class Dosed:
    """The change that an arm makes, times a number: `w = 1 + dose · (w_arm - 1)`."""

    arm: "ArmKind"
    dose: float


ArmKind = Base | Steered | Shuffled | RandomDirection | Heuristic | Dosed


@frozen(eq=False)
class Arm:
    """One arm of a study: its name in files and reports, and where its weights come from."""

    name: str
    kind: ArmKind
    origin: Span | None = field(default=None, repr=False)

    @property
    def pattern(self) -> WeightPattern | None:
        """Return the pattern that the weights come from, None for the base arm."""
        return pattern_of(self.kind)


def pattern_of(kind: ArmKind) -> WeightPattern | None:
    """Return the pattern that an arm's weights come from, None for the base arm."""
    match kind:
        case Base():
            return None
        case Steered(pattern=pattern):
            return pattern
        case Heuristic(like=inner):
            return pattern_of(inner)
        case Shuffled(arm=inner) | RandomDirection(arm=inner) | Dosed(arm=inner):
            return pattern_of(inner)


@frozen
class Measure:
    """Observables whose values are taken every so many steps; at start and end in any case."""

    observables: tuple[Observable, ...]
    every: int | None = None
    origin: Span | None = field(default=None, eq=False, repr=False)


@frozen(eq=False)
class Study:
    """Arms × seeds, trained alike and compared. A study without `using` has no optimizer."""

    name: str
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    optimizer: Optimizer | None
    measures: tuple[Measure, ...] = ()
    origin: Span | None = field(default=None, repr=False)
