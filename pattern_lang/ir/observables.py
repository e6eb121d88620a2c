"""Observables: linear combinations of primitives, each a scalar under one model's posterior."""

from attrs import field, frozen

from pattern_lang.diagnostics import Span
from pattern_lang.ir.sources import Argument, Component, DataSource, FunctionRef, ModelSource
from pattern_lang.semantics.units import Unit


@frozen
class Loss:
    """Mean loss of a model over the units of a data set, in nats."""

    model: ModelSource
    on: DataSource


@frozen
class LearningCoefficient:
    """Local learning coefficient, `nβ(⟨L⟩ - L(θ*))`.

    `held` fixes L while the data are re-weighted (kind A); otherwise it is the coefficient of the
    re-weighted problem (kind B). Dimensionless.
    """

    model: ModelSource
    on: DataSource
    held: bool


@frozen
class FreeEnergy:
    """Local free energy `F = -log Z` of a model on the re-weighted data (kind C), in nats."""

    model: ModelSource
    on: DataSource


@frozen
class UserObservable:
    """A user's function of (module, batch)."""

    function: FunctionRef
    model: ModelSource | None
    on: DataSource | None
    arguments: tuple[tuple[str, Argument], ...] = ()


@frozen
class Restricted:
    """A primitive whose posterior moves one component only.

    `posterior` is `"two-chain"` (as published: one chain set over the component, one over all
    parameters) or `"component"` (the exact response of a network in which only it moves).
    """

    primitive: "Primitive"
    component: Component
    posterior: str = "two-chain"


@frozen
class PrincipalDirection:
    """The k-th principal direction (from 1) of a family's standardised susceptibility matrix."""

    family: tuple["Observable", ...]
    k: int
    toward: DataSource | None = None


Primitive = (
    Loss | LearningCoefficient | FreeEnergy | UserObservable | Restricted | PrincipalDirection
)


@frozen
class Observable:
    """`Σ coefficient · primitive + constant`, with the name that files and reports use."""

    name: str
    unit: Unit
    terms: tuple[tuple[float, Primitive], ...]
    constant: float = 0.0
    origin: Span | None = field(default=None, eq=False, repr=False)
