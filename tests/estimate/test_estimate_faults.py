"""Known faults of susceptibility estimators, each with a test that it is not one of ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import attrs
import numpy as np
import pytest
import torch
from estimate_samples import CLASSIFIER, ROWS, World, ask, classifier, observable, run, sgld
from safetensors.torch import save_file

from pattern_lang.diagnostics import PatternError
from pattern_lang.estimate import SilentReporter, estimate
from pattern_lang.estimate.inputs import load_inputs
from pattern_lang.estimate.journal import Journal
from pattern_lang.estimate.moments import Averager, StretchSums
from pattern_lang.estimate.sampling import prepare_posteriors
from pattern_lang.estimate.user_code import UserCode
from pattern_lang.ir.observables import Loss, Restricted
from pattern_lang.ir.sources import ParameterGlob

DOCS = Path(__file__).parents[2] / "docs"
WATCHED = CLASSIFIER.replace(
    "            scores =",
    """            import pathlib
            assert not self.training and not self.drop.training
            with (pathlib.Path(__file__).parent / "seen.txt").open("a") as seen:
                seen.write(",".join(f"{x:.6f}" for x in batch["x"][:, 0].tolist()) + "\\n")
            scores =""",
)


@pytest.mark.parametrize("kind", ["sgld", "rmsprop_sgld"])
def test_a_chain_that_fails_is_an_error(world: World, kind: str) -> None:
    """And not a warning above a biased, finite coefficient."""
    world.write("data.py", ROWS)
    world.write(
        "model.py",
        CLASSIFIER.replace(
            "return nn.", "scores = scores / (self.outer.bias.sum() < 0.6)\n            return nn."
        ),
    )
    data, model = world.data(), world.model()
    loss = observable("l", Loss(model, data))
    with pytest.raises(PatternError) as caught:
        run(world, ask(data, [loss], sgld(kind=kind, step=0.02, batch=8, draws=400)))
    (error,) = caught.value.diagnostics
    assert (error.code, error.exit_status) == ("PAT4051", 4)
    assert not list(world.store.rglob("*.safetensors"))  # nothing of it is kept


def test_stored_results_belong_to_contents_and_not_to_paths(world: World) -> None:
    """Another checkpoint, or other rows, at the same path are another estimate."""
    queries = classifier(world)
    model = attrs.evolve(world.model(weights="net.safetensors"))
    observables = tuple(
        attrs.evolve(
            o,
            terms=tuple((c, attrs.evolve(p, model=model)) for c, p in o.terms),  # type: ignore[type-var]
        )
        for o in queries.observables
    )
    posteriors = tuple(attrs.evolve(q, model=model) for q in queries.posteriors)
    queries = attrs.evolve(queries, observables=observables, posteriors=posteriors)
    found = []
    for scale in (1.0, 2.0):
        torch.manual_seed(0)
        state = {
            "inner.weight": torch.randn(4, 3) * scale,
            "inner.bias": torch.zeros(4),
            "outer.weight": torch.randn(2, 4),
            "outer.bias": torch.zeros(2),
        }
        save_file(state, world.folder / "net.safetensors")
        found.append(run(world, queries))
    world.write("data.py", ROWS.replace("0.3 * x[1]", "0.4 * x[1]"))
    found.append(run(world, queries))
    assert all(estimate.sampled for estimate in found)
    for one, other in ((0, 1), (1, 2)):
        assert not np.array_equal(found[one].susceptibility.chi, found[other].susceptibility.chi)
    assert not run(world, queries).sampled


def test_the_network_never_trains(world: World) -> None:
    """No dropout, and no mode of training, whatever mode the builder leaves behind."""
    queries = classifier(world, draws=4, chains=1, burn_in=1)
    world.write("model.py", WATCHED.replace("return Net(width)", "return Net(width).train()"))
    run(world, queries)
    assert (world.folder / "seen.txt").exists()


def test_losses_at_the_checkpoint_are_deterministic(world: World) -> None:
    """With dropout on, two runs of different chains would not share the loss at θ*."""
    queries = classifier(world)
    other = attrs.evolve(queries, sampler=attrs.evolve(queries.sampler, seed=9))
    here, there = run(world, queries).diagnostics[0], run(world, other).diagnostics[0]
    assert here.anchor_loss == there.anchor_loss


def test_small_excesses_keep_their_covariance() -> None:
    """Products that are not centred lose 8 % in float32 at a loss excess of 0.003."""
    random = np.random.default_rng(0)
    draws = 4.0 + 0.003 * random.standard_normal((500, 1)) + 1e-4 * random.standard_normal((500, 6))
    averager = Averager((torch.arange(6),), torch.ones(1, 6, dtype=torch.bool), None, 6, 6)
    sums = StretchSums.empty(averager, 500)
    for start in range(0, 500, 50):
        sums.add(torch.from_numpy(draws[start : start + 50]), averager)
    exact = ((draws.mean(1) - draws.mean()) @ (draws - draws.mean(0))) / 500
    assert (sums.cross / sums.count)[0].numpy() == pytest.approx(exact, rel=1e-5)
    single = draws.astype(np.float32)
    lost = (single.mean(1) @ single) / 500 - single.mean(0) * single.mean()
    assert np.abs(lost / exact - 1).max() > 0.01  # what uncentred float32 products would say


def test_every_chain_has_its_own_minibatches(world: World) -> None:
    """A shared order makes chains look alike and flatters R-hat."""
    queries = classifier(world, draws=6, chains=3, burn_in=0, batch=8)
    world.write("model.py", WATCHED)
    run(world, queries)
    seen = (world.folder / "seen.txt").read_text().splitlines()
    steps = [line for line in seen if line.count(",") == 7]
    while steps[-1] == steps[-2]:
        steps.pop()  # the curvature, measured on the first rows after the chains
    steps = steps[: len(steps) - (steps[-1] == _first_rows())]
    # Three chains of six steps; timing before them takes minibatches too.
    chains = [tuple(steps[-18:][6 * number : 6 * number + 6]) for number in range(3)]
    assert len(set(chains)) == 3
    assert len({line for chain in chains for line in chain}) > 12


def _first_rows() -> str:
    scope: dict[str, object] = {}
    exec(dedent(ROWS), scope)  # noqa: S102
    rows = scope["train"]()  # type: ignore[operator]
    return ",".join(f"{row['x'][0]:.6f}" for row in rows[:8])


def test_estimates_have_error_bars_and_diagnostics(world: World) -> None:
    estimate = run(world, classifier(world, draws=100))
    chi, (diagnosis,) = estimate.susceptibility, estimate.diagnostics
    assert (chi.stderr > 0).all()
    assert chi.mean_stderr is not None
    assert (chi.mean_stderr > 0).all()
    for figure in (diagnosis.r_hat, diagnosis.effective_draws, diagnosis.autocorrelation_time):
        assert np.isfinite(figure)
    assert diagnosis.verdict
    assert diagnosis.between_within >= 0


def test_an_interrupted_run_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And need not be deleted by hand before the next can start: the bits are the same."""
    monkeypatch.setenv("PAT_CHECKPOINT_SECONDS", "0")
    queries = classifier(world, chains=2, draws=2000)
    patience = iter(range(5))

    class Impatient(SilentReporter):
        def advance(self, steps: int) -> None:
            if next(patience, None) is None:
                raise KeyboardInterrupt

        @contextmanager
        def progress(self, total: int, description: str) -> Iterator["Impatient"]:
            self.total = total
            yield self

    with pytest.raises(KeyboardInterrupt):
        estimate(queries, world.store, reporter=Impatient(), workers=1)
    assert list(world.store.glob("running/*/chain-*.safetensors"))
    patience, second = iter(range(10**9)), Impatient()
    found = estimate(queries, world.store, reporter=second, workers=1)
    assert second.total < 2 * 2050
    world.store = world.folder / "undisturbed"
    assert np.array_equal(found.susceptibility.chi, run(world, queries).susceptibility.chi)


