"""The types of the language, and which values fit where."""

from enum import Enum

from attrs import frozen

from pattern_lang.semantics.units import Unit


@frozen
class Type:
    """The base of all types. `str` of a type is how messages write it."""


@frozen
class SimpleType(Type):
    """A type without arguments, known by its name."""

    name: str

    def __str__(self) -> str:
        return self.name


BOOL = SimpleType("Bool")
STRING = SimpleType("String")
MODEL = SimpleType("Model")
DATA = SimpleType("Data")
PREDICATE = SimpleType("Predicate")
COMPONENT = SimpleType("Component")
SAMPLER = SimpleType("Sampler")
SCHEDULE = SimpleType("Schedule")
OPTIMIZER = SimpleType("Optimizer")
TARGET = SimpleType("Target")

# Types that a spec cannot name but expressions have.
ROW = SimpleType("row")
ROW_VALUE = SimpleType("row field")
ROW_NUMBER = SimpleType("number from a row")
CONSTRAINT = SimpleType("constraint")
UNIT_CONSTRAINT = SimpleType("constraint on each unit")
RANGE = SimpleType("range")
PATTERN = SimpleType("pattern")
ARM = SimpleType("study arm")
RULES = SimpleType("rules")
MODULE = SimpleType("module")
FUNCTION = SimpleType("function")
STUDY = SimpleType("study")
UNIT = SimpleType("unit")
UNKNOWN = SimpleType("unknown")
"""The type of what has already been reported; it fits everywhere."""


@frozen
class NumberType(Type):
    """Int, Real and Quantity[unit]."""

    unit: Unit = Unit.ONE
    integer: bool = False

    def __str__(self) -> str:
        if self.unit is not Unit.ONE:
            return f"Quantity[{self.unit.value}]"
        return "Int" if self.integer else "Real"


INT = NumberType(integer=True)
REAL = NumberType()


@frozen
class ListType(Type):
    """List[T]; `element` is None for the empty list."""

    element: Type | None

    def __str__(self) -> str:
        if isinstance(self.element, WeightType):
            return "list of numbers in w"
        return f"List[{self.element}]" if self.element else "List"


@frozen
class ObservableType(Type):
    """Observable[unit]; `family` is the number of indices still to give (0: one observable)."""

    unit: Unit | None
    family: int = 0

    def __str__(self) -> str:
        unit = "" if self.unit in (None, Unit.ONE) else f"[{self.unit.value}]"
        return f"{'family of ' if self.family else ''}Observable{unit}"


class Curvature(Enum):
    """How an expression bends in w.

    `QUASI` is `ess`: only a lower bound on it is convex. `OPEN` is a multiple by a factor whose
    sign its value decides: the lowering, which knows it, refuses the wrong ones.
    """

    AFFINE = "affine"
    CONVEX = "convex"
    CONCAVE = "concave"
    QUASI = "quasiconcave"
    OPEN = "convex or concave"


class Shape(Enum):
    """What an expression in w has one value for."""

    SCALAR = "number"
    ENTRIES = "vector over units"
    GROUPS = "vector over groups"


@frozen
class WeightType(Type):
    """An expression in the weights.

    `about` says that it is made of predicted shifts alone, so that it can be measured in `sd`.
    """

    shape: Shape
    curvature: Curvature
    unit: Unit = Unit.ONE
    about: bool = False

    def __str__(self) -> str:
        return "Weights" if self == WEIGHTS else f"{self.curvature.value} expression in the weights"


WEIGHTS = WeightType(Shape.ENTRIES, Curvature.AFFINE)

_NAMED = (
    *(BOOL, INT, REAL, STRING, MODEL, DATA, PREDICATE, COMPONENT, WEIGHTS),
    *(SAMPLER, SCHEDULE, OPTIMIZER, TARGET),
)
SIMPLE_TYPES: dict[str, Type] = {str(type_): type_ for type_ in _NAMED}
TYPE_NAMES = (*SIMPLE_TYPES, "Quantity", "List", "Observable")


def fits(found: Type, wanted: Type) -> bool:
    """Tell whether a value of one type may stand where another is wanted."""
    if found == wanted or UNKNOWN in (found, wanted):
        return True
    match found, wanted:
        case NumberType(), NumberType():
            if wanted.integer and not found.integer and found.unit.canonical is Unit.ONE:
                return False
            counts = found.integer and wanted.unit in _COUNTS
            return counts or found.unit.converts_to(wanted.unit)
        case ListType(), ListType():
            if found.element is None or wanted.element is None:
                return True
            return fits(found.element, wanted.element)
        case ObservableType(), ObservableType():
            if wanted.unit and found.unit and not found.unit.converts_to(wanted.unit):
                return False
            return bool(found.family) == bool(wanted.family)
        case WeightType(), WeightType():
            # A number in w may have any unit: what takes it keeps the unit or squares it.
            flat = found.curvature in (Curvature.AFFINE, wanted.curvature)
            any_unit = found.shape is Shape.SCALAR or found.unit.converts_to(wanted.unit)
            return found.shape is wanted.shape and flat and any_unit
        case SimpleType(), SimpleType():
            return (found, wanted) in _ALSO_FITS
    return False


_COUNTS = frozenset({Unit.STEPS, Unit.TOKENS, Unit.SAMPLES, Unit.EPOCHS})
_ALSO_FITS = frozenset({(PATTERN, ARM), (ROW_VALUE, PREDICATE), (UNIT_CONSTRAINT, CONSTRAINT)})
