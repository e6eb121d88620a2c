"""Importance sampling against exact answers: where weights are even, where they matter, where not.

The same models as in the other oracles. Draws are independent, so tolerances are those of standard
errors alone: there are no steps and no burn-in to leave a bias.
"""

import numpy as np
import pytest
import test_components_exact as blocks
from estimate_samples import World, ask, observable, only, run, sgld
from numpy.typing import NDArray
from oracle_tools import estimated, jacobian, least
from scipy.special import digamma, polygamma
from test_coverage import coverage
from test_linear_gaussian import GAMMA, NBETA
from test_singular_exact import MODEL, TABLE, Grid, middles, sampled
from test_softmax_exact import UNIGRAM, corpus, exact_llc

from pattern_lang.ir.observables import (
    FreeEnergy,
    LearningCoefficient,
    Loss,
    Restricted,
    UserObservable,
)
from pattern_lang.ir.queries import Sampler
from pattern_lang.ir.sources import FunctionRef, ParameterGlob

Floats = NDArray[np.float64]
PLAIN = {"kind": "importance", "step": 0.0, "batch": 0, "burn_in": 0}


def pairs(**settings: object) -> Sampler:
    return sgld(**{**PLAIN, "chains": 2, "draws": 400, **settings})


def test_every_observable_of_a_block(world: World) -> None:
    """Both estimators of a restricted loss, B and C, and a user's function."""
    model, data = blocks.setting(world)
    part = ParameterGlob(model, "a")
    own = UserObservable(FunctionRef(world.file("model.py"), "squares"), model, data)
    kinds = [
        observable("exact", Restricted(Loss(model, data), part, "component")),
        observable("published", Restricted(Loss(model, data), part, "two-chain")),
        observable("whole", Loss(model, data)),
        observable("llc", Restricted(LearningCoefficient(model, data, held=False), part)),  # same
        observable("energy", Restricted(FreeEnergy(model, data), part)),
        observable("own", Restricted(own, part, "component")),
    ]
    settings = pairs(nbeta=blocks.NBETA, localization=blocks.GAMMA, draws=4000, chains=4)
    found, error = jacobian(ask(data, kinds, settings))
    sigma = blocks.covariance(blocks.A, step=0.0)
    mean, cov = blocks.losses(sigma)
    whole_mean, whole_cov = blocks.losses(blocks.covariance(np.arange(blocks.D), step=0.0))
    component = -cov.mean(axis=0)
    inner = blocks.X @ sigma @ blocks.X.T
    fitted = blocks.X @ blocks.START
    # (x·θ)² = 2 ½ (x·θ)²: the same formula, for rows whose residual is all of the fit.
    squares = -2 * (0.5 * inner**2 + np.outer(fitted, blocks.RESIDUALS) * inner).mean(axis=0)
    exact = [
        component,
        component - mean.mean() * (mean - whole_mean),
        -whole_cov.mean(axis=0),
        blocks.NBETA * (component - mean.mean() * (mean - whole_mean)) + mean,
        mean + 0.5 * blocks.RESIDUALS**2,
        squares,
    ]
    for row, expected in enumerate(exact):
        z = (found[row] - expected) / error[row]
        assert np.abs(z).max() < 3.7, (row, z)
        assert error[row].mean() < 0.2 * np.abs(expected).max(), row


@pytest.mark.parametrize("nbeta", [40.0, 100.0])
def test_a_language_model_of_one_word(world: World, nbeta: float) -> None:
    """Dirichlet: λ̂, and covariances of tokens, far enough from a Gaussian for weights to count."""
    q = np.array([0.4, 0.3, 0.2, 0.1])
    model, data = corpus(world, UNIGRAM)
    tokens = [observable(f"t{t}", Loss(model, only(data, "token", t))) for t in range(4)]
    llc = observable("llc", LearningCoefficient(model, data, held=True))
    energy = observable("f", FreeEnergy(model, data))
    queries = ask(data, [*tokens, llc, energy], pairs(nbeta=nbeta, localization=0.0, draws=2000))
    j, error = jacobian(queries)
    rows = [0, 4, 7, 9]  # one of each token
    one, whole = polygamma(1, nbeta * q), polygamma(1, nbeta)
    exact = np.vstack(
        [
            whole - np.diag(one),
            -nbeta * (q * one - whole),
            digamma(nbeta) - digamma(nbeta * q),
        ]
    )
    z = (j[:, rows] - exact) / error[:, rows]
    assert np.abs(z).max() < 3.5, z
    assert (error[:4, rows].diagonal() < 0.1 * one).all()
    chi = run(world, queries).susceptibility
    assert chi.mean_stderr is not None
    assert abs(chi.mean[4] - exact_llc(UNIGRAM, nbeta)) < 3 * chi.mean_stderr[4]
    assert chi.mean_stderr[4] < 0.04 * chi.mean[4]


