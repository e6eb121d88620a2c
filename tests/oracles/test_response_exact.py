"""Responses to re-weighting against exact values: kinds A, B and C, and an anharmonic well.

Independent copies of a scalar are told apart by `row.r`, with one observable per copy, so the mean
over the copies has a √d smaller error than one covariance.
"""

import numpy as np
import pytest
from estimate_samples import POLYNOMIAL, World, ask, observable, only, run, sgld
from numpy.typing import NDArray
from oracle_tools import Quadrature, StepLaw, jacobian

from pattern_lang.ir.observables import FreeEnergy, LearningCoefficient, Loss

Floats = NDArray[np.float64]

NBETA = 200.0
A = np.array([-0.185342, -0.157329])
B = np.array([0.080867, -0.040434])
C = np.array([0.266210, 0.116895])
LLC = 0.38310
ROWS = ([0.0, 0.025, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1 / 24, 0.0])


STEP = 0.01


def energy(x: Floats) -> Floats:
    return NBETA * (0.0125 * x**2 + x**4 / 48)


def force(x: Floats) -> Floats:
    return NBETA * (0.025 * x + x**3 / 12)


def kinds_of(law: Quadrature) -> tuple[Floats, Floats, Floats]:
    """Return A, B and C under a density."""
    losses = [0.025 * law.x**2, law.x**4 / 24]
    beta = NBETA / 2
    explicit = np.array([beta * law.mean(loss) for loss in losses])
    fixed = np.array([-NBETA * beta * law.cov((losses[0] + losses[1]) / 2, x) for x in losses])
    return fixed, explicit + fixed, explicit


def test_the_numbers_themselves() -> None:
    law = Quadrature(energy, 6.0)
    for found, exact in zip(kinds_of(law), (A, B, C), strict=True):
        assert np.allclose(found, exact, atol=1e-6)
    assert law.mean(energy(law.x)) == pytest.approx(LLC, abs=1e-5)


def test_the_law_of_finite_steps_tends_to_the_posterior() -> None:
    """So agreement with the law of finite steps, below, is agreement with these numbers."""
    once, twice = (kinds_of(StepLaw(energy, force, step, 2.0)) for step in (0.001, 0.002))
    for near, far, exact in zip(once, twice, (A, B, C), strict=True):
        assert np.allclose(near, exact, rtol=0.03)
        assert np.allclose(2 * near - far, exact, rtol=2e-3)


def test_three_kinds_of_target(world: World) -> None:
    """With d copies, n = 2d and nβ = 200 d, each copy has the posterior of the single problem."""
    d = 30
    world.write("model.py", POLYNOMIAL)
    rows = [{"r": r, "coef": list(coef)} for r in range(d) for coef in ROWS]
    data, model = world.rows("train", rows), world.model(d=d)
    held = [
        observable(f"a{r}", LearningCoefficient(model, only(data, "r", r), held=True))
        for r in range(d)
    ]
    free = [
        observable(f"b{r}", LearningCoefficient(model, only(data, "r", r), held=False))
        for r in range(d)
    ]
    whole = observable("c", FreeEnergy(model, data))
    settings = sgld(
        step=STEP, nbeta=NBETA * d, localization=0.0, draws=800, thin=6, burn_in=500, chains=4
    )
    # β of the copies' problem is that of the single one; L on a copy alone is scaled by n/2 = d.
    j, _ = jacobian(ask(data, [*held, *free, whole], settings))
    beta = NBETA / 2
    own = [slice(2 * r, 2 * r + 2) for r in range(d)]
    a, b, c = kinds_of(StepLaw(energy, force, STEP, 2.0))
    for rows_of, exact in ((0, a), (d, b)):
        copies = np.array([beta * j[rows_of + r, own[r]] / d for r in range(d)])
        assert_agrees(copies, exact)
    assert_agrees(np.array([beta * j[2 * d, own[r]] for r in range(d)]), c)


def assert_agrees(copies: np.ndarray, exact: np.ndarray) -> None:
    error = copies.std(axis=0, ddof=1) / np.sqrt(len(copies))
    assert (error < 0.05 * np.abs(A)).all(), error
    assert (np.abs(copies.mean(axis=0) - exact) < 3 * error).all(), (copies.mean(axis=0), error)


