"""Linear regression: the posterior is Gaussian, so every covariance and finite response is exact.

For `f = ½ (x_f·θ - y_f)²` under N(m, Σ), `Cov(f, g) = ½ (x_fᵀ Σ x_g)² + r_f r_g x_fᵀ Σ x_g` with
residuals `r` at m. The posterior for weights w is Gaussian again, which gives the finite response.
"""

import numpy as np
import pytest
from estimate_samples import World, ask, observable, run, sgld
from numpy.typing import NDArray
from oracle_tools import jacobian_replicates, posteriors

from pattern_lang.estimate.assemble import centred
from pattern_lang.ir.observables import FreeEnergy, LearningCoefficient, Loss
from pattern_lang.ir.sources import DataSource, ModelSource

Floats = NDArray[np.float64]

MODEL = """
    import torch
    from torch import nn

    class Line(nn.Module):
        def __init__(self, start):
            super().__init__()
            self.theta = nn.Parameter(torch.tensor(start, dtype=torch.float64))

        def unit_loss(self, batch):
            return 0.5 * (batch["x"] @ self.theta - batch["y"]) ** 2

    def build(start):
        return Line(start)
"""
NBETA, GAMMA, STEP = 40.0, 5.0, 0.01


class Problem:
    """Rows, the least-squares checkpoint, and the exact posterior for any weights."""

    def __init__(self, seed: int, rows: int, width: int = 3) -> None:
        random = np.random.default_rng(seed)
        self.x = random.standard_normal((rows, width))
        self.y = self.x @ random.standard_normal(width) + 0.7 * random.standard_normal(rows)
        self.start = np.linalg.lstsq(self.x, self.y, rcond=None)[0]

    def posterior(self, weights: Floats, step: float = 0.0) -> tuple[Floats, Floats]:
        """Return mean and covariance; of full-batch steps of size `step`, exactly, if given."""
        share = weights / weights.sum()
        precision = NBETA * (self.x.T * share) @ self.x + GAMMA * np.eye(self.x.shape[1])
        pull = NBETA * (self.x.T * share) @ self.y + GAMMA * self.start
        cov = np.linalg.inv(precision)
        mean = cov @ pull
        cov = cov @ np.linalg.inv(np.eye(len(cov)) - step * precision / 4)
        return mean, cov

    def expected(self, weights: Floats, rows: "Problem") -> Floats:
        """Return the exact mean loss of each row of another problem."""
        return self.losses(rows, *self.posterior(weights))

    def losses(self, rows: "Problem", mean: Floats, cov: Floats) -> Floats:
        """Return the mean loss of each row of a problem under N(mean, cov)."""
        return 0.5 * ((rows.x @ mean - rows.y) ** 2 + np.einsum("ij,jk,ik->i", rows.x, cov, rows.x))

    def covariance(self, rows: "Problem", step: float = STEP) -> Floats:
        """Return Cov(loss of a row of `rows`, loss of a row of this), (rows, n)."""
        mean, cov = self.posterior(np.ones(len(self.y)), step)
        inner = rows.x @ cov @ self.x.T
        residuals = np.outer(rows.x @ mean - rows.y, self.x @ mean - self.y)
        return 0.5 * inner**2 + residuals * inner

    def dicts(self, **fields: list[object]) -> list[dict[str, object]]:
        rows = zip(self.x.tolist(), self.y.tolist(), strict=True)
        extra = [dict(zip(fields, v, strict=True)) for v in zip(*fields.values(), strict=True)]
        return [{"x": x, "y": y} | (extra[i] if extra else {}) for i, (x, y) in enumerate(rows)]


TRAIN, PROBE = Problem(0, 10), Problem(1, 4)


def setting(world: World, **fields: list[object]) -> tuple[ModelSource, DataSource, DataSource]:
    world.write("model.py", MODEL)
    model = world.model(start=tuple(TRAIN.start.tolist()))
    return model, world.rows("train", TRAIN.dicts(**fields)), world.rows("probe", PROBE.dicts())