def test_components_of_plain_modules_need_no_masks(world: World) -> None:
    """A component is named by its parameters, in any `nn.Module`; the others stay where they are."""
    base = classifier(world, chains=2, draws=8)
    part = ParameterGlob(world.model(), "inner.*")
    loss = observable("l", Restricted(Loss(world.model(), base.reweight.data), part, "component"))
    queries = ask(base.reweight.data, [loss], base.sampler)
    code = UserCode(Journal())
    posteriors = prepare_posteriors(queries, load_inputs(queries, code), code)
    (posterior,) = (p for p in posteriors if p.place.component is not None)
    module, network = posterior.model.network.module, posterior.setting.network
    whole = dict(module.named_parameters())
    assert len(network.theta) == whole["inner.weight"].numel() + whole["inner.bias"].numel()
    before = {name: value.detach().clone() for name, value in whole.items()}
    network.reset()
    network.theta.add_(1.0)
    rows = {name: tensor[:4] for name, tensor in posterior.setting.rows.blocks[0].items()}
    network.unit_loss(rows)
    for name, value in module.named_parameters():
        moved = 1.0 if name.startswith("inner.") else 0.0
        assert torch.allclose(value, before[name] + moved), name
    found = run(world, queries)
    assert {d.posterior for d in found.diagnostics} >= {posterior.place.name}
    assert np.isfinite(found.susceptibility.chi).all()


@pytest.mark.parametrize(
    ("page", "answer"),
    [
        ("calibration.md", "What is n in nβ?"),
        ("calibration.md", "## What healthy traces look like"),
        ("running.md", "torchrun"),
    ],
)
def test_what_users_ask_is_answered(page: str, answer: str) -> None:
    """What n means in nβ, how to know healthy traces, how to use several machines.

    Scale and sign of scores stand in the files themselves: see the tests of `emit`.
    """
    assert answer in (DOCS / page).read_text(encoding="utf-8")
