"""What expressions evaluate to while a checked spec is lowered."""

from collections.abc import Mapping
from fractions import Fraction

from attrs import field, frozen

from pattern_lang.diagnostics import Problem, Span
from pattern_lang.ir import program as ir
from pattern_lang.ir.observables import Observable
from pattern_lang.ir.queries import Sampler
from pattern_lang.ir.sources import (
    Component,
    DataSource,
    ModelSource,
    Predicate,
    RowExpression,
)
from pattern_lang.ir.training import Optimizer
from pattern_lang.semantics.scope import Scope, Symbol
from pattern_lang.semantics.units import Unit


class LoweringError(Exception):
    """A value that the types allow and the language does not; carries the problem.

    Without a problem it stands on something that has already been reported.
    """

    def __init__(self, problem: Problem | None) -> None:
        super().__init__(problem.code if problem else "already reported")
        self.problems: tuple[Problem, ...] = (problem,) if problem else ()


@frozen
class Num:
    """A number in a canonical unit, exact as long as the arithmetic is rational."""

    value: Fraction | float
    unit: Unit = Unit.ONE

    @property
    def real(self) -> float:
        """Return the number as a float."""
        return float(self.value)


@frozen
class Interval:
    """A half-open range of integers."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.low}..{self.high}"


@frozen
class Weighted:
    """An expression in w, in a canonical unit. `about` are the observables it mentions."""

    expression: ir.Expression
    unit: Unit = Unit.ONE
    about: tuple[Observable, ...] = ()


@frozen(eq=False)
class Family:
    """A family of observables: its declaration and the range of each index."""

    name: str
    symbol: Symbol
    ranges: tuple[tuple[str, Interval], ...]


@frozen(eq=False)
class Body:
    """A pattern or rules with its arguments: statements and the environment to read them in."""

    name: str
    symbol: Symbol
    environment: "Environment"
    origin: Span | None = None
    """Where its arguments are given."""


@frozen(eq=False)
class Recipe:
    """An arm of a study before its patterns are lowered: a control with what it is of."""

    kind: str
    of: "Value | None" = None
    row: "RowExpression | Predicate | None" = None
    doses: tuple[float, ...] = ()


@frozen
class Unlowered:
    """What a checked spec may hold and nothing needs: the name of a core function."""

    name: str


Value = (
    Num
    | str
    | bool
    | Interval
    | tuple["Value", ...]
    | ModelSource
    | DataSource
    | Component
    | Predicate
    | RowExpression
    | Observable
    | Family
    | Weighted
    | Sampler
    | ir.Schedule
    | ir.EmitTarget
    | ir.Reliable
    | Body
    | Optimizer
    | Recipe
    | Unlowered
)


@frozen(eq=False)
class Environment:
    """Where names are looked up during evaluation: a module, and values of locals."""

    scope: Scope
    values: Mapping[str, Value] = field(factory=dict)