def test_susceptibility_and_finite_response(world: World) -> None:
    model, train, probe = setting(world)
    loss = observable("loss", (2.0, Loss(model, probe)), constant=1.0)
    settings = sgld(
        step=STEP / 5, nbeta=NBETA, localization=GAMMA, draws=1500, thin=10, burn_in=200, chains=4
    )
    estimate = run(world, ask(train, [loss], settings))
    chi = estimate.susceptibility
    raw = -2 * TRAIN.covariance(PROBE, STEP / 5).mean(axis=0)
    exact = raw - raw.mean()
    z = (chi.chi[0] - exact) / chi.stderr[0]
    assert np.abs(z).max() < 3.5
    assert np.linalg.norm(chi.chi[0] - exact) < 0.15 * np.linalg.norm(exact)
    here = 2 * TRAIN.expected(np.ones(10), PROBE).mean() + 1
    assert chi.mean[0] == pytest.approx(here, abs=4 * chi.sd[0] / 30)
    # The response to a finite tilt of the data catches every sign and factor. It is that of the
    # posterior itself: the law of these steps differs from it by 3 %.
    tilt = np.linspace(-1, 1, 10)
    shift = 1e-3
    there = 2 * TRAIN.expected(1 + shift * tilt, PROBE).mean() + 1
    predicted = chi.beta * chi.chi[0] @ tilt
    replicates = chi.beta * chi.replicates(0) @ tilt
    error = replicates.std(ddof=1) / np.sqrt(len(replicates))
    assert replicates.mean() == pytest.approx(predicted, rel=1e-4)
    assert abs(predicted - (there - here) / shift) < 3 * error
    assert error < 0.15 * abs(predicted)


def test_minibatches_agree_with_the_exact_answer(world: World) -> None:
    """Noise of minibatches widens the law a little; at this step it is within the errors."""
    model, train, probe = setting(world)
    loss = observable("loss", Loss(model, probe))
    settings = sgld(
        step=0.001, nbeta=NBETA, localization=GAMMA, draws=500, thin=20, burn_in=1000, batch=4
    )
    chi = run(world, ask(train, [loss], settings)).susceptibility
    raw = -TRAIN.covariance(PROBE, 0.001).mean(axis=0)
    z = (chi.chi[0] - (raw - raw.mean())) / chi.stderr[0]
    assert np.abs(z).max() < 4


def test_groups_are_aggregated_samples(world: World) -> None:
    """On the same draws, ℓ_g = (G/N) Σ ℓ_i holds exactly for every response."""
    groups: list[object] = ["a", "b", "a", "c", "a", "b", "c", "c", "a", "a"]
    model, train, probe = setting(world, g=groups)
    kinds = [
        observable("loss", Loss(model, probe)),
        observable("b", LearningCoefficient(model, train, held=False)),
        observable("c", FreeEnergy(model, train)),
    ]
    settings = sgld(nbeta=NBETA, localization=GAMMA, draws=50)
    samples = posteriors(ask(train, kinds, settings))[0]
    grouped = posteriors(ask(train, kinds, settings, unit="group", field="g"))[0]
    assert np.array_equal(samples.trace, grouped.trace)
    member = np.array([[g == name for g in groups] for name in "abc"], dtype=float)
    fine, coarse = jacobian_replicates(samples), jacobian_replicates(grouped)
    assert np.allclose(coarse, fine @ member.T * 3 / 10, rtol=1e-5, atol=1e-6)
    share = member.sum(axis=1) / 10
    chi = centred(coarse.mean(axis=0), share)
    assert np.allclose(chi.sum(axis=1), 0, atol=1e-12)
    # Up-weighting every row of a group in one is the same shift, predicted from either.
    fine_chi = centred(fine.mean(axis=0), np.full(10, 0.1))
    assert np.allclose(chi @ [1, 0, 0] / 3, fine_chi @ member[0] / 10)


def test_groups_through_the_front_door(world: World) -> None:
    groups: list[object] = ["a", "b", "a", "c", "a", "b", "c", "c", "a", "a"]
    model, train, probe = setting(world, g=groups)
    settings = sgld(step=STEP, nbeta=NBETA, localization=GAMMA, draws=1500, thin=5)
    query = ask(train, [observable("loss", Loss(model, probe))], settings, unit="group", field="g")
    estimate = run(world, query)
    assert estimate.units.fields["g"].tolist() == ["a", "b", "c"]
    assert estimate.units.size.tolist() == [5, 2, 3]
    raw = -TRAIN.covariance(PROBE).mean(axis=0)
    member = np.array([[g == name for g in groups] for name in "abc"], dtype=float)
    exact = centred(raw @ member.T * 3 / 10, np.array([0.5, 0.2, 0.3]))
    chi = estimate.susceptibility
    assert (np.abs(chi.chi[0] - exact) < 3.5 * chi.stderr[0]).all()


