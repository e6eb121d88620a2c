"""Small estimates and patterns for the tests of the solver."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pattern_lang.diagnostics import SourceFile, Span
from pattern_lang.ir import program as ir
from pattern_lang.ir.noise import noise_of
from pattern_lang.ir.queries import Queries, Reweight, Sampler
from pattern_lang.ir.sources import DataSource, Predicate
from pattern_lang.ir.susceptibility import Estimate, Susceptibility, UnitTable
from pattern_lang.semantics.units import Unit

NAMES = tuple("abcdefgh")
SUM_SQUARES = ir.Expression(((1.0, ir.SumSquares(1.0, -1.0)),))


def response(
    rng: np.random.Generator, rows: int, n: int, scales: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Rows that sum to zero, as those of χ do."""
    chi = rng.normal(size=(rows, n))
    if scales is not None:
        chi *= np.asarray(scales)[:, None]
    return np.asarray(chi - chi.mean(axis=1, keepdims=True))


def estimate(
    chi: NDArray[Any],
    nbeta: float | None = None,
    sd: ArrayLike = 0.5,
    draws: int = 12,
    noise: float = 0.1,
    sizes: ArrayLike | None = None,
    fields: dict[str, NDArray[Any]] | None = None,
    seed: int = 0,
) -> Estimate:
    rows, n = chi.shape
    rng = np.random.default_rng(seed)
    scale = np.abs(chi).max(axis=1)[None, :, None]
    replicates = noise * scale * rng.normal(size=(draws, rows, n))
    replicates -= replicates.mean(axis=2, keepdims=True)
    replicates = (replicates - replicates.mean(axis=0) + chi).astype(np.float32)
    susceptibility = Susceptibility(
        observables=NAMES[:rows],
        observable_units=("nats",) * rows,
        chi=chi.astype(np.float32),
        mean=np.zeros(rows),
        sd=np.broadcast_to(np.asarray(sd, dtype=np.float64), (rows,)).copy(),
        noise=noise_of(replicates),
        nbeta=float(n if nbeta is None else nbeta),
    )
    columns = {"group": np.arange(n) % 4} if fields is None else fields
    size = np.ones(n) if sizes is None else np.asarray(sizes, dtype=np.float64)
    units = UnitTable("sample", np.arange(n, dtype=np.int64), size, columns)
    return Estimate(susceptibility, units, (), (), {}, True, 0.0)


def pattern(
    goals: Iterable[ir.Goal | ir.Move] = (),
    constraints: Iterable[ir.Constraint] = (),
    objective: ir.Expression = SUM_SQUARES,
    sense: str = "minimize",
) -> ir.WeightPattern:
    queries = Queries(
        Reweight(DataSource("d", "python"), "sample", None, "w"),
        Sampler("sgld", 1e-3, 1.0, 1.0, 1, 1, 1, 1),
        (),
        (),
    )
    return ir.WeightPattern(
        "p",
        queries,
        tuple(goals),
        tuple(constraints),
        ir.Objective(sense, objective, f"{sense} it"),
        ir.Schedule("once"),
        (),
    )


def goal(kind: str, observable: str, value: float, unit: Unit = Unit.NATS) -> ir.Goal:
    source = f"{kind} {observable} by {value:g} {unit.value}"
    return ir.Goal(kind, observable, ir.Amount(value, unit), source, span(source))


def move(
    names: str, direction: Iterable[float], amount: ir.Amount | None = None, unit: Unit = Unit.NATS
) -> ir.Move:
    steps = tuple(ir.Amount(float(c), unit) for c in direction)
    source = f"move [{', '.join(names)}]"
    return ir.Move(tuple(names), steps, amount, source, span(source))


def require(
    *terms: tuple[float, Any],
    constant: float = 0.0,
    equality: bool = False,
    only: Predicate | None = None,
) -> Any:
    relation = "==" if equality else "<="
    source = f"require {terms} + {constant} {relation} 0"
    return ir.Constraint(
        ir.Expression(terms, constant), relation, source, False, span(source), only
    )


def box(lower: float = 0.0, upper: float = 4.0) -> tuple[ir.Constraint, ir.Constraint]:
    return (
        require((-1.0, ir.Entries()), constant=lower),
        require((1.0, ir.Entries()), constant=-upper),
    )


def ess(share: float) -> ir.Constraint:
    return require((-1.0, ir.EffectiveSampleSize()), constant=share)


def span(text: str) -> Span:
    return Span(SourceFile("<test>", text), 0, len(text))
