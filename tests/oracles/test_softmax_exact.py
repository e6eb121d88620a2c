"""Softmax language models with one logit pinned in each row: the posterior is Dirichlet(nβ q).

With γ = 0 and `θ = log p` up to the pinned logit, exp(-nβ L) in θ is the Dirichlet density in p, so
means and covariances of the losses -log p_t are digamma and trigamma functions, at any nβ.
"""

import numpy as np
import pytest
from estimate_samples import World, ask, observable, only, run, sgld
from numpy.typing import NDArray
from oracle_tools import jacobian
from scipy.special import digamma, polygamma

from pattern_lang.ir.observables import FreeEnergy, LearningCoefficient, Loss
from pattern_lang.ir.queries import Sampler
from pattern_lang.ir.sources import DataSource, ModelSource

Floats = NDArray[np.float64]

MODEL = """
    import torch
    from torch import nn

    class Bigram(nn.Module):
        '''Independent copies of a table of logits; a row's loss is summed over the copies.'''

        def __init__(self, counts, copies):
            super().__init__()
            q = torch.tensor(counts, dtype=torch.float64)
            start = (q[:, 1:] / q[:, :1]).log()
            self.free = nn.Parameter(start.repeat(copies, 1, 1))

        def unit_loss(self, batch):
            logits = torch.cat([torch.zeros_like(self.free[..., :1]), self.free], 2)
            scores = logits.log_softmax(2).sum(0)
            return -scores[batch["context"], batch["token"]]

    def build(counts, copies=1):
        return Bigram(counts, copies)
"""
UNIGRAM = ((4, 3, 2, 1),)
BIGRAM = ((4, 1), (2, 3), (1, 9))


def exact_llc(counts: tuple[tuple[int, ...], ...], nbeta: float) -> float:
    """Return nβ(⟨L⟩ - L(θ*)): each context is a unigram with its share of nβ."""
    table = np.array(counts, dtype=float)
    share = table.sum(axis=1) / table.sum()
    q = table / table.sum(axis=1, keepdims=True)
    own = nbeta * share
    entropy = -(q * np.log(q)).sum(axis=1)
    return float(
        (own * (digamma(own) - (q * digamma(own[:, None] * q)).sum(axis=1) - entropy)).sum()
    )


def corpus(
    world: World, counts: tuple[tuple[int, ...], ...], copies: int = 1
) -> tuple[ModelSource, DataSource]:
    world.write("model.py", MODEL)
    rows: list[dict[str, object]] = [
        {"context": context, "token": token}
        for context, row in enumerate(counts)
        for token, count in enumerate(row)
        for _ in range(count)
    ]
    return world.model(counts=counts, copies=copies), world.rows("train", rows)


def hmc(**settings: object) -> Sampler:
    base = {"kind": "hmc", "step": 0.0, "batch": 0, "localization": 0.0, "burn_in": 60}
    return sgld(**{**base, **settings})


@pytest.mark.parametrize(("counts", "nbeta"), [(UNIGRAM, 100.0), (UNIGRAM, 15.0), (BIGRAM, 60.0)])
def test_learning_coefficient(
    world: World, counts: tuple[tuple[int, ...], ...], nbeta: float
) -> None:
    """At nβ = 15 it is far from d/2."""
    copies = 120
    model, data = corpus(world, counts, copies)
    llc = observable("llc", LearningCoefficient(model, data, held=True))
    chi = run(world, ask(data, [llc], hmc(nbeta=nbeta, draws=100, chains=2))).susceptibility
    assert chi.mean_stderr is not None
    value, error = chi.mean[0] / copies, chi.mean_stderr[0] / copies
    exact = exact_llc(counts, nbeta)
    assert error < 0.04 * exact
    assert abs(value - exact) < 3 * error, (value, exact, error)


@pytest.mark.parametrize("step", [0.02, 0.005])
def test_langevin_steps_have_a_bias(world: World, step: float) -> None:
    """A full-batch step widens a direction of stiffness H by 1/(1 - εH/4): 8 % and 2 % of λ̂ here.

    The law of the steps is known for a Gaussian only; the anharmonic rest is a tenth of the bias.
    """
    nbeta, copies, q = 100.0, 200, np.array([0.3, 0.2, 0.1])
    model, data = corpus(world, UNIGRAM, copies)
    llc = observable("llc", LearningCoefficient(model, data, held=True))
    thin = int(0.1 / step)
    settings = sgld(step=step, nbeta=nbeta, localization=0.0, draws=150, thin=thin, burn_in=500)
    chi = run(world, ask(data, [llc], settings)).susceptibility
    assert chi.mean_stderr is not None
    value, error = chi.mean[0] / copies, chi.mean_stderr[0] / copies
    stiffness = nbeta * np.linalg.eigvalsh(np.diag(q) - np.outer(q, q))
    bias = (0.5 / (1 - step * stiffness / 4) - 0.5).sum()
    exact = exact_llc(UNIGRAM, nbeta)
    assert abs(value - exact - bias) < 3 * error + 0.15 * bias, (value, exact, bias, error)
    assert value > exact + 2 * error


def test_covariances_of_tokens(world: World) -> None:
    """Cov(ℓ_s, ℓ_t) = δ_st ψ₁(nβ q_t) - ψ₁(nβ), and Cov(L, ℓ_t) = q_t ψ₁(nβ q_t) - ψ₁(nβ)."""
    nbeta, q = 40.0, np.array([0.4, 0.3, 0.2, 0.1])
    model, data = corpus(world, UNIGRAM)
    tokens = [observable(f"t{t}", Loss(model, only(data, "token", t))) for t in range(4)]
    kinds = [
        *tokens,
        observable("all", Loss(model, data)),
        observable("f", FreeEnergy(model, data)),
    ]
    j, error = jacobian(ask(data, kinds, hmc(nbeta=nbeta, draws=800)))
    rows = [0, 4, 7, 9]  # one of each token
    one, whole = polygamma(1, nbeta * q), polygamma(1, nbeta)
    exact = np.vstack(
        [
            -(np.diag(one) - whole),
            -(q * one - whole),
            digamma(nbeta) - digamma(nbeta * q),
        ]
    )
    z = (j[:, rows] - exact) / error[:, rows]
    assert np.abs(z).max() < 3.5, z
    assert (error[:4, rows].diagonal() < 0.1 * one).all()


def test_finite_response_to_a_tilt(world: World) -> None:
    """Tilted data have the posterior Dirichlet(nβ q w): the exact means move as χ says."""
    nbeta, q, h = 40.0, np.array([0.4, 0.3, 0.2, 0.1]), 1e-4
    model, data = corpus(world, UNIGRAM)
    kinds = [observable("two", Loss(model, only(data, "token", 2)))]
    chi = run(world, ask(data, kinds, hmc(nbeta=nbeta, draws=800))).susceptibility
    tilt = np.array([1.0, -1.0, 0.5, -0.5])
    tilt -= q @ tilt
    ends = [digamma(nbeta) - digamma(nbeta * q[2] * (1 + s * h * tilt[2])) for s in (1, -1)]
    exact = (ends[0] - ends[1]) / (2 * h)
    by_row = tilt[[0] * 4 + [1] * 3 + [2] * 2 + [3]]
    shifts = chi.beta * chi.replicates(0) @ by_row
    error = shifts.std(ddof=1) / np.sqrt(len(shifts))
    assert abs(shifts.mean() - exact) < 3 * error
    assert error < 0.2 * abs(exact)
