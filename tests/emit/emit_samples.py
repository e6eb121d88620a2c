"""Realistic inputs for `emit`, made without sampling or solving anything."""

from typing import Any

import numpy as np
from attrs import evolve
from numpy.typing import NDArray

from pattern_lang.diagnostics import SourceFile, Span
from pattern_lang.ir.noise import noise_of
from pattern_lang.ir.observables import Loss, Observable
from pattern_lang.ir.program import (
    Amount,
    Constraint,
    EffectiveSampleSize,
    EmitTarget,
    Entries,
    Expression,
    Goal,
    Mean,
    Objective,
    Schedule,
    SumSquares,
    WeightPattern,
)
from pattern_lang.ir.queries import PosteriorQuery, Queries, Reason, Reweight, Sampler
from pattern_lang.ir.solution import GoalOutcome, Solution
from pattern_lang.ir.sources import DataSource, FileRef, FunctionRef, ModelSource
from pattern_lang.ir.susceptibility import (
    ChainTrace,
    Estimate,
    PosteriorDiagnostics,
    Susceptibility,
    UnitTable,
)
from pattern_lang.semantics.units import Unit

SPEC = """edition 2026

## How far to push the hard loss down, in posterior standard deviations.
param dose: Quantity[sd] = 1 sd

model base  = torch("model.py:build", weights: "base.safetensors")
data train  = python("data.py:train")
data probe  = python("data.py:probe")

observable easy_loss   = loss(base, on: probe where row.kind == "easy")
observable normal_loss = loss(base, on: probe where row.kind == "normal")
observable hard_loss   = loss(base, on: probe where row.kind == "hard")

## Rely less on the cue: better where it misleads, no worse where it is right or absent.
pattern steer {
  reweight train per sample as w
  lower    hard_loss by dose
  hold     easy_loss within 0.25 sd
  hold     normal_loss within 0.25 sd
  require  0 <= w <= 5
  require  mean(w) == 1
  require  ess(w) >= 50 %
  minimize sum_squares(w - 1)
  estimate sgld(step: 3e-4, nbeta: 900, localization: 90, batch: 256, chains: 4, draws: 1000)
  emit     weights("weights.parquet")
}
"""

OBSERVABLES = ("easy_loss", "normal_loss", "hard_loss")
SD = np.array([0.0021, 0.0148, 0.0627])
FILE = SourceFile("steer.pat", SPEC)


def span(text: str) -> Span:
    start = SPEC.index(text)
    return Span(FILE, start, start + len(text))


def model() -> ModelSource:
    builder = FunctionRef(FileRef("model.py", ("/home/someone/model.py",)), "build")
    weights = FileRef("base.safetensors", ("/home/someone/base.safetensors",))
    return ModelSource("base", "torch", builder=builder, weights=weights)


def data(name: str) -> DataSource:
    function = FunctionRef(FileRef("data.py", ("/home/someone/data.py",)), name)
    return DataSource(name, "python", function=function)


def pattern(
    targets: tuple[EmitTarget, ...] = (),
    unit: str = "sample",
    group_field: str | None = None,
    constraints: tuple[Constraint, ...] | None = None,
) -> WeightPattern:
    sampler = Sampler("sgld", 3e-4, 900.0, 90.0, 256, 4, 1000, 500)
    observables = tuple(
        Observable(name, Unit.NATS, ((1.0, Loss(model(), data("probe"))),)) for name in OBSERVABLES
    )
    reason = Reason("lower    hard_loss by dose", "/home/someone/steer.pat:17:3")
    queries = Queries(
        Reweight(data("train"), unit, group_field, "w"),
        sampler,
        observables,
        (PosteriorQuery(model(), None, OBSERVABLES, (reason,)),),
    )
    return WeightPattern(
        name="steer",
        queries=queries,
        goals=(Goal("lower", "hard_loss", Amount(1.0, Unit.SD), "lower    hard_loss by dose"),),
        constraints=box() if constraints is None else constraints,
        objective=Objective(
            "minimize", Expression(((1.0, SumSquares(1.0, -1.0)),)), "minimize sum_squares(w - 1)"
        ),
        schedule=Schedule("once"),
        targets=targets,
    )


