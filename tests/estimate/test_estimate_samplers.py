"""The steps themselves, the minibatches, and what may not move."""

from itertools import islice

import numpy as np
import pytest
import torch
from estimate_samples import CLASSIFIER, ROWS, World, ask, classifier, observable, run, sgld
from torch import nn

from pattern_lang.diagnostics import PatternError
from pattern_lang.estimate.chain import Setting, batches
from pattern_lang.estimate.evaluate import Rows
from pattern_lang.estimate.moments import Averager
from pattern_lang.estimate.network import Network, flatten
from pattern_lang.estimate.steps import stepper
from pattern_lang.ir.observables import LearningCoefficient, Loss
from pattern_lang.ir.queries import Sampler


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor([0.5, -1.0], dtype=torch.float64))
        self.b = nn.Parameter(torch.tensor([[2.0]], dtype=torch.float64))
        self.frozen = nn.Parameter(torch.tensor(3.0), requires_grad=False)
        self.register_buffer("count", torch.tensor(7))


def tiny() -> Network:
    module = Tiny()

    def loss(batch: object) -> torch.Tensor:
        return ((module.a**2).sum() * module.frozen + module.b.sum() ** 3).reshape(1)

    network = flatten(module, loss)  # type: ignore[arg-type]
    network.theta.add_(0.25)
    return network


def gradient(theta: np.ndarray) -> np.ndarray:
    return np.array([6 * theta[0], 6 * theta[1], 3 * theta[2] ** 2])


def test_flattening_leaves_views() -> None:
    network = tiny()
    module = network.module
    assert isinstance(module, Tiny)
    assert module.a.tolist() == [0.75, -0.75]
    assert module.b.tolist() == [[2.25]]
    assert network.anchor.tolist() == [0.5, -1.0, 2.0]
    network.gradient({})
    assert network.grad.numpy() == pytest.approx(gradient(network.theta.numpy()))
    network.reset()
    assert module.b.tolist() == [[2.0]]


def settings(kind: str) -> Sampler:
    return sgld(kind=kind, step=0.02, nbeta=3.0, localization=5.0, decay=0.9, stabilizer=0.1)


def test_sgld_is_the_formula() -> None:
    network, sampler = tiny(), settings("sgld")
    step = stepper(network, sampler, torch.Generator().manual_seed(1))
    noise = torch.Generator().manual_seed(1)
    theta, anchor = network.theta.numpy().copy(), network.anchor.numpy().copy()
    for _ in range(5):
        network.gradient({})
        step()
        eta = torch.empty(3, dtype=torch.float64).normal_(generator=noise).numpy()
        drift = 3.0 * gradient(theta) + 5.0 * (theta - anchor)
        theta = theta - 0.01 * drift + np.sqrt(0.02) * eta
        assert network.theta.numpy() == pytest.approx(theta, rel=1e-12)


def test_rmsprop_sgld_is_the_formula() -> None:
    network, sampler = tiny(), settings("rmsprop_sgld")
    step = stepper(network, sampler, torch.Generator().manual_seed(1))
    noise = torch.Generator().manual_seed(1)
    theta, anchor = network.theta.numpy().copy(), network.anchor.numpy().copy()
    v = np.ones(3)
    for t in range(5):
        network.gradient({})
        step()
        g = gradient(theta)
        v = 0.9 * v + 0.1 * g**2
        epsilon = 0.02 / (np.sqrt(v / (1 - 0.9 ** (t + 1))) + 0.1)
        eta = torch.empty(3, dtype=torch.float64).normal_(generator=noise).numpy()
        theta = theta - epsilon / 2 * (3 * g + 5 * (theta - anchor)) + np.sqrt(epsilon) * eta
        assert network.theta.numpy() == pytest.approx(theta, rel=1e-12)


def setting(rows: int, batch: int) -> Setting:
    network = tiny()
    blocks = ({"i": torch.arange(rows + 3)},)  # three rows are not re-weighted
    members = (torch.arange(rows + 3),)
    averager = Averager(members, torch.ones(1, rows, dtype=torch.bool), None, rows, rows + 3)
    anchor = torch.zeros(rows + 3, dtype=torch.float64)
    return Setting(
        network,
        Rows(blocks, (rows + 3,), (None,), None, rows),
        averager,
        anchor,
        sgld(batch=batch),
        (10,),
    )


def test_minibatches_repeat_no_row_within_an_epoch() -> None:
    supply = batches(setting(10, 3), torch.Generator().manual_seed(0))
    epochs = [[i for _ in range(3) for i in next(supply)["i"].tolist()] for _ in range(200)]
    assert all(len(set(rows)) == 9 and max(rows) < 10 for rows in epochs)
    assert len(set(map(tuple, epochs))) == 200
    left_out = [45 - sum(rows) for rows in epochs]
    assert set(left_out) == set(range(10))


@pytest.mark.parametrize("size", [10, 11])
def test_a_batch_of_everything_is_the_whole_data(size: int) -> None:
    supply = batches(setting(10, size), torch.Generator().manual_seed(0))
    for batch in islice(supply, 3):
        assert batch.pop("i").tolist() == list(range(10))  # a network may take it apart


