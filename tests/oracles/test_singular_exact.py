"""Singular models at finite nβ, by the unbiased sampler, against integrals.

An asymptotic learning coefficient is the wrong target at finite nβ: most values here are
integrals at the nβ and γ that are sampled, and the asymptotic λ where a comment says so. Models are
sampled as independent copies in one vector, which adds their coefficients.
"""

from collections.abc import Callable

import numpy as np
import pytest
from estimate_samples import World, ask, observable, run, sgld
from numpy.typing import NDArray
from oracle_tools import posteriors, sum_replicates

from pattern_lang.ir.observables import LearningCoefficient, Loss
from pattern_lang.ir.susceptibility import Estimate

Floats = NDArray[np.float64]
COPIES = 150

MODEL = '''
    import torch
    from torch import nn

    X = torch.tensor([-1.5, -0.5, 0.5, 1.5], dtype=torch.float64)

    def power(t, a):
        return (t ** (2 * a)).sum(-1)

    def crossing(t, a, b):
        return t[:, 0] ** (2 * a) * t[:, 1] ** (2 * b)

    def reduced_rank(t, inputs, hidden, outputs):
        first = t[:, : hidden * inputs].reshape(-1, hidden, inputs)
        second = t[:, hidden * inputs :].reshape(-1, outputs, hidden)
        return 0.5 * ((second @ first) ** 2).sum((1, 2))

    def deep(t, truth):
        return 0.5 * (t.prod(-1) - truth) ** 2

    def tanh(t, hidden):
        inner, outer = t[:, :hidden, None], t[:, hidden:, None]
        return 0.5 * ((outer * torch.tanh(inner * X)).sum(1) ** 2).mean(-1)

    class Curves(nn.Module):
        """Copies of b tanh(a x); a row is its square at the row's own x, summed over the copies."""

        def __init__(self, copies):
            super().__init__()
            self.theta = nn.Parameter(torch.zeros(copies, 2, dtype=torch.float64))

        def unit_loss(self, batch):
            inner, outer = self.theta.unbind(1)
            return 0.5 * ((outer * torch.tanh(batch["x"][:, None] * inner)) ** 2).sum(1)

    def curves(copies):
        return Curves(copies)

    class Copies(nn.Module):
        def __init__(self, name, start, copies, arguments):
            super().__init__()
            start = torch.tensor(start, dtype=torch.float64)
            self.theta = nn.Parameter(start.repeat(copies, 1))
            self.loss, self.arguments = globals()[name], arguments

        def unit_loss(self, batch):
            return batch["scale"] * self.loss(self.theta, *self.arguments).sum()

    def build(kind, start, copies, arguments):
        return Copies(kind, start, copies, arguments)
'''


def sampled(
    world: World,
    name: str,
    arguments: tuple[float, ...],
    start: tuple[float, ...],
    copies: int = COPIES,
    **settings: object,
) -> Estimate:
    """Sample nβ K of independent copies of a model, from a zero of K."""
    world.write("model.py", MODEL)
    data = world.rows("train", [{"scale": 0.5}, {"scale": 1.5}])
    model = world.model(kind=name, start=start, copies=copies, arguments=arguments)
    llc = observable("llc", LearningCoefficient(model, data, held=True))
    base = {"kind": "hmc", "step": 0.0, "batch": 0, "chains": 2, "draws": 60, "burn_in": 50}
    return run(world, ask(data, [llc], sgld(**{**base, **settings})))


def assert_mean(estimate: Estimate, exact: float, copies: int = COPIES) -> None:
    chi, diagnosis = estimate.susceptibility, estimate.diagnostics[0]
    assert diagnosis.sound, diagnosis.reasons
    assert chi.mean_stderr is not None
    value, error = chi.mean[0] / copies, chi.mean_stderr[0] / copies
    assert error < 0.06 * exact, (value, error)
    assert abs(value - exact) < 3 * error, (value, exact, error)


class Grid:
    """Weights `exp(log)` on a product grid, from the midpoints of each axis."""

    def __init__(self, log: Callable[..., Floats], *axes: Floats) -> None:
        self.points = np.meshgrid(*axes, indexing="ij")
        logs = log(*self.points)
        weight = np.exp(logs - logs.max())
        self.weight = weight / weight.sum()

    def mean(self, function: Callable[..., Floats]) -> float:
        return float((self.weight * function(*self.points)).sum())