def test_two_models(world: World) -> None:
    """Posteriors are independent: responses add with their signs, variances add."""
    model, train, _ = setting(world)
    other = world.model(name="v", start=tuple((TRAIN.start + 0.5).tolist()))
    settings = sgld(step=STEP, nbeta=NBETA, localization=GAMMA, draws=600, thin=5)
    energy = observable("f", FreeEnergy(model, train), (-1.0, FreeEnergy(other, train)))
    losses = observable("l", Loss(model, train), (3.0, Loss(other, train)))
    queries = ask(train, [energy, losses], settings)
    estimate = run(world, queries)
    parts = [
        run(world, ask(train, [observable("l", Loss(m, train))], settings)) for m in (model, other)
    ]
    chi = estimate.susceptibility
    assert len(estimate.diagnostics) == 2
    assert len(estimate.traces) == 2 * settings.chains
    sd = [part.susceptibility.sd[0] for part in parts]
    assert chi.sd[1] == pytest.approx(np.hypot(sd[0], 3 * sd[1]), rel=0.15)
    assert chi.sd[0] == pytest.approx(NBETA * np.hypot(sd[0], sd[1]), rel=0.15)
    assert np.isnan(chi.mean[0])
    assert np.isfinite(chi.mean[1])
    u, v = TRAIN.expected(np.ones(10), TRAIN), expected_from(TRAIN.start + 0.5)
    exact = (u - v) - (u - v).mean()
    assert (np.abs(chi.chi[0] - exact) < 4 * chi.stderr[0] + 0.01 * np.abs(exact).max()).all()


def expected_from(start: Floats) -> Floats:
    moved = Problem(0, 10)
    moved.start = start
    return moved.expected(np.ones(10), TRAIN)


@pytest.mark.parametrize("batch", [2, 5])
def test_noise_of_minibatches(world: World, batch: int) -> None:
    """ℓ_i = ½ (θ - y_i)²: minibatch noise is additive, and the law of the steps is exact.

    θ ← ρ θ + (ε nβ/2) ξ + √ε η with ρ = 1 - ε (nβ + γ)/2. Within an epoch rows do not repeat, so the
    N/b batch means ξ of one epoch correlate by -1/(N/b - 1): their noise is less than the Lyapunov
    equation of independent batches has.
    """
    nbeta, gamma, step, rows, copies = 20.0, 5.0, 0.02, 10, 60
    world.write(
        "model.py",
        """
        import torch
        from torch import nn

        class Mean(nn.Module):
            def __init__(self, copies):
                super().__init__()
                self.theta = nn.Parameter(torch.zeros(copies, dtype=torch.float64))

            def unit_loss(self, batch):
                return 0.5 * ((self.theta - batch["y"][:, None]) ** 2).sum(1)

        def build(copies):
            return Mean(copies)
        """,
    )
    y = np.linspace(-1.5, 1.5, rows)
    data = world.rows("train", [{"y": value} for value in y.tolist()])
    loss = observable("loss", Loss(world.model(copies=copies), data))
    settings = sgld(
        step=step, nbeta=nbeta, localization=gamma, batch=batch, draws=400, thin=7, burn_in=100
    )
    chi = run(world, ask(data, [loss], settings)).susceptibility
    # All copies see the same minibatches: their noise is shared, that of η is not.
    rho, lags, epoch = 1 - step * (nbeta + gamma) / 2, 200, rows // batch
    weight = rho ** np.arange(lags)
    own = step / (1 - rho**2)
    of_batch = y.var() / batch * (rows - batch) / (rows - 1)
    shared = 0.0
    for phase in range(epoch):
        number = (np.arange(lags) + phase) // epoch
        same = number[:, None] == number
        correlation = np.where(same, -1 / (epoch - 1), 0.0)
        np.fill_diagonal(correlation, 1.0)
        shared += weight @ correlation @ weight / epoch
    shared *= (step * nbeta / 2) ** 2 * of_batch
    exact = copies * (own + shared + y.var()) / 2
    assert chi.mean_stderr is not None
    assert abs(chi.mean[0] - exact) < 3 * chi.mean_stderr[0], (chi.mean, exact, chi.mean_stderr)
    assert chi.mean_stderr[0] < 0.3 * copies * shared / 2