def test_rows_of_chi_are_centred(world: World) -> None:
    world.write("model.py", POLYNOMIAL)
    data = world.rows("train", [{"coef": list(coef)} for coef in ROWS])
    model = world.model(d=50)
    kinds = [
        observable("a", LearningCoefficient(model, data, held=True)),
        observable("b", LearningCoefficient(model, data, held=False)),
        observable("c", FreeEnergy(model, data)),
    ]
    settings = sgld(step=STEP, nbeta=NBETA, localization=0.0, draws=600, thin=6, burn_in=500)
    estimate = run(world, ask(data, kinds, settings))
    chi = estimate.susceptibility
    found = chi.beta * chi.chi[:, 0] / 50
    error = chi.beta * chi.stderr[:, 0] / 50
    law = StepLaw(energy, force, STEP, 2.0)
    exact = np.array([(x[0] - x[1]) / 2 for x in kinds_of(law)])
    assert (np.abs(found - exact) < 3 * error).all(), (found, exact, error)
    assert np.abs(chi.chi.sum(axis=1)).max() < 1e-5 * np.abs(chi.chi).max()
    assert chi.mean[:2] == pytest.approx([50 * law.mean(energy(law.x))] * 2, rel=0.02)
    assert np.isnan(chi.mean[2])
    assert chi.sd[2] == pytest.approx(chi.sd[0])


WELL = [0.0, 0.5, 0.5 / 6, 1 / 24, 0.0]


@pytest.mark.parametrize(
    ("t", "square", "variance", "excess"),
    [
        (10.0, -0.83586, 0.97345, 0.49245),
        pytest.param(100.0, -0.98139, 0.99747, 0.49927, marks=pytest.mark.slow),
    ],
)
def test_anharmonic_well(
    world: World, t: float, square: float, variance: float, excess: float
) -> None:
    """t² Cov[x², x], t Var and t⟨L⟩ of one well, by d copies with rows L + x and L - x."""
    d = 40
    world.write("model.py", POLYNOMIAL)
    rows = [{"r": r, "coef": [sign, *WELL[1:]]} for r in range(d) for sign in (1.0, -1.0)]
    probes = [{"r": r, "coef": [0.0, 1.0, 0.0, 0.0, 0.0]} for r in range(d)]
    lines = [{"r": r, "coef": [1.0, 0.0, 0.0, 0.0, 0.0]} for r in range(d)]
    data, probe = world.rows("train", rows), world.rows("probe", probes)
    line, model = world.rows("line", lines), world.model(d=d)
    observables = [
        *(observable(f"s{r}", Loss(model, only(probe, "r", r))) for r in range(d)),
        *(observable(f"x{r}", Loss(model, only(line, "r", r))) for r in range(d)),
        observable("llc", LearningCoefficient(model, data, held=True)),
    ]
    settings = sgld(step=0.1 / t, nbeta=t * d, localization=0.0, draws=1000, thin=10, burn_in=300)
    estimate = run(world, ask(data, observables, settings))
    chi = estimate.susceptibility

    # χ of a row L ± x, minus the other of its copy, is -2 Cov[·, x].
    def response(offset: int) -> np.ndarray:
        pairs = [chi.chi[offset + r, 2 * r] - chi.chi[offset + r, 2 * r + 1] for r in range(d)]
        return -np.array(pairs) / 2

    bias = 1 / (1 - 0.1 / 4)  # of the step, on every variance, to leading order
    squares, variances = t**2 * response(0), t * response(d)
    error = squares.std(ddof=1) / np.sqrt(d)
    assert abs(squares.mean() - square * bias**2) < 3 * error, (squares.mean(), error)
    error = variances.std(ddof=1) / np.sqrt(d)
    assert abs(variances.mean() - variance * bias) < 3 * error
    found = chi.mean[-1] / d
    error = chi.sd[-1] / np.sqrt(estimate.diagnostics[0].effective_draws) / d
    assert error < 0.02 * excess
    assert abs(found - excess * bias) < 3 * error