def test_dropout_is_off_and_data_are_cast(world: World) -> None:
    """With dropout on, the loss at θ* would differ from call to call."""
    queries = classifier(world)
    text = CLASSIFIER.replace(
        "scores =",
        'assert batch["x"].dtype == torch.float32 and batch["y"].dtype == torch.int64\n'
        '            assert batch["good"].dtype == torch.bool and "kind" not in batch\n'
        "            assert not self.training\n            scores =",
        1,
    )
    world.write("model.py", text)
    estimate = run(world, queries)
    assert estimate.diagnostics[0].anchor_loss > 0


def test_double_precision_is_kept(world: World) -> None:
    queries = classifier(world)
    text = CLASSIFIER.replace("return Net(width)", "return Net(width).double()")
    world.write(
        "model.py", text.replace("scores =", 'assert batch["x"].dtype == torch.float64; scores =')
    )
    run(world, queries)


def test_frozen_parameters_and_buffers_stay(world: World) -> None:
    """Tied weights move together, once; a frozen layer does not move at all."""
    world.write("data.py", ROWS)
    world.write(
        "model.py",
        """
        import torch
        from torch import nn

        class Tied(nn.Module):
            def __init__(self):
                super().__init__()
                self.first = nn.Linear(3, 3, bias=False)
                self.second = nn.Linear(3, 3, bias=False)
                self.second.weight = self.first.weight
                self.fixed = nn.Linear(3, 2).requires_grad_(False)
                self.register_buffer("before", self.fixed.weight.clone(), persistent=False)

            def unit_loss(self, batch):
                assert self.first.weight is self.second.weight
                assert torch.equal(self.fixed.weight, self.before)
                scores = self.fixed(torch.tanh(self.second(torch.tanh(self.first(batch["x"])))))
                return nn.functional.cross_entropy(scores, batch["y"], reduction="none")

        def build():
            return Tied()
        """,
    )
    data, model = world.data(), world.model()
    llc = observable("llc", LearningCoefficient(model, data, held=False))
    for kind in ("sgld", "rmsprop_sgld"):
        queries = ask(data, [llc], sgld(kind=kind, step=1e-3, nbeta=20.0, batch=8))
        estimate = run(world, queries)
        assert estimate.susceptibility.sd[0] > 0


def test_a_loss_function_of_its_own(world: World) -> None:
    world.write("data.py", ROWS)
    world.write("model.py", CLASSIFIER.replace("def unit_loss", "def other"))
    world.write("extra.py", "def loss(module, batch):\n    return 2 * module.other(batch)\n")
    data = world.data()
    plain, twice = (
        world.model(loss="extra.py:loss"),
        world.model(loss="extra.py:loss2", name="twice"),
    )
    with pytest.raises(PatternError, match="loss2"):
        run(world, ask(data, [observable("l", Loss(twice, data))], sgld(step=1e-3)))
    for workers in (1, 2):
        queries = ask(data, [observable("l", Loss(plain, data))], sgld(step=1e-3))
        estimate = run(world, queries, workers=workers, fresh=True)
        assert estimate.diagnostics[0].anchor_loss > 0.7  # twice a cross-entropy near log 2


def test_divergence_names_the_step_size(world: World) -> None:
    world.write(
        "model.py",
        """
        import torch
        from torch import nn

        class Bowl(nn.Module):
            def __init__(self):
                super().__init__()
                self.x = nn.Parameter(torch.zeros(5))

            def unit_loss(self, batch):
                return batch["h"] * 0.5 * (self.x**2).sum()

        def build():
            return Bowl()
        """,
    )
    data, model = world.rows("train", [{"h": 1.0}, {"h": 3.0}]), world.model()
    llc = observable("llc", LearningCoefficient(model, data, held=False))
    with pytest.raises(PatternError) as caught:
        run(world, ask(data, [llc], sgld(step=0.5, nbeta=10.0, localization=1.0)))
    (error,) = caught.value.diagnostics
    assert (error.code, error.exit_status) == ("PAT4051", 4)
    assert "chain 0 of model `m` diverged at step " in error.message
    # step × (nβ h + γ) = 0.5 × 21, which rounds either way
    assert error.help is not None
    named = "write `step: 0.04`: step × (nbeta × curvature + localization) is"
    assert error.help.startswith((f"{named} 10 ", f"{named} 11 "))
    run(world, ask(data, [llc], sgld(step=0.04, nbeta=10.0, localization=1.0)))


def test_divergence_without_a_minimum(world: World) -> None:
    """A loss without a floor: smaller steps would not help."""
    world.write(
        "model.py",
        """
        import torch
        from torch import nn

        class Slide(nn.Module):
            def __init__(self):
                super().__init__()
                self.x = nn.Parameter(torch.zeros(1))

            def unit_loss(self, batch):
                return batch["h"] * (self.x.sum() ** 2 / 2 - self.x.sum() ** 4)

        def build():
            return Slide()
        """,
    )
    data, model = world.rows("train", [{"h": 1.0}]), world.model()
    llc = observable("llc", LearningCoefficient(model, data, held=False))
    with pytest.raises(PatternError) as caught:
        run(world, ask(data, [llc], sgld(step=0.01, nbeta=10.0, localization=0.0, draws=4000)))
    (error,) = caught.value.diagnostics
    assert error.code == "PAT4051"
    assert "`localization: 1`" in (error.help or "")
