"""What a study found: plain values for files and pages."""

from attrs import frozen


@frozen
class Spread:
    """A mean over seeds with its 95 % interval, without limits for fewer than two seeds."""

    mean: float
    low: float | None
    high: float | None
    seeds: int


@frozen
class Verdict:
    """What became of one goal in one arm.

    requested: the closed range that was asked for, in `unit`, each end maybe open. predicted: the
    shift that χ predicts for the arm's weights, with the standard error of the estimate where it is
    known. realised: differences to the base arm, seed by seed. over_shuffled: differences to the
    shuffled control of the arm's pattern. p: that nothing moved, two-sided, corrected by Holm's
    method for all verdicts of the study. verdict: `moved as asked`, `moved the wrong way`,
    `within noise`, `held`, `not held`, `not measurable`, `one seed`, or `diverged` where a run of
    the arm did. remarks: what else to know, such as `unsound estimate`.
    """

    arm: str
    goal: str
    kind: str
    observable: str
    unit: str
    lower: float | None
    upper: float | None
    predicted: float | None
    stderr: float | None
    realised: Spread | None
    over_shuffled: Spread | None
    p: float | None
    verdict: str
    control: bool = False
    remarks: tuple[str, ...] = ()


@frozen
class Divergence:
    """A run that diverged: its loss was `value`, no finite number, after `step` steps."""

    arm: str
    seed: int
    step: int
    value: str


@frozen
class Point:
    """One value of a measure: of an arm, after some steps of one seed's run."""

    arm: str
    seed: int
    step: int
    measure: str
    value: float


@frozen
class Comparison:
    """A measure at the end of an arm's runs: its mean, and its difference to the base arm."""

    arm: str
    measure: str
    value: Spread
    over_base: Spread | None


@frozen
class Line:
    """Realised against predicted shifts of one observable, over arms: the slope through 0.

    points: of each arm, its name, what was predicted, and the mean that was realised.
    """

    observable: str
    unit: str
    points: tuple[tuple[str, float, Spread], ...]
    slope: Spread | None


@frozen
class StudyFindings:
    """Everything that a study found. `registration` is what was fixed before its first run."""

    name: str
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    steps: int
    points: tuple[Point, ...]
    verdicts: tuple[Verdict, ...]
    comparisons: tuple[Comparison, ...]
    lines: tuple[Line, ...]
    registration: dict[str, object]
    diverged: tuple[Divergence, ...] = ()
