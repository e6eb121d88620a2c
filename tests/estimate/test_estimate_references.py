"""The two reference samplers: what they adapt, refuse, clip and report."""

import attrs
import numpy as np
import pytest
import torch
from estimate_samples import POLYNOMIAL, World, ask, classifier, observable, run, sgld

from pattern_lang.diagnostics import PatternError
from pattern_lang.estimate import SilentReporter
from pattern_lang.estimate.control import with_control
from pattern_lang.estimate.hmc import DualAveraging, widest
from pattern_lang.ir.observables import FreeEnergy, LearningCoefficient, Loss
from pattern_lang.ir.queries import Queries, Sampler
from pattern_lang.ir.susceptibility import Estimate

HMC = {"kind": "hmc", "step": 0.0, "batch": 0}
LAPLACE = {**HMC, "kind": "laplace", "chains": 1, "draws": 400, "burn_in": 0}


def figures(estimate: Estimate) -> dict[str, float]:
    return dict(estimate.diagnostics[0].figures)


def well(world: World, rows: list[list[float]], sampler: Sampler, d: int = 3) -> Queries:
    """Ask for the loss on a probe of polynomials in d scalars."""
    world.write("model.py", POLYNOMIAL)
    data = world.rows("train", [{"coef": row} for row in rows])
    probe = world.rows("probe", [{"coef": [1.0, 0.5, 0.0, 0.0, 0.0]}])
    return ask(data, [observable("p", Loss(world.model(d=d), probe))], sampler)


QUADRATIC = [[1.0, 1.0, 0.0, 0.0, 0.0], [-1.0, 2.0, 0.0, 0.0, 0.0]]


def test_the_step_settles_at_the_wanted_acceptance() -> None:
    """For an acceptance that falls with the step, the average step is where it is 0.8."""
    average = DualAveraging(np.log(10 * 0.1), np.log(0.1))
    for _ in range(2000):
        average.update(1 / (1 + np.exp(average.log_step)))
    assert 1 / (1 + np.exp(average.log_mean)) == pytest.approx(0.8, abs=0.02)


def test_the_widest_direction() -> None:
    random = torch.Generator().manual_seed(0)
    draws = torch.randn(200, 50, generator=random, dtype=torch.float64)
    assert widest(list(draws)) == pytest.approx(1.0, abs=0.3)
    draws[:, 0] += 5 * draws[:, 1]
    assert widest(list(draws)) == pytest.approx(np.sqrt(26), rel=0.2)
    assert widest(list(draws[:3])) == 0.0


def test_hmc_adapts_and_says_so(world: World) -> None:
    estimate = run(world, well(world, QUADRATIC, sgld(**HMC, nbeta=50.0, draws=200, burn_in=100)))
    found = figures(estimate)
    assert 0.6 < found["acceptance"] <= 1.0
    assert found["divergences"] == 0
    assert 0.01 < found["step"] < 0.4  # the sharpest direction is 1/√151 wide
    assert estimate.diagnostics[0].sound, estimate.diagnostics[0].reasons


@pytest.mark.parametrize("kind", [HMC, LAPLACE])
def test_the_same_numbers_in_any_process(world: World, kind: dict[str, object]) -> None:
    sampler = sgld(**{**HMC, "nbeta": 20.0, "draws": 20, "burn_in": 20, **kind})
    queries = classifier(world)
    queries = attrs.evolve(queries, sampler=attrs.evolve(sampler, localization=20.0))
    here, there = (run(world, queries, workers=n, fresh=True) for n in (1, 2))
    again = run(world, queries)
    assert not again.sampled
    for other in (there, again):
        assert np.array_equal(here.susceptibility.noise.basis, other.susceptibility.noise.basis)
        assert here.diagnostics[0].figures == other.diagnostics[0].figures
    other = run(world, attrs.evolve(queries, sampler=attrs.evolve(queries.sampler, seed=1)))
    assert not np.array_equal(here.susceptibility.noise.basis, other.susceptibility.noise.basis)


