"""Learning coefficients at finite nβ, against exact values.

Scalars are sampled as d independent copies in one vector: the coefficient is d times that of one,
and its relative error √d smaller. Steps are small enough that their bias, computed or measured,
stays well below the standard error; the bias of the Gaussian case is known in closed form.
"""

import numpy as np
import pytest
from estimate_samples import POLYNOMIAL, World, ask, observable, run, sgld
from scipy.special import digamma

from pattern_lang.ir.observables import LearningCoefficient
from pattern_lang.ir.susceptibility import Estimate


def measured(estimate: Estimate) -> tuple[float, float]:
    """Return the coefficient and its standard error, from the effective draws."""
    chi, diagnosis = estimate.susceptibility, estimate.diagnostics[0]
    assert diagnosis.sound, diagnosis.reasons
    return float(chi.mean[0]), float(chi.sd[0] / np.sqrt(diagnosis.effective_draws))


def assert_agrees(estimate: Estimate, exact: float) -> None:
    value, error = measured(estimate)
    assert error < 0.05 * exact
    assert abs(value - exact) < 3 * error, (value, exact, error)


def polynomial(world: World, coefficients: list[float], d: int, **settings: object) -> Estimate:
    world.write("model.py", POLYNOMIAL)
    data = world.rows("train", [{"coef": coefficients}])
    model = world.model(d=d)
    llc = observable("llc", LearningCoefficient(model, data, held=False))
    return run(world, ask(data, [llc], sgld(**settings)))


def test_gaussian(world: World) -> None:
    world.write(
        "model.py",
        """
        import torch
        from torch import nn

        class Bowl(nn.Module):
            def __init__(self, copies):
                super().__init__()
                self.theta = nn.Parameter(torch.zeros(4, copies))
                self.register_buffer("h", torch.tensor([[0.5], [1.0], [2.0], [5.0]]))

            def unit_loss(self, batch):
                return batch["scale"] * 0.5 * (self.h * self.theta**2).sum()

        def build(copies):
            return Bowl(copies)
        """,
    )
    data = world.rows("train", [{"scale": 0.5}, {"scale": 1.5}])
    llc = observable("llc", LearningCoefficient(world.model(copies=50), data, held=False))
    nbeta, gamma, step = 50.0, 20.0, 2e-3
    settings = sgld(step=step, nbeta=nbeta, localization=gamma, draws=1500, thin=2, burn_in=300)
    h = np.repeat([0.5, 1.0, 2.0, 5.0], 50)
    stiffness = nbeta * h + gamma
    exact = float((0.5 * nbeta * h / stiffness / (1 - step * stiffness / 4)).sum())
    assert_agrees(run(world, ask(data, [llc], settings)), exact)


@pytest.mark.parametrize(("place", "order"), [(3, 4), (4, 6)])
def test_homogeneous(world: World, place: int, order: int) -> None:
    """λ is 1/order; the variance of nβL is the same number (nβL has a gamma law)."""
    coefficients = [0.0] * 5
    coefficients[place] = 1.0
    d = 120
    settings = {"nbeta": 1.0, "localization": 0.0, "burn_in": 2000, "draws": 600, "thin": 8}
    step = 0.003 if order == 4 else 0.002  # a bias of 0.3 %
    estimate = polynomial(world, coefficients, d, step=step, **settings)
    assert_agrees(estimate, d / order)
    assert estimate.susceptibility.sd[0] ** 2 == pytest.approx(d / order, rel=0.2)


def test_unigram_softmax(world: World) -> None:
    """The posterior is Dirichlet(nβ q), with one logit pinned and no localisation."""
    world.write(
        "model.py",
        """
        import torch
        from torch import nn

        class Unigram(nn.Module):
            def __init__(self, copies):
                super().__init__()
                q = torch.tensor([0.4, 0.3, 0.2, 0.1])
                self.free = nn.Parameter((q[1:] / q[0]).log().repeat(copies, 1))

            def unit_loss(self, batch):
                pinned = torch.zeros(len(self.free), 1)
                scores = torch.cat([pinned, self.free], 1).log_softmax(1)
                return -scores.sum(0)[batch["token"]]

        def build(copies):
            return Unigram(copies)
        """,
    )
    tokens = [0, 0, 0, 0, 1, 1, 1, 2, 2, 3]
    data = world.rows("train", [{"token": token} for token in tokens])
    copies, nbeta, q = 100, 100.0, np.array([0.4, 0.3, 0.2, 0.1])
    llc = observable("llc", LearningCoefficient(world.model(copies=copies), data, held=False))
    settings = sgld(
        step=5e-4, nbeta=nbeta, localization=0.0, draws=600, thin=10, burn_in=1000, chains=4
    )
    entropy = -(q * np.log(q)).sum()
    exact = nbeta * (digamma(nbeta) - (q * digamma(nbeta * q)).sum() - entropy)
    assert exact == pytest.approx(1.5165, abs=5e-5)
    assert_agrees(run(world, ask(data, [llc], settings)), copies * exact)
