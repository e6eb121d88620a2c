"""Whether intervals of predicted shifts hold the true effect of the weights that were solved for.

The truth is `β χ (w - 1)` with the exact χ of a linear-Gaussian model. Weights are chosen on the
same estimate that predicts them, so this asks more than intervals at weights fixed beforehand.
"""

from typing import Any

import numpy as np
import pytest
from attrs import frozen
from estimate_samples import World, ask, observable, sgld
from numpy.typing import NDArray
from oracle_tools import estimated
from test_linear_gaussian import GAMMA, MODEL, NBETA, Problem

from pattern_lang.ir import program as ir
from pattern_lang.ir.observables import Loss
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.susceptibility import Estimate, UnitTable
from pattern_lang.semantics.units import Unit
from pattern_lang.solve import solve_pattern
from pattern_lang.solve.crossfit import cross_fit
from pattern_lang.solve.reliability import noise_gram

Floats = NDArray[np.float64]
STEP, NAMES = 0.03, "abc"


class Setting:
    """Rows of a linear regression, three probes, their exact χ, and a pattern that moves them."""

    def __init__(self, world: World, rows: int, width: int, draws: int) -> None:
        train = Problem(0, rows, width)
        probes = [Problem(10 + i, 5, width) for i in range(len(NAMES))]
        world.write("model.py", MODEL)
        model = world.model(start=tuple(train.start.tolist()))
        losses = [
            observable(name, Loss(model, world.rows(f"probe_{name}", probe.dicts())))
            for name, probe in zip(NAMES, probes, strict=True)
        ]
        sampler = sgld(step=STEP, nbeta=NBETA, localization=GAMMA, draws=draws, burn_in=20)
        self.rows = rows
        self.queries = ask(world.rows("train", train.dicts()), losses, sampler)
        raw = -np.stack([train.covariance(probe, STEP).mean(axis=0) for probe in probes])
        self.response = NBETA / rows * (raw - raw.mean(axis=1, keepdims=True))
        self.target = 0.5 * np.linalg.norm(self.response, axis=1) * np.array([1.0, -1.0, 1.0])
        self.pattern = moving(self.queries, self.target)

    def estimate(self, digest: str) -> Estimate:
        """Sample anew."""
        found = estimated(self.queries, self.rows, digest)
        unit = UnitTable("sample", np.arange(self.rows), np.ones(self.rows), {})
        return Estimate(found, unit, (), (), {}, True, 0.0)


def moving(queries: Queries, target: Floats) -> ir.WeightPattern:
    goals = tuple(
        ir.Goal("shift", name, ir.Amount(float(t), Unit.NATS), f"shift {name}")
        for name, t in zip(NAMES, target, strict=True)
    )
    limits = tuple(
        ir.Constraint(ir.Expression(((sign, ir.Entries()),), -sign * limit), "<=", "bound")
        for sign, limit in ((-1.0, 0.0), (1.0, 4.0))
    )
    objective = ir.Objective("minimize", ir.Expression(((1.0, ir.SumSquares(1.0, -1.0)),)), "")
    return ir.WeightPattern("p", queries, goals, limits, objective, ir.Schedule("once"), ())


@frozen(eq=False)
class Found:
    """Over repeats, (repeats, observables): errors of predictions, and standard errors of them."""

    error: Floats
    stderr: Floats
    independent: Floats

    def covered(self, stderr: Floats) -> float:
        return float(np.mean(np.abs(self.error) < 1.96 * stderr))


def repeated(world: World, repeats: int, **size: Any) -> Found:
    setting = Setting(world, **size)
    beta = NBETA / setting.rows
    rows: list[list[Floats]] = []
    for repeat in range(repeats):
        data = setting.estimate(f"solved {repeat}")
        solution = solve_pattern(setting.pattern, data)
        assert solution.weights is not None
        x = solution.weights.astype(np.float64) - 1.0
        predicted = np.array([goal.predicted for goal in solution.goals])
        stderr = np.array([goal.stderr for goal in solution.goals])
        entries = data.susceptibility.stderr.astype(np.float64)
        rows.append([predicted - setting.response @ x, stderr, beta * np.sqrt(entries**2 @ x**2)])
    return Found(*np.array(rows).transpose(1, 0, 2))


def test_intervals_of_solved_shifts_cover(world: World) -> None:
    """Thirty repeats of three shifts tell 95 % from 80 %; the slow test below is closer."""
    found = repeated(world, 30, rows=100, width=3, draws=100)
    assert found.covered(found.stderr) >= 0.88
    # Errors of entries as if they were independent of each other are far too small.
    assert found.covered(found.independent) <= 0.7


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "size",
    [
        {"rows": 100, "width": 3, "draws": 100},
        {"rows": 100, "width": 3, "draws": 400},
        {"rows": 100, "width": 8, "draws": 200},
    ],
)
def test_intervals_of_solved_shifts_cover_closely(world: World, size: dict[str, Any]) -> None:
    found = repeated(world, 200, **size)
    with_noise, independent = found.covered(found.stderr), found.covered(found.independent)
    print(f"{size}: {with_noise:.3f}, and {independent:.3f} by independent errors")
    assert 0.90 <= with_noise <= 0.98
    assert independent <= 0.75


def test_cross_fitted_predictions_are_those_of_the_truth(world: World) -> None:
    """At few draws the weights chase noise: in-sample says 1, and the truth is less."""
    setting = Setting(world, rows=200, width=16, draws=30)
    true, crossed, own = [], [], []
    for repeat in range(30):
        data = setting.estimate(f"crossed {repeat}")
        solution = solve_pattern(setting.pattern, data)
        found = cross_fit(setting.pattern, data)
        assert solution.weights is not None
        assert found is not None
        assert [f.observable for f in found] == list(NAMES)
        assert [f.in_sample for f in found] == pytest.approx(setting.target, rel=1e-6)
        shift = setting.response @ (solution.weights.astype(np.float64) - 1.0)
        true.append(shift / setting.target)
        chi = data.susceptibility
        rows = chi.chi.astype(np.float64)
        left = noise_gram(chi) @ np.linalg.solve(rows @ rows.T, setting.target)
        own.append(1.0 - left / setting.target)
        crossed.append([f.kept for f in found])
    kept, truth = float(np.mean(crossed)), float(np.mean(true))
    error = float(np.std(np.mean(crossed, axis=1)) / np.sqrt(30))
    print(f"true share {truth:.3f}, cross-fitted {kept:.3f} ± {error:.3f}")
    print(f"from the noise {np.mean(own):.3f}, in-sample 1")
    assert truth < 0.93
    # What noise adds to the products of rows says beforehand what is kept: t - N S⁻¹ t. Segments
    # of four draws vary more than the chains as a whole, so this errs to the safe side.
    assert truth - 0.12 < np.mean(own) < truth + 0.03
    # Least squares keep 1 / (1 + u) of a shift, u the noise of χ over its size: halves have 2 u.
    u = 1 / truth - 1
    assert kept == pytest.approx(1 / (1 + 2 * u), abs=3 * error)
