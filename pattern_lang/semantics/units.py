"""Units of quantities, and which of them convert into each other."""

from enum import Enum
from math import log

from pattern_lang.diagnostics.suggest import closest


class Unit(Enum):
    """A unit of the language. `ONE` is a plain number."""

    ONE = "1"
    NATS = "nats"
    BITS = "bits"
    SD = "sd"
    PERCENT = "%"
    STEPS = "steps"
    TOKENS = "tokens"
    SAMPLES = "samples"
    EPOCHS = "epochs"

    @property
    def canonical(self) -> "Unit":
        """Return the unit that values of this one are converted to: nats, 1, or itself."""
        return _CANONICAL.get(self, self)

    @property
    def factor(self) -> float:
        """Return how many canonical units one of this unit is."""
        return _FACTOR.get(self, 1.0)

    @property
    def words(self) -> str:
        """Write what a value in this unit is, as messages do."""
        return "without a unit" if self is Unit.ONE else f"in {self.value}"

    def converts_to(self, other: "Unit") -> bool:
        """Tell whether a value in this unit can be written in another."""
        return self.canonical is other.canonical


_CANONICAL = {Unit.BITS: Unit.NATS, Unit.PERCENT: Unit.ONE}
_FACTOR = {Unit.BITS: log(2.0), Unit.PERCENT: 0.01}

UNIT_NAMES: dict[str, Unit] = {unit.value: unit for unit in Unit if unit is not Unit.ONE}


def unit_advice(name: str) -> str:
    """Return the next step for a name that is no unit."""
    return closest(name, UNIT_NAMES, f"units are {', '.join(UNIT_NAMES)}")