def box() -> tuple[Constraint, ...]:
    source = "require  0 <= w <= 5"
    return (
        Constraint(Expression(((-1.0, Entries()),), 0.0), "<=", source),
        Constraint(Expression(((1.0, Entries()),), -5.0), "<=", source),
        Constraint(Expression(((1.0, Mean()),), -1.0), "==", "require  mean(w) == 1"),
        Constraint(Expression(((-1.0, EffectiveSampleSize()),), 0.5), "<=", "ess"),
    )


def units(n: int = 900, seed: int = 0) -> UnitTable:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 10, n)
    agrees = rng.random(n) > 0.05
    cue = np.where(agrees, label, (label + rng.integers(1, 10, n)) % 10)
    note = [
        f"digit {i}: a {a}, cue says {b}" for i, (a, b) in enumerate(zip(label, cue, strict=True))
    ]
    fields: dict[str, NDArray[Any]] = {
        "label": label,
        "cue_agrees": agrees.astype(np.int64),
        "kind": np.where(agrees, "agrees", "disagrees"),
        "note": np.array(note),
        "ink": np.round(rng.gamma(8, 3, n), 2),
    }
    return UnitTable("sample", np.arange(n), np.ones(n), fields)


def estimate(n: int = 900, seed: int = 0, table: UnitTable | None = None) -> Estimate:
    rng = np.random.default_rng(seed + 1)
    table = units(n, seed) if table is None else table
    kind = np.asarray(table.fields.get("cue_agrees", np.ones(n)), np.float64)
    label = np.asarray(table.fields.get("label", np.zeros(n)), np.float64)
    base = rng.standard_normal((4, n))
    chi = np.stack(
        [
            0.2 * base[0] + 0.3 * (1 - kind),
            base[1] - 0.5 * (1 - kind) + 0.4 * base[3],
            1.4 * base[3] - 5.0 * (1 - kind) + 0.25 * (label - 4.5),
        ]
    )
    chi = chi * SD[:, None]
    chi -= chi.mean(axis=1, keepdims=True)
    noise = rng.standard_normal((16, 3, n)) * 0.3 * SD[:, None]
    susceptibility = Susceptibility(
        observables=OBSERVABLES,
        observable_units=("nats",) * 3,
        chi=chi.astype(np.float32),
        mean=np.array([0.011, 0.62, 2.31]),
        sd=SD,
        noise=noise_of(chi + noise),
        nbeta=900.0,
    )
    return Estimate(
        susceptibility=susceptibility,
        units=table,
        traces=tuple(traces(rng)),
        diagnostics=diagnoses(),
        digests={"data": "sha256:" + "d" * 64, "model:base": "sha256:" + "e" * 64, "queries": "q"},
        sampled=True,
        seconds=12.5,
    )


def traces(rng: np.random.Generator) -> list[ChainTrace]:
    found = []
    for posterior, level, chains in (("base", 0.031, 4), ("base restricted to layer 0", 0.012, 3)):
        for chain in range(chains):
            noise = np.zeros(1000)
            for i in range(1, 1000):
                noise[i] = 0.96 * noise[i - 1] + rng.standard_normal() * 0.08 * level
            rise = level * (1 - np.exp(-np.arange(1000) / 60))
            found.append(
                ChainTrace(posterior, chain, 1000 + chain, rise + noise, np.zeros((1000, 3)))
            )
    return found


def diagnoses() -> tuple[PosteriorDiagnostics, ...]:
    halves = (("easy_loss", 0.91), ("normal_loss", 0.95), ("hard_loss", 0.97))
    weak = ("R-hat is 1.09, above 1.05: the chains do not agree yet",)
    return (
        PosteriorDiagnostics("base", 1.012, 412.0, 9.7, 0.0314, 0.0306, halves, "sound", True),
        PosteriorDiagnostics(
            "base restricted to layer 0",
            1.09,
            61.0,
            49.2,
            0.0314,
            0.0121,
            halves,
            "usable with care",
            True,
            weak,
        ),
    )