def test_trajectories_that_leave_are_counted(world: World) -> None:
    """x⁴ far out is steeper than the step of the centre allows; a hard wall is unsound."""
    world.write(
        "model.py",
        """
        import torch
        from torch import nn

        class Wall(nn.Module):
            def __init__(self):
                super().__init__()
                self.x = nn.Parameter(torch.zeros(2, dtype=torch.float64))

            def unit_loss(self, batch):
                inside = (self.x.abs() < 0.3).all()
                return batch["h"] * torch.where(inside, (self.x**2).sum(), torch.inf)

        def build():
            return Wall()
        """,
    )
    data = world.rows("train", [{"h": 1.0}, {"h": 2.0}])
    loss = observable("l", Loss(world.model(), data))
    estimate = run(world, ask(data, [loss], sgld(**HMC, nbeta=1.0, draws=200, burn_in=40)))
    (diagnosis,) = estimate.diagnostics
    assert figures(estimate)["divergences"] > 40
    assert not diagnosis.sound
    assert any("trajectories diverged" in reason for reason in diagnosis.reasons)


@pytest.mark.parametrize("nbeta", [0.01, 200.0])
def test_the_control_at_no_temperature(world: World, nbeta: float) -> None:
    """A posterior that the localisation rules is told from one that the loss rules."""
    rows = [[1.0, 0.5, 0.0, 0.0, 0.0], [-1.0, 3.0, 0.0, 0.0, 0.0], [0.0, 8.0, 0.0, 0.0, 0.0]]
    queries = well(world, rows, sgld(**HMC, nbeta=nbeta, localization=3.0, draws=400, burn_in=60))
    answer = run(world, queries)
    found = with_control(queries, answer, world.store, reporter=SilentReporter(), workers=1)
    ((name, correlation),) = found.control
    assert name == "p"
    told = any("nβ = 0 control" in reason for reason in found.diagnostics[0].reasons)
    assert (correlation > 0.95) == told == (nbeta < 1)
    assert np.array_equal(found.susceptibility.chi, answer.susceptibility.chi)
    bare = attrs.evolve(queries, sampler=attrs.evolve(queries.sampler, localization=0.0))
    with pytest.raises(PatternError, match="PAT4043"):
        with_control(bare, answer, world.store, reporter=SilentReporter())


def test_adapting_needs_a_burn_in(world: World) -> None:
    with pytest.raises(PatternError) as caught:
        run(world, well(world, QUADRATIC, sgld(**HMC, burn_in=5)))
    assert [error.code for error in caught.value.diagnostics] == ["PAT4043"]


def test_the_closed_form_of_a_quadratic(world: World) -> None:
    """First order exactly, second order by draws: Cov = aᵀΣb + ½ tr(AΣBΣ)."""
    nbeta, gamma, d = 50.0, 10.0, 3
    sampler = sgld(**LAPLACE, nbeta=nbeta, localization=gamma)
    queries = well(world, QUADRATIC, sampler, d)
    model = queries.observables[0].terms[0][1].model  # type: ignore[union-attr]
    energy = observable("f", FreeEnergy(model, queries.reweight.data))
    estimate = run(world, attrs.evolve(queries, observables=(*queries.observables, energy)))
    chi, variance = estimate.susceptibility, 1 / (nbeta * 3 + gamma)
    curvature = np.array([2.0, 4.0])
    raw = -d * (np.array([1.0, -1.0]) * variance + 0.5 * curvature * variance**2)
    exact = raw - raw.mean()
    assert np.abs(chi.chi[0] - exact).max() < 3.5 * chi.stderr[0].max()
    assert chi.stderr[0].max() < 0.01 * np.abs(exact).max()
    assert chi.mean_stderr is not None
    assert abs(chi.mean[0] - d * variance / 2) < 3 * chi.mean_stderr[0]
    assert chi.sd[0] == pytest.approx(np.sqrt(d * (variance + variance**2 / 2)), rel=0.15)
    half = d * curvature * variance / 2
    assert np.abs(chi.chi[1] - (half - half.mean())).max() < 3.5 * chi.stderr[1].max()
    assert figures(estimate)["negative"] == 0
    assert figures(estimate)["parameters"] == figures(estimate)["directions"] == d


