"""Functions of the weights, and how what they return bends (Boyd & Vandenberghe, §3)."""

from collections.abc import Mapping

from pattern_lang.semantics.signatures import Signature, needs, takes
from pattern_lang.semantics.types import (
    PREDICATE,
    REAL,
    ROW_NUMBER,
    ROW_VALUE,
    Curvature,
    ListType,
    ObservableType,
    Shape,
    Type,
    WeightType,
)
from pattern_lang.semantics.units import Unit

OBSERVABLE = ObservableType(None)
ENTRIES = WeightType(Shape.ENTRIES, Curvature.AFFINE)
NUMBER = WeightType(Shape.SCALAR, Curvature.AFFINE)
NUMBERS = ListType(NUMBER)
CONVEX_NUMBERS = ListType(WeightType(Shape.SCALAR, Curvature.CONVEX))
CONCAVE_NUMBERS = ListType(WeightType(Shape.SCALAR, Curvature.CONCAVE))


def _scalar(curvature: Curvature, unit: Unit = Unit.ONE) -> Type:
    return WeightType(Shape.SCALAR, curvature, unit)


def _mass(arguments: Mapping[str, Type]) -> Type:
    shape = Shape.GROUPS if "across" in arguments else Shape.SCALAR
    return WeightType(shape, Curvature.AFFINE)


def _in_unit_of_observable(curvature: Curvature) -> "_OfObservable":
    return _OfObservable(curvature)


class _OfObservable:
    """The result of `predicted(O)` and `risk(O)`: a number in the unit of O."""

    def __init__(self, curvature: Curvature) -> None:
        self.curvature = curvature

    def __call__(self, arguments: Mapping[str, Type]) -> Type:
        observable = arguments["o"]
        unit = observable.unit if isinstance(observable, ObservableType) else None
        return WeightType(Shape.SCALAR, self.curvature, unit or Unit.ONE, about=True)


class _OfParts:
    """The result of an atom of entries, or of numbers: in their unit unless it squares them."""

    def __init__(self, curvature: Curvature, *, squares: bool = False) -> None:
        self.curvature, self.squares = curvature, squares

    def __call__(self, arguments: Mapping[str, Type]) -> Type:
        part = arguments["of"]
        element = part.element if isinstance(part, ListType) else part
        if self.squares or not isinstance(element, WeightType) or element.shape is Shape.ENTRIES:
            return WeightType(Shape.SCALAR, self.curvature)
        return WeightType(Shape.SCALAR, self.curvature, element.unit, element.about)


_COSTS = (takes("weighted", ROW_VALUE, ROW_NUMBER), takes("up", REAL), takes("down", REAL))

WEIGHT_ATOMS = (
    Signature("mean", (needs("of", ENTRIES),), _scalar(Curvature.AFFINE), doc="Mean entry."),
    Signature("sum", (needs("of", ENTRIES),), _scalar(Curvature.AFFINE), doc="Sum of entries."),
    Signature(
        "mass",
        (needs("weights", ENTRIES), takes("across", ROW_VALUE), takes("of", PREDICATE)),
        _mass,
        doc="Share of each group, or of some units, relative to the baseline share.",
    ),
    Signature(
        "predicted",
        (needs("o", OBSERVABLE),),
        _in_unit_of_observable(Curvature.AFFINE),
        doc="Predicted shift of an observable.",
    ),
    Signature(
        "sum_squares",
        (needs("of", ENTRIES, NUMBERS), *_COSTS),
        _OfParts(Curvature.CONVEX, squares=True),
        doc="Sum of squared entries; `weighted:` by a row field, `up:` and `down:` by sign.",
    ),
    Signature(
        "l1",
        (needs("of", ENTRIES, NUMBERS), *_COSTS),
        _OfParts(Curvature.CONVEX),
        doc="Sum of magnitudes; `weighted:` by a row field, `up:` and `down:` by sign.",
    ),
    Signature(
        "huber",
        (needs("of", ENTRIES), needs("at", REAL)),
        _scalar(Curvature.CONVEX),
        doc="Sum of squares up to `at`, and of tangents to them beyond.",
    ),
    Signature(
        "norm",
        (needs("of", ENTRIES, NUMBERS),),
        _OfParts(Curvature.CONVEX),
        doc="Euclidean norm, of entries or of a list of numbers.",
    ),
    Signature(
        "max",
        (needs("of", ENTRIES, CONVEX_NUMBERS),),
        _OfParts(Curvature.CONVEX),
        doc="Largest entry, or largest of a list of numbers.",
    ),
    Signature(
        "min",
        (needs("of", ENTRIES, CONCAVE_NUMBERS),),
        _OfParts(Curvature.CONCAVE),
        doc="Smallest entry, or smallest of a list of numbers.",
    ),
    Signature(
        "square",
        (needs("of", NUMBER),),
        _OfParts(Curvature.CONVEX, squares=True),
        doc="Square of a number in w, such as a missed target.",
    ),
    Signature(
        "abs",
        (needs("of", NUMBER),),
        _OfParts(Curvature.CONVEX),
        doc="Magnitude of a number in w.",
    ),
    Signature(
        "kl",
        (needs("weights", ENTRIES),),
        _scalar(Curvature.CONVEX, Unit.NATS),
        doc="mean(w log w): divergence from the data as they stand.",
    ),
    Signature(
        "chi2",
        (needs("weights", ENTRIES),),
        _scalar(Curvature.CONVEX),
        doc="mean((w - 1)^2): chi-square divergence from the data as they stand.",
    ),
    Signature(
        "ess",
        (needs("weights", ENTRIES),),
        _scalar(Curvature.QUASI),
        doc="Effective sample size as a share of n.",
    ),
    Signature(
        "risk",
        (needs("o", OBSERVABLE),),
        _in_unit_of_observable(Curvature.CONVEX),
        doc="Standard error of the predicted shift of an observable.",
    ),
    Signature(
        "quantile",
        (needs("o", OBSERVABLE), needs("at", REAL)),
        _in_unit_of_observable(Curvature.OPEN),
        doc="Quantile of the predicted shift under its standard error; concave below 50 %.",
    ),
)
