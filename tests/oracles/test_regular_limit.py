"""A small network in a regular basin: three samplers and the classical formula."""

import numpy as np
import pytest
import torch
from estimate_samples import CLASSIFIER, ROWS, World, ask, observable, only, run, sgld
from numpy.typing import NDArray

from pattern_lang.ir.observables import Loss
from pattern_lang.ir.queries import Queries, Sampler
from pattern_lang.ir.susceptibility import Susceptibility

Floats = NDArray[np.float64]

NBETA, GAMMA = 200.0, 100.0


def laplace(nbeta: float = NBETA, gamma: float = GAMMA) -> Sampler:
    return sgld(
        kind="laplace",
        step=0.0,
        batch=0,
        nbeta=nbeta,
        localization=gamma,
        chains=1,
        draws=1600,
        burn_in=0,
    )


def network(world: World, sampler: Sampler, dtype: str = "float64") -> Queries:
    """Ask for two losses of a trained classifier of 26 parameters, on rows it was not trained on."""
    text = CLASSIFIER.replace(
        "return Net(width)",
        f"""net = Net(width).to(torch.{dtype}).eval()
        import data
        rows = data.train()
        batch = {{"x": torch.tensor([r["x"] for r in rows], dtype=torch.{dtype}),
                 "y": torch.tensor([r["y"] for r in rows])}}
        optimizer = torch.optim.LBFGS(net.parameters(), max_iter=200)

        def closure():
            optimizer.zero_grad()
            decay = sum((p**2).sum() for p in net.parameters())
            loss = net.unit_loss(batch).mean() + 0.02 * decay
            loss.backward()
            return loss

        optimizer.step(closure)
        return net""",
    )
    world.write("model.py", text)
    world.write("data.py", ROWS)
    model, train = world.model(), world.data(name="train")
    probe = world.data("data.py:probe", "probe")
    losses = [
        observable("even", Loss(model, only(probe, "kind", "even"))),
        observable("all", Loss(model, probe)),
    ]
    return ask(train, losses, sampler)


def classical(queries: Queries, sampler: Sampler) -> Floats:
    """Return -g_φᵀ (nβ H + γ)⁻¹ g_j by automatic differentiation, centred, (k, n)."""
    from pattern_lang.estimate.inputs import load_inputs
    from pattern_lang.estimate.journal import Journal
    from pattern_lang.estimate.sampling import prepare_posteriors
    from pattern_lang.estimate.user_code import UserCode

    code = UserCode(Journal())
    (posterior,) = prepare_posteriors(queries, load_inputs(queries, code), code)
    module = posterior.setting.network.module
    names = [name for name, _ in module.named_parameters()]
    start = [parameter.detach().clone() for parameter in module.parameters()]
    sizes, shapes = [p.numel() for p in start], [p.shape for p in start]
    block = posterior.setting.rows.blocks[0]

    def losses(vector: torch.Tensor) -> torch.Tensor:
        parts = [v.view(s) for v, s in zip(vector.split(sizes), shapes, strict=True)]
        state = dict(zip(names, parts, strict=True))

        class Call(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = module

            def forward(self) -> torch.Tensor:
                return self.inner.unit_loss(dict(block))

        call = Call()
        return torch.func.functional_call(call, {f"inner.{n}": p for n, p in state.items()}, ())

    theta = torch.cat([p.reshape(-1) for p in start])
    gradients = torch.autograd.functional.jacobian(losses, theta).numpy()
    rows = posterior.layout.rows
    hessian = torch.autograd.functional.hessian(lambda v: losses(v)[:rows].mean(), theta).numpy()
    values, vectors = np.linalg.eigh(hessian)
    held = sampler.nbeta * values.clip(min=0) + sampler.localization
    means = np.stack([gradients[own].mean(axis=0) for own in posterior.layout.members])
    chosen = [posterior.layout.data.index(o.terms[0][1].on) for o in queries.observables]  # type: ignore[union-attr]
    response = -(means[chosen] @ vectors / held) @ (gradients[:rows] @ vectors).T
    return np.asarray(response - response.mean(axis=1, keepdims=True))


def chi_of(world: World, queries: Queries) -> Susceptibility:
    estimate = run(world, queries)
    assert estimate.diagnostics[0].sound, estimate.diagnostics[0].reasons
    return estimate.susceptibility


def test_the_closed_form_is_the_classical_formula(world: World) -> None:
    """At large nβ with γ/nβ fixed, the second order is gone and so is the noise."""
    sampler = laplace(nbeta=1e5, gamma=5e4)
    queries = network(world, sampler)
    chi = chi_of(world, queries)
    exact = classical(queries, sampler)
    assert np.abs(chi.chi - exact).max() < 1e-2 * np.abs(exact).max()
    assert (np.abs(chi.chi - exact) < 4 * chi.stderr + 1e-4 * np.abs(exact).max()).all()


def test_the_closed_form_in_single_precision(world: World) -> None:
    sampler = laplace(nbeta=1e4, gamma=5e3)
    exact = chi_of(world, network(world, sampler))
    chi = chi_of(world, network(world, sampler, "float32"))
    assert np.abs(chi.chi - exact.chi).max() < 0.02 * np.abs(exact.chi).max()


@pytest.mark.parametrize("kind", ["laplace", "sgld", "importance"])
def test_samplers_agree(world: World, kind: str) -> None:
    """With hmc, which has no bias: SGLD's, at this step, is below 3 %."""
    base = {"nbeta": NBETA, "localization": GAMMA}
    reference = sgld(kind="hmc", step=0.0, batch=0, draws=400, burn_in=100, chains=2, **base)
    langevin = sgld(step=1e-3, draws=800, thin=3, burn_in=200, chains=2, **base)
    truth = chi_of(world, network(world, reference))
    weighted = sgld(kind="importance", step=0.0, batch=0, draws=1600, burn_in=0, chains=2, **base)
    other = {"laplace": laplace(), "sgld": langevin, "importance": weighted}[kind]
    found = chi_of(world, network(world, other))
    error = np.sqrt(truth.stderr**2 + found.stderr**2)
    # Beyond the first order the Gaussian is not the posterior: one part in nβ.
    slack = 0.03 * np.abs(truth.chi).max(axis=1, keepdims=True)
    assert (np.abs(found.chi - truth.chi) < 3.5 * error + slack).all()
    for a, b in zip(found.chi, truth.chi, strict=True):
        assert np.corrcoef(a, b)[0, 1] > 0.97