def test_negative_curvature_is_clipped_and_told(world: World) -> None:
    """-x² + x⁴ at 0: held there by the localisation alone."""
    rows = [[0.5, -1.0, 0.0, 1.0, 0.0], [-0.5, -1.0, 0.0, 1.0, 0.0]]
    estimate = run(world, well(world, rows, sgld(**LAPLACE, nbeta=10.0, localization=40.0), d=4))
    assert figures(estimate)["negative"] == 4
    assert any("negative in 4 of 4" in reason for reason in estimate.diagnostics[0].reasons)
    chi = estimate.susceptibility
    assert chi.chi[0, 0] - chi.chi[0, 1] == pytest.approx(-4 / 40, rel=0.05)


def test_a_flat_loss_needs_localization(world: World) -> None:
    rows = [[0.0, 0.0, 0.0, 1.0, 0.0]] * 2
    with pytest.raises(PatternError) as caught:
        run(world, well(world, rows, sgld(**LAPLACE, nbeta=10.0, localization=0.0)))
    (error,) = caught.value.diagnostics
    assert (error.code, error.exit_status) == ("PAT4045", 4)
    assert "3 of 3 directions" in error.message


def test_learning_coefficients_have_no_closed_form(world: World) -> None:
    queries = well(world, QUADRATIC, sgld(**LAPLACE))
    model = queries.observables[0].terms[0][1].model  # type: ignore[union-attr]
    llc = observable("llc", LearningCoefficient(model, queries.reweight.data, held=False))
    with pytest.raises(PatternError) as caught:
        run(world, attrs.evolve(queries, observables=(llc,)))
    assert [error.code for error in caught.value.diagnostics] == ["PAT4044"]


def test_what_is_mostly_of_second_order_is_told(world: World) -> None:
    rows = [[0.0, 1.0, 0.0, 1.0, 0.0], [0.0, 2.0, 0.0, 0.0, 0.0]]
    queries = well(world, rows, sgld(**LAPLACE, nbeta=20.0))
    model = queries.observables[0].terms[0][1].model  # type: ignore[union-attr]
    own = observable("own", Loss(model, queries.reweight.data))
    estimate = run(world, attrs.evolve(queries, observables=(own,)))
    assert any("`own` is of second order" in r for r in estimate.diagnostics[0].reasons)


def test_more_parameters_than_a_dense_matrix_takes(world: World) -> None:
    """Beyond 2048, curvature is known where gradients are: exact for a linear model."""
    world.write(
        "model.py",
        """
        import torch
        from torch import nn

        class Wide(nn.Module):
            def __init__(self, d):
                super().__init__()
                self.theta = nn.Parameter(torch.zeros(d, dtype=torch.float64))

            def features(self, x):
                return torch.cos(x[:, None] * torch.arange(len(self.theta))) / len(self.theta) ** 0.5

            def unit_loss(self, batch):
                fitted = self.features(batch["x"].to(self.theta.dtype)) @ self.theta
                return 0.5 * (fitted - batch["y"]) ** 2

        def build(d):
            return Wide(d)
        """,
    )
    random = np.random.default_rng(0)
    rows = [{"x": float(x), "y": float(y)} for x, y in random.standard_normal((12, 2))]
    data = world.rows("train", rows[:8])
    probe = world.rows("probe", rows[8:])
    nbeta, gamma, d = 100.0, 5.0, 3000
    sampler = sgld(**LAPLACE, nbeta=nbeta, localization=gamma)
    estimate = run(world, ask(data, [observable("p", Loss(world.model(d=d), probe))], sampler))
    x, y = np.array([r["x"] for r in rows]), np.array([r["y"] for r in rows])
    features = np.cos(x[:, None] * np.arange(d)) / np.sqrt(d)
    train = features[:8]
    held = nbeta * train.T @ train / 8 + gamma * np.eye(d)
    spread = np.linalg.solve(held, features.T)
    inner = features[8:] @ spread[:, :8]
    raw = -(0.5 * inner**2 + np.outer(y[8:], y[:8]) * inner).mean(axis=0)
    exact = raw - raw.mean()
    chi = estimate.susceptibility
    assert (np.abs(chi.chi[0] - exact) < 3.5 * chi.stderr[0] + 1e-6 * np.abs(exact).max()).all()
    assert figures(estimate)["directions"] == 9  # eight rows, and the probe's mean
    assert any("known in 9 of 3000 directions" in r for r in estimate.diagnostics[0].reasons)