def middles(low: float, high: float, count: int) -> Floats:
    edges = np.linspace(low, high, count + 1)
    return (edges[1:] + edges[:-1]) / 2


@pytest.mark.parametrize("k", [1, 2, 3])
def test_homogeneous_powers(world: World, k: int) -> None:
    """K = x^2k, γ = 0: nβK has a gamma law, whose mean and variance are both λ = 1/2k, exactly."""
    found = sampled(
        world, "power", (k,), (0.0,), copies=60, nbeta=10.0, localization=0.0, draws=300
    )
    assert_mean(found, 1 / (2 * k), copies=60)
    variance = found.susceptibility.sd[0] ** 2 / 60
    # The kurtosis of a gamma law: its variance's own error, in effective draws of the square.
    error = variance * np.sqrt((2 + 6 * 2 * k / 60) / found.diagnostics[0].effective_draws)
    assert abs(variance - 1 / (2 * k)) < 3 * error + 0.01 * variance


def test_powers_that_differ(world: World) -> None:
    """K = Σ over 3 coordinates of x⁴: learning coefficients add."""
    found = sampled(world, "power", (2,), (0.0, 0.0, 0.0), nbeta=10.0, localization=0.0)
    assert_mean(found, 0.75)


SLOW = pytest.mark.slow
TABLE = {
    (1, 1): (0.3542, 0.3903),
    (1, 2): (0.2057, 0.2249),
    (2, 2): (0.1471, 0.1652),
    (3, 3): (0.0874, 0.0979),
}


@pytest.mark.parametrize(
    ("a", "b"), [case if case == (1, 1) else pytest.param(*case, marks=SLOW) for case in TABLE]
)
def test_normal_crossings(world: World, a: int, b: int) -> None:
    """K = x^2a y^2b, γ = 1, at nβ = 100: far from λ = 1/2, 1/4, 1/4, 1/6."""
    exact = TABLE[a, b][0]
    axis = middles(0.0, 7.0, 1500)
    grid = Grid(lambda x, y: -100 * x ** (2 * a) * y ** (2 * b) - (x**2 + y**2) / 2, axis, axis)
    assert grid.mean(lambda x, y: 100 * x ** (2 * a) * y ** (2 * b)) == pytest.approx(
        exact, abs=1e-3
    )
    # Where the valley is flatter, trajectories forget more slowly.
    longer = {} if (a, b) == (1, 1) else {"draws": 200, "burn_in": 100}
    found = sampled(world, "crossing", (a, b), (0.0, 0.0), nbeta=100.0, localization=1.0, **longer)
    assert_mean(found, exact)


@SLOW
@pytest.mark.parametrize(("a", "b"), list(TABLE))
def test_normal_crossings_colder(world: World, a: int, b: int) -> None:
    settings = {"nbeta": 1000.0, "localization": 1.0, "draws": 200, "burn_in": 100, "chains": 4}
    found = sampled(world, "crossing", (a, b), (0.0, 0.0), **settings)
    assert_mean(found, TABLE[a, b][1])


def test_reduced_rank_regression(world: World) -> None:
    """BA with 3 inputs, 2 hidden, 3 outputs and truth 0, by the two eigenvalues of AAᵀ.

    Given A, the rows of B are Gaussian of precision nβ AAᵀ + γ; the eigenvalues l of the Wishart
    matrix AAᵀ have the density Π l^((3-2-1)/2) exp(-γl/2) |l₁ - l₂|.
    """
    nbeta, gamma = 100.0, 1.0
    axis = middles(0.0, 6.0, 1500) ** 2

    def log(a: Floats, b: Floats) -> Floats:
        held = -1.5 * np.log((nbeta * a + gamma) * (nbeta * b + gamma)) - gamma * (a + b) / 2
        return held + np.log(np.abs(a - b) + 1e-300) + 0.5 * np.log(a * b)  # d l = 2 √l d√l

    grid = Grid(log, axis, axis)
    exact = grid.mean(
        lambda a, b: 1.5 * nbeta * (a / (nbeta * a + gamma) + b / (nbeta * b + gamma))
    )
    found = sampled(
        world, "reduced_rank", (3, 2, 3), (0.0,) * 12, copies=40, nbeta=nbeta, localization=gamma
    )
    assert_mean(found, exact, copies=40)