@pytest.mark.parametrize(("a", "b"), list(TABLE))
def test_normal_crossings(world: World, a: int, b: int) -> None:
    """K = x^2a y^2b, γ = 1: no curvature at all, and a quarter of the pairs are what counts."""
    found = sampled(
        world, "crossing", (a, b), (0.0, 0.0), copies=1, nbeta=100.0, localization=1.0, **PLAIN,
        chains=2, draws=4000,
    )  # fmt: skip
    chi, diagnosis = found.susceptibility, found.diagnostics[0]
    assert diagnosis.sound, diagnosis.reasons
    assert diagnosis.effective_draws < 0.6 * 4000
    assert chi.mean_stderr is not None
    assert abs(chi.mean[0] - TABLE[a, b][0]) < 3 * chi.mean_stderr[0]
    assert chi.mean_stderr[0] < 0.06 * chi.mean[0]
    assert chi.mean[0] == pytest.approx(diagnosis.mean_excess)


def test_weights_that_leave_nothing(world: World) -> None:
    """Ten crossings at once: no draw hits all ten, and the verdict says so and what to do."""
    found = sampled(
        world, "crossing", (1, 1), (0.0, 0.0), copies=10, nbeta=100.0, localization=1.0, **PLAIN,
        chains=2, draws=400,
    )  # fmt: skip
    (diagnosis,) = found.diagnostics
    assert not diagnosis.sound
    assert "their Pareto tail k̂ is" in diagnosis.reasons[0]
    assert "a larger `localization`" in diagnosis.reasons[0]
    assert dict(diagnosis.figures)["effective_pairs"] < 20


def test_intervals_cover(world: World) -> None:
    found = coverage(world, 30, pairs(nbeta=NBETA, localization=GAMMA, draws=200))
    assert 0.89 <= found["chi"] <= 0.99, found
    assert all(found[name] >= least(30) for name in ("shift", "mean", "llc")), found


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("chains", "draws"), [(1, 200), (2, 100), (4, 400)])
def test_intervals_cover_closely(world: World, chains: int, draws: int) -> None:
    settings = pairs(nbeta=NBETA, localization=GAMMA, chains=chains, draws=draws)
    found = coverage(world, 200, settings)
    assert all(0.90 <= share <= 0.98 for share in found.values()), found


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("a", "b", "draws"), [(1, 1, 600), (2, 2, 400)])
def test_intervals_cover_where_weights_matter(world: World, a: int, b: int, draws: int) -> None:
    """nβK of a normal crossing, its response ∓½ nβ Var K to rows of half and of three halves."""
    axis = middles(0.0, 7.0, 1500)
    power = (2 * a, 2 * b)

    def energy(x: Floats, y: Floats) -> Floats:
        return 100 * x ** power[0] * y ** power[1]

    grid = Grid(lambda x, y: -energy(x, y) - (x**2 + y**2) / 2, axis, axis)
    mean = grid.mean(energy)
    variance = grid.mean(lambda x, y: energy(x, y) ** 2) - mean**2
    world.write("model.py", MODEL)
    data = world.rows("train", [{"scale": 0.5}, {"scale": 1.5}])
    model = world.model(kind="crossing", start=(0.0, 0.0), copies=1, arguments=(a, b))
    llc = observable("llc", LearningCoefficient(model, data, held=True))
    queries = ask(data, [llc], pairs(nbeta=100.0, localization=1.0, draws=draws))
    hits = {"mean": 0, "chi": 0}
    for repeat in range(200):
        found = estimated(queries, 2, f"weights {repeat}")
        assert found.mean_stderr is not None
        hits["mean"] += abs(found.mean[0] - mean) < 1.96 * found.mean_stderr[0]
        exact = variance / 100 / 2
        hits["chi"] += abs(found.chi[0, 0] - exact) < 1.96 * found.stderr[0, 0]
    assert all(0.90 <= count / 200 <= 0.98 for count in hits.values()), hits