def weights(given: Estimate) -> NDArray[np.float32]:
    chi = given.susceptibility.chi.astype(np.float64) / SD[:, None]
    w = 1 + chi.T @ np.array([0.15, 0.1, -0.48])
    for _ in range(60):
        w = np.clip(w + (1 - np.clip(w, 0, 5).mean()), 0, 5)
    return w.astype(np.float32)


def outcome(
    kind: str, name: str | None, text: str, asked: tuple[float | None, float | None], **more: Any
) -> GoalOutcome:
    values = {"predicted": None, "stderr": None, "dual": None, "binding": False, "unit": "nats"}
    return GoalOutcome(
        source=text,
        kind=kind,
        observable=name,
        requested=asked,
        origin=span(text),
        **{**values, **more},
    )


def solution(given: Estimate) -> Solution:
    goals = (
        outcome(
            "lower",
            "hard_loss",
            "lower    hard_loss by dose",
            (None, -0.0627),
            predicted=-0.0627,
            stderr=0.0041,
            crossed=-0.0588,
            crossed_stderr=0.0052,
            dual=18.42,
            binding=True,
            in_sd=-1.0,
        ),
        outcome(
            "hold",
            "easy_loss",
            "hold     easy_loss within 0.25 sd",
            (-0.000525, 0.000525),
            predicted=0.000525,
            stderr=0.00021,
            dual=3.1,
            binding=True,
            in_sd=0.25,
        ),
        outcome(
            "hold",
            "normal_loss",
            "hold     normal_loss within 0.25 sd",
            (-0.0037, 0.0037),
            predicted=-0.0011,
            stderr=0.0013,
            dual=0.0,
            binding=False,
            in_sd=-0.074,
        ),
    )
    box_text = "require  0 <= w <= 5"
    given_weights = weights(given)
    constraints = (
        outcome(
            "require", None, box_text, (0.0, None), predicted=0.0, dual=0.11, binding=True, unit="1"
        ),
        outcome(
            "require",
            None,
            box_text,
            (None, 5.0),
            unit="1",
            dual=0.0,
            predicted=float(given_weights.max()),
        ),
        outcome(
            "require",
            None,
            "require  ess(w) >= 50 %",
            (0.5, None),
            predicted=0.585,
            dual=0.0,
            binding=False,
            unit="1",
        ),
        evolve(
            outcome(
                "require",
                None,
                "mean(w) == 1",
                (1.0, 1.0),
                predicted=1.0,
                dual=0.02,
                binding=True,
                unit="1",
            ),
            origin=None,
        ),
    )
    certificate = {
        "primal_cost": 0.355,
        "dual_cost": 0.355,
        "gap": 2.2e-12,
        "primal_residual": 3.1e-9,
        "dual_residual": 8.4e-10,
        "complementarity": 1.4e-9,
        "mass_error": 0.0,
        "box_violation": 0.0,
        "ess": 0.585,
        "kl": 0.35,
        "share_at_lower": 0.11,
        "share_at_upper": 0.0,
        "max_weight": 4.51,
        "min_weight": 0.0,
        "iterations": 14,
        "solver": "clarabel",
    }
    return Solution("optimal", given_weights, 1.0, goals, constraints, certificate)


def infeasible() -> Solution:
    goals = (
        outcome("lower", "hard_loss", "lower    hard_loss by dose", (None, -0.0627)),
        outcome("hold", "easy_loss", "hold     easy_loss within 0.25 sd", (-0.000525, 0.000525)),
    )
    constraints = (outcome("require", None, "require  ess(w) >= 50 %", (0.5, None), unit="1"),)
    return Solution("infeasible", None, 0.62, goals, constraints, {"farkas": 0.031}, (0, 2))