@pytest.mark.parametrize("truth", [pytest.param(0.0, marks=SLOW), 1.0])
def test_deep_linear(world: World, truth: float) -> None:
    """Three layers of width 1: K = (abc - truth)²/2, by a grid in three dimensions."""
    nbeta, gamma = 30.0, 1.0
    start = (truth, 1.0, 1.0) if truth else (0.0, 0.0, 0.0)
    axes = [middles(x - 5.5, x + 5.5, 220) for x in start]

    def loss(a: Floats, b: Floats, c: Floats) -> Floats:
        return nbeta * (a * b * c - truth) ** 2 / 2

    def log(a: Floats, b: Floats, c: Floats) -> Floats:
        away = (a - start[0]) ** 2 + (b - start[1]) ** 2 + (c - start[2]) ** 2
        return -loss(a, b, c) - gamma * away / 2

    exact = Grid(log, *axes).mean(loss)
    found = sampled(world, "deep", (truth,), start, nbeta=nbeta, localization=gamma)
    assert_mean(found, exact)


@pytest.mark.parametrize("hidden", [1, pytest.param(2, marks=SLOW)])
def test_tanh(world: World, hidden: int) -> None:
    """Σ b tanh(a x) on four inputs with truth 0: given the inner weights, the outer are Gaussian."""
    nbeta, gamma = 100.0, 1.0
    inputs = np.array([-1.5, -0.5, 0.5, 1.5])
    axis = middles(-6.0, 6.0, 300)

    def curvature(*inner: Floats) -> Floats:
        features = np.tanh(np.stack(inner)[..., None] * inputs)
        return np.einsum("i...x,j...x->...ij", features, features) / 4

    def log(*inner: Floats) -> Floats:
        held = nbeta * curvature(*inner) + gamma * np.eye(hidden)
        away = sum(a**2 for a in inner)
        return np.asarray(-np.linalg.slogdet(held)[1] / 2 - gamma * away / 2)

    def excess(*inner: Floats) -> Floats:
        h = nbeta * curvature(*inner)
        held = np.linalg.inv(h + gamma * np.eye(hidden))
        return np.asarray(np.einsum("...ij,...ji->...", h, held) / 2)

    exact = Grid(log, *[axis] * hidden).mean(excess)
    start = (0.0,) * (2 * hidden)
    found = sampled(world, "tanh", (hidden,), start, nbeta=nbeta, localization=gamma)
    assert_mean(found, exact)


def test_covariance_with_the_loss_is_a_derivative(world: World) -> None:
    """-Cov(L, A) = ∂⟨A⟩/∂(nβ), for a loss A on other rows; the derivative is by the grid."""
    nbeta, gamma, copies = 60.0, 1.0, 80
    world.write("model.py", MODEL)
    data = world.rows("train", [{"x": x} for x in (0.5, 1.5)])
    probe = world.rows("probe", [{"x": 3.0}])
    model = world.model("model.py:curves", copies=copies)
    axis = middles(-6.0, 6.0, 1500)

    def mean_of_probe(nbeta: float) -> float:
        def loss(a: Floats, x: float) -> Floats:
            return np.tanh(a * x) ** 2

        def log(a: Floats) -> Floats:
            held = nbeta * (loss(a, 0.5) + loss(a, 1.5)) / 2 + gamma
            return -np.log(held) / 2 - gamma * a**2 / 2

        def value(a: Floats) -> Floats:
            held = nbeta * (loss(a, 0.5) + loss(a, 1.5)) / 2 + gamma
            return np.asarray(loss(a, 3.0) / held / 2)

        return Grid(log, axis).mean(value)

    slope = (mean_of_probe(nbeta + 0.5) - mean_of_probe(nbeta - 0.5)) * copies
    settings = sgld(
        kind="hmc",
        step=0.0,
        batch=0,
        nbeta=nbeta,
        localization=gamma,
        chains=2,
        draws=150,
        burn_in=40,
    )
    results = posteriors(ask(data, [observable("a", Loss(model, probe))], settings))
    means = sum_replicates(results)[:, 0].mean(axis=1)
    error = means.std(ddof=1) / np.sqrt(len(means))
    assert abs(means.mean() - slope) < 3 * error, (means.mean(), slope, error)
    assert error < 0.2 * abs(slope)
