"""Restricted posteriors, two chain sets and users' observables against exact answers.

Linear regression has a Gaussian posterior, of any block of its parameters too; the bigram model's
posterior is a Dirichlet law for each context.
"""

from collections.abc import Sequence

import attrs
import numpy as np
import pytest
from estimate_samples import World, ask, observable, only, run, sgld
from numpy.typing import NDArray
from oracle_tools import jacobian_replicates, posteriors
from scipy.special import digamma, polygamma

from pattern_lang.estimate import pooling
from pattern_lang.estimate.assemble import susceptibility
from pattern_lang.estimate.responses import PosteriorResult
from pattern_lang.ir.observables import (
    FreeEnergy,
    LearningCoefficient,
    Loss,
    Restricted,
    UserObservable,
)
from pattern_lang.ir.sources import DataSource, ModelSource, ParameterGlob

Floats = NDArray[np.float64]

MODEL = """
    import torch
    from torch import nn

    class Line(nn.Module):
        def __init__(self, start):
            super().__init__()
            start = torch.tensor(start, dtype=torch.float64)
            self.a, self.b = nn.Parameter(start[:2].clone()), nn.Parameter(start[2:].clone())

        def unit_loss(self, batch):
            theta = torch.cat([self.a, self.b])
            return 0.5 * (batch["x"] @ theta - batch["y"]) ** 2

    def build(start):
        return Line(start)

    def squares(module, batch, scale=1.0):
        return scale * (batch["x"] @ torch.cat([module.a, module.b])) ** 2

    def norm(module, batch):
        return (module.a ** 2).sum() / 2
"""
NBETA, GAMMA, STEP = 40.0, 5.0, 0.002
D, A, B = 4, np.arange(2), np.arange(2, 4)
RANDOM = np.random.default_rng(3)
X = RANDOM.standard_normal((10, D))
Y = X @ RANDOM.standard_normal(D) + 0.7 * RANDOM.standard_normal(10)
START = np.linalg.lstsq(X, Y, rcond=None)[0]
RESIDUALS = X @ START - Y


def covariance(moving: Floats, step: float = STEP) -> Floats:
    """Return Σ of the law of full-batch steps that move some parameters, (D, D), 0 elsewhere."""
    sigma = np.zeros((D, D))
    precision = NBETA * X[:, moving].T @ X[:, moving] / 10 + GAMMA * np.eye(len(moving))
    block = np.linalg.inv(precision) @ np.linalg.inv(np.eye(len(moving)) - step * precision / 4)
    sigma[np.ix_(moving, moving)] = block
    return sigma


def losses(sigma: Floats) -> tuple[Floats, Floats]:
    """Return ⟨ℓ_j - ℓ_j(θ*)⟩ (n,) and Cov[ℓ_i, ℓ_j] (n, n); the law is centred at θ*."""
    inner = X @ sigma @ X.T
    return 0.5 * np.diag(inner), 0.5 * inner**2 + np.outer(RESIDUALS, RESIDUALS) * inner


def setting(world: World) -> tuple[ModelSource, DataSource]:
    world.write("model.py", MODEL)
    rows = [{"x": x, "y": y} for x, y in zip(X.tolist(), Y.tolist(), strict=True)]
    return world.model(start=tuple(START.tolist())), world.rows("train", rows)


def jacobian(results: Sequence[PosteriorResult]) -> tuple[Floats, Floats]:
    replicates = sum(jacobian_replicates(result) for result in results)
    assert not isinstance(replicates, int)
    return replicates.mean(axis=0), replicates.std(axis=0, ddof=1) / np.sqrt(len(replicates))


SETTINGS = sgld(
    step=STEP, nbeta=NBETA, localization=GAMMA, draws=1500, thin=12, burn_in=300, chains=4
)
FEWER = attrs.evolve(SETTINGS, draws=600)


def test_both_estimators_of_a_restricted_loss(world: World) -> None:
    model, data = setting(world)
    part = ParameterGlob(model, "a")
    kinds = [
        observable("exact", Restricted(Loss(model, data), part, "component")),
        observable("published", Restricted(Loss(model, data), part, "two-chain")),
        observable("whole", Loss(model, data)),
        observable("llc", Restricted(LearningCoefficient(model, data, held=False), part)),
        observable("energy", Restricted(FreeEnergy(model, data), part)),
    ]
    found, error = jacobian(posteriors(ask(data, kinds, SETTINGS)))
    mean, cov = losses(covariance(A))
    whole_mean, whole_cov = losses(covariance(np.arange(D)))
    component = -cov.mean(axis=0)
    published = component - mean.mean() * (mean - whole_mean)
    energy = mean + 0.5 * RESIDUALS**2
    exact = [component, published, -whole_cov.mean(axis=0), NBETA * published + mean, energy]
    # The two estimators differ by far more than the noise, so agreement tells them apart.
    assert np.abs((published - component) / error[1]).max() > 5
    for row, expected in enumerate(exact):
        z = (found[row] - expected) / error[row]
        # The largest of 50 entries of Student's t with 31 degrees of freedom.
        assert np.abs(z).max() < 3.5, (kinds[row].name, z)
        assert np.sqrt((z**2).mean()) < 1.6, (kinds[row].name, z)


