"""Pathwise derivatives: what they refuse, what they cost, and when they are found again."""

import attrs
import numpy as np
import pytest
from estimate_samples import POLYNOMIAL, World, ask, observable, run, sgld

from pattern_lang.diagnostics import PatternError
from pattern_lang.estimate import SilentReporter
from pattern_lang.estimate.control import with_control, without_loss
from pattern_lang.ir.observables import FreeEnergy, LearningCoefficient, Loss, UserObservable
from pattern_lang.ir.queries import Queries, Sampler

ROWS: list[dict[str, object]] = [
    {"coef": [0.1, 0.5, 0.0, 0.1, 0.0]},
    {"coef": [-0.1, 0.3, 0.1, 0.2, 0.0]},
    {"coef": [0.2, 0.7, -0.1, 0.1, 0.0]},
]


def pathwise(**settings: object) -> Sampler:
    base = {"step": 0.02, "nbeta": 20.0, "draws": 12, "burn_in": 6, "chains": 2, "batch": 2}
    return attrs.evolve(sgld(**{**base, **settings}), estimator="pathwise")


def queries(world: World, sampler: Sampler) -> Queries:
    world.write("model.py", POLYNOMIAL)
    data, probe = world.rows("train", ROWS), world.rows("probe", ROWS[1:])
    model = world.model(d=4)
    return ask(
        data, [observable("own", Loss(model, data)), observable("p", Loss(model, probe))], sampler
    )


def test_a_function_of_ones_own_has_no_derivative(world: World) -> None:
    world.write("model.py", POLYNOMIAL + "\n    def norm(module, batch):\n        return 1.0\n")
    data, model = world.rows("train", ROWS), world.model(d=4)
    own = UserObservable(world.function("model.py:norm"), model, data, ())
    with pytest.raises(PatternError) as caught:
        run(world, ask(data, [observable("norm", own)], pathwise()))
    assert [error.code for error in caught.value.diagnostics] == ["PAT4075"]


def test_localization_is_needed(world: World) -> None:
    with pytest.raises(PatternError) as caught:
        run(world, queries(world, pathwise(localization=0.0)))
    (error,) = caught.value.diagnostics
    assert error.code == "PAT4043"
    assert "pathwise" in str(error.help)


def test_the_control_at_no_temperature(world: World) -> None:
    """At nβ = 0 derivatives are those of the localisation alone, -Cov = -(∇f·∇ℓ_j/γ + …)."""
    world.write("model.py", POLYNOMIAL)
    gamma, d = 10.0, 3
    rows: list[dict[str, object]] = [
        {"coef": [1.0, 1.0, 0.0, 0.0, 0.0]},
        {"coef": [-1.0, 2.0, 0.0, 0.0, 0.0]},
    ]
    data = world.rows("train", rows)
    probe = world.rows("probe", [{"coef": [1.0, 0.5, 0.0, 0.0, 0.0]}])
    sampler = pathwise(localization=gamma, draws=200, burn_in=60, nbeta=50.0)
    asked = ask(data, [observable("p", Loss(world.model(d=d), probe))], sampler)
    answer = run(world, asked)
    found = with_control(asked, answer, world.store, reporter=SilentReporter(), workers=1)
    assert [name for name, _ in found.control] == ["p"]
    chi = run(world, without_loss(asked)).susceptibility
    slope, curvature = np.array([1.0, -1.0]), np.array([2.0, 4.0])
    raw = -d * (slope / gamma + 0.5 * curvature / gamma**2)
    bias = 0.01  # of the second part, by the step
    exact = raw - raw.mean()
    assert np.abs(chi.chi[0] - exact).max() < 3.5 * chi.stderr[0].max() + bias * d / gamma**2
    assert chi.stderr[0].max() < 0.05 * np.abs(exact).max()


def test_what_was_sampled_is_found_again(world: World) -> None:
    found = [run(world, queries(world, pathwise())) for _ in range(2)]
    assert found[0].sampled
    assert not found[1].sampled
    assert np.array_equal(found[0].susceptibility.chi, found[1].susceptibility.chi)
    covariance = run(world, queries(world, attrs.evolve(pathwise(), estimator="covariance")))
    assert covariance.sampled
    assert not np.array_equal(found[0].susceptibility.chi, covariance.susceptibility.chi)


def test_what_is_followed_for_its_mean_is_found_where_its_derivative_is(world: World) -> None:
    """A free energy needs the mean loss alone, and takes no chains of its own for it."""
    world.write("model.py", POLYNOMIAL)
    data, model = world.rows("train", ROWS), world.model(d=4)
    coefficient = ask(
        data, [observable("l", LearningCoefficient(model, data, held=False))], pathwise()
    )
    energy = ask(data, [observable("f", FreeEnergy(model, data))], pathwise())
    assert run(world, coefficient).sampled
    shared = run(world, energy)
    assert not shared.sampled
    alone = run(world, energy, fresh=True)
    assert np.array_equal(alone.susceptibility.chi, shared.susceptibility.chi)


def test_where_a_mean_is_followed_its_derivative_is_not(world: World) -> None:
    world.write("model.py", POLYNOMIAL)
    data, model = world.rows("train", ROWS), world.model(d=4)
    run(world, ask(data, [observable("f", FreeEnergy(model, data))], pathwise()))
    found = run(
        world,
        ask(data, [observable("l", LearningCoefficient(model, data, held=False))], pathwise()),
    )
    assert found.sampled


def test_a_derivative_that_grows_without_bound(world: World) -> None:
    """Where the loss curves down more steeply than localisation holds, v doubles and doubles."""
    world.write(
        "model.py",
        """
        import torch
        from torch import nn

        class Ridge(nn.Module):
            '''The gradient is that of a bounded loss, its derivative far from it.'''

            def __init__(self):
                super().__init__()
                self.x = nn.Parameter(torch.zeros(2, dtype=torch.float64))

            def unit_loss(self, batch):
                x = self.x.sum()
                return batch["a"] * torch.sin(1e9 * x) * 1e-3

        def build():
            return Ridge()
        """,
    )
    data, model = world.rows("train", [{"a": 1.0}, {"a": 0.5}]), world.model()
    sampler = pathwise(step=1e-3, nbeta=1e6, localization=1.0, draws=60)
    with pytest.raises(PatternError) as caught:
        run(world, ask(data, [observable("x", Loss(model, data))], sampler))
    (error,) = caught.value.diagnostics
    assert (error.code, error.exit_status) == ("PAT4051", 4)
    assert "pathwise derivative" in error.message
    assert "covariance" in str(error.help)


def test_cost_counts_tangents(world: World) -> None:
    from pattern_lang.estimate.crew import posteriors_cost
    from pattern_lang.estimate.inputs import load_inputs
    from pattern_lang.estimate.journal import Journal
    from pattern_lang.estimate.sampling import prepare_posteriors
    from pattern_lang.estimate.user_code import UserCode

    code = UserCode(Journal())
    counted = []
    for sampler in (pathwise(), attrs.evolve(pathwise(), estimator="covariance")):
        asked = queries(world, sampler)
        ready = prepare_posteriors(asked, load_inputs(asked, code), code)
        counted.append(posteriors_cost(ready, code, 1).losses)
    assert counted == [3 + 2 + 2 * 3, 3 + 2]