def test_moments_of_a_restricted_loss(world: World) -> None:
    model, data = setting(world)
    loss = observable("loss", Restricted(Loss(model, data), ParameterGlob(model, "b")))
    estimate = run(world, ask(data, [loss], FEWER))
    chi = estimate.susceptibility
    assert [d.posterior for d in estimate.diagnostics] == ['m, component("b")', "m"]
    draws = next(d for d in estimate.diagnostics if "b" in d.posterior).effective_draws
    mean, cov = losses(covariance(B))
    at_anchor = 0.5 * (RESIDUALS**2).mean()
    assert chi.mean[0] == pytest.approx(at_anchor + mean.mean(), abs=3 * chi.sd[0] / draws**0.5)
    assert chi.sd[0] == pytest.approx(np.sqrt(cov.mean()), rel=3 / np.sqrt(draws))


def test_errors_carry_the_noise_of_both_chain_sets(world: World) -> None:
    """Over many repeats, 95 % intervals of the published estimator hold the exact value."""
    model, data = setting(world)
    loss = observable("loss", Restricted(Loss(model, data), ParameterGlob(model, "a")))
    mean, cov = losses(covariance(A, 5 * STEP))
    whole, _ = losses(covariance(np.arange(D), 5 * STEP))
    exact = -cov.mean(axis=0) - mean.mean() * (mean - whole)
    short = sgld(step=STEP * 5, nbeta=NBETA, localization=GAMMA, draws=120, thin=4, burn_in=50)
    held = []
    for repeat in range(25):
        results = posteriors(ask(data, [loss], short), f"both {repeat}")
        replicates = sum(jacobian_replicates(result) for result in results)[:, 0]
        error = replicates.std(axis=0, ddof=1) / np.sqrt(len(replicates))
        held.append(np.mean(np.abs(replicates.mean(axis=0) - exact) < 2.04 * error))
    assert 0.87 <= np.mean(held) <= 1.0


def test_observables_of_ones_own(world: World) -> None:
    """`Cov = ½ tr(AΣBΣ) + (a + Am)ᵀ Σ (b + Bm)` for quadratics under N(m, Σ)."""
    model, data = setting(world)
    half = only(data, "y", 0.0, ">")
    squares = UserObservable(world.function("model.py:squares"), model, half, (("scale", 0.5),))
    norm = UserObservable(world.function("model.py:norm"), model, data)
    kinds = [
        observable("squares", squares),
        observable("norm", (2.0, norm), constant=1.0),
        observable("inside", Restricted(norm, ParameterGlob(model, "a"), "component")),
    ]
    queries = ask(data, kinds, FEWER)
    results = posteriors(queries)
    found, error = jacobian(results)
    chosen = X[Y > 0]
    block = np.diag([1.0, 1.0, 0.0, 0.0])
    everything, part = covariance(np.arange(D)), covariance(A)
    for row, (curvature, sigma, factor) in enumerate(
        [(chosen.T @ chosen / len(chosen), everything, 1), (block, everything, 2), (block, part, 1)]
    ):
        slope = sigma @ (curvature @ START)
        spread = [
            0.5 * np.trace(curvature @ sigma @ np.outer(x, x) @ sigma) + r * slope @ x
            for x, r in zip(X, RESIDUALS, strict=True)
        ]
        z = (found[row] + factor * np.array(spread)) / error[row]
        assert np.abs(z).max() < 3.2, (kinds[row].name, z)
    chi, _ = susceptibility(queries, results, np.ones(10), np.array([0.0, 1.0, 0.0]))
    expected = (START[:2] @ START[:2] + np.trace(everything[:2, :2])) + 1
    assert chi.mean[1] == pytest.approx(expected, abs=0.1 * chi.sd[1])


BIGRAM = """
    import torch
    from torch import nn

    class Bigram(nn.Module):
        '''A row of logits for each context; the last logit of each is pinned at 0.'''

        def __init__(self, table):
            super().__init__()
            table = torch.tensor(table, dtype=torch.float64)
            logits = torch.log(table[:, :-1] / table[:, -1:])
            self.rows = nn.ParameterList([nn.Parameter(row) for row in logits])

        def unit_loss(self, batch):
            logits = torch.stack(list(self.rows))
            pinned = torch.cat([logits, torch.zeros(len(logits), 1, dtype=logits.dtype)], dim=1)
            scores = torch.log_softmax(pinned, dim=1)
            return -scores[batch["context"], batch["token"]]

    def build(table):
        return Bigram(table)
"""


def test_a_restricted_row_of_a_bigram_model(world: World) -> None:
    """Only context 0 moves: its law is Dirichlet(nβ p q), the other context's loss stands still."""
    world.write("model.py", BIGRAM)
    counts = np.array([[5, 3, 2], [2, 4, 4]])
    rows = [
        {"context": c, "token": t} for c in range(2) for t in range(3) for _ in range(counts[c, t])
    ]
    data = world.rows("train", rows)
    model = world.model(table=tuple(map(tuple, (counts / 10).tolist())))
    nbeta = 160.0
    part, first = ParameterGlob(model, "rows.0"), only(data, "context", 0)
    kinds = [
        observable("exact", Restricted(Loss(model, first), part, "component")),
        observable("published", Restricted(Loss(model, first), part)),
    ]
    settings = sgld(
        step=0.002, nbeta=nbeta, localization=0.0, draws=1200, thin=20, burn_in=600, chains=4
    )
    found, error = jacobian(posteriors(ask(data, kinds, settings)))
    # nβ L is nβ/2 times the mean loss of each context.
    alpha = nbeta / 2 * counts / 10
    total = alpha.sum(axis=1, keepdims=True)
    mean = digamma(total) - digamma(alpha) + np.log(counts / 10)
    q = counts[0] / 10
    of_tokens = q * polygamma(1, alpha[0]) - polygamma(1, total[0])
    component = np.array([-of_tokens[r["token"]] if r["context"] == 0 else 0.0 for r in rows])
    excess = float(q @ mean[0])
    away = np.array([-mean[1, r["token"]] if r["context"] == 1 else 0.0 for r in rows])
    published = component - excess * away
    firsts = np.array([r["context"] == 0 for r in rows])
    z = ((found[0] - component) / np.where(firsts, error[0], 1.0))[firsts]
    assert np.abs(z).max() < 3, z
    assert (found[0, ~firsts] == 0).all()
    z = (found[1] - published) / error[1]
    assert np.abs(z).max() < 3, z
    # And not by chance: without its product of two means the estimate would be far off.
    assert np.abs(published[~firsts] / error[1, ~firsts]).max() > 3


def test_errors_of_entries_do_not_depend_on_the_directions_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A basis of few directions, for two posteriors and four chains, leaves the rest as variances."""
    model, data = setting(world)
    part = ParameterGlob(model, "a")
    kinds = [
        observable("published", Restricted(Loss(model, data), part, "two-chain")),
        observable("whole", Loss(model, data)),
        observable("llc", Restricted(LearningCoefficient(model, data, held=False), part)),
        observable("energy", FreeEnergy(model, data)),
    ]
    queries = ask(data, kinds, attrs.evolve(SETTINGS, draws=80, thin=2))
    results, size, zero = posteriors(queries), np.arange(1, 11), np.zeros(len(kinds))
    whole, agreed = susceptibility(queries, results, size, zero)
    assert whole.noise.residual is None
    monkeypatch.setattr(pooling, "_NUMBERS", 0)
    monkeypatch.setattr(pooling, "_FEWEST", 6)
    found, others = susceptibility(queries, results, size, zero)
    assert found.noise.residual is not None
    assert len(found.noise.basis) == 6
    assert np.array_equal(found.chi, whole.chi)
    assert np.abs(whole.chi.sum(axis=1)).max() < 1e-5 * np.abs(whole.chi).max()
    # Errors are what they were, or larger where a direction left out cancelled another.
    left = found.noise.residual.of(slice(None)) > 0
    rounded = 3 * 2.0**-9  # variances are in bfloat16 after each posterior, and at the end
    assert left.mean() > 0.5
    assert found.stderr[left] == pytest.approx(whole.stderr[left], rel=1e-3 + rounded)
    assert (found.stderr > (0.999 - rounded) * whole.stderr).all()
    for mine, theirs in zip(others, agreed, strict=True):
        assert mine.keys() == theirs.keys()
        assert list(mine.values()) == pytest.approx(list(theirs.values()), abs=0.05)
