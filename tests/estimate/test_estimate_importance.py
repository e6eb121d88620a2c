"""Weighted draws: how they add up, how their weights are judged, what they are drawn from."""

from collections.abc import Sequence
from itertools import pairwise

import attrs
import numpy as np
import pytest
import torch
from estimate_samples import World, ask, classifier, observable, run, sgld

from pattern_lang.diagnostics import PatternError
from pattern_lang.estimate.conduct import weights as judged
from pattern_lang.estimate.moments import Averager, ChainResult, chain_arrays, chain_of
from pattern_lang.estimate.proposal import krylov
from pattern_lang.estimate.readout import Readout
from pattern_lang.estimate.responses import Losses, Pooled, PosteriorResult
from pattern_lang.estimate.reweighing import equalised, pareto_k, weights_of
from pattern_lang.estimate.segments import pair_segments
from pattern_lang.estimate.weighted import WeightedMoments
from pattern_lang.ir.observables import LearningCoefficient, Loss
from pattern_lang.ir.queries import Queries

PAIRS = {"kind": "importance", "step": 0.0, "batch": 0, "burn_in": 0}


def averager(n: int) -> Averager:
    everything = torch.ones(1, n, dtype=torch.bool)
    members = (torch.arange(n), torch.tensor([0, 2]))
    return Averager(members, everything, None, n, n)


def drawn(
    losses: Sequence[torch.Tensor], logs: Sequence[torch.Tensor], lengths: tuple[int, ...]
) -> tuple[ChainResult, ...]:
    """Return chains of given draws, which went in by blocks of 4."""
    found = []
    for number, (block, log) in enumerate(zip(losses, logs, strict=True)):
        moments, done = WeightedMoments(averager(block.shape[1]), lengths), 0
        while moments.room:
            step = min(4, moments.room)
            moments.add(block[done : done + step], log[done : done + step])
            done += step
        found.append(moments.result(number, 0, {}))
    return tuple(found)


@pytest.mark.parametrize("rise", [0.0, 700.0])
def test_weighted_moments_are_those_of_all_draws(rise: float) -> None:
    """Chains of unlike weights and origins, stretches of unlike length: mean, Cov and noise.

    In the second case all that came first weighs nothing beside what comes in the end.
    """
    random, n, lengths = torch.Generator().manual_seed(0), 6, (6, 4, 4, 2)
    losses = [torch.randn(16, n, generator=random, dtype=torch.float64) for _ in range(3)]
    logs = [torch.randn(16, generator=random, dtype=torch.float64) - 2.5 * i for i in range(3)]
    logs = [log + rise * (torch.arange(16) > 7) for log in logs]
    chains = drawn(losses, logs, lengths)
    stored = tuple(chain_of(c.chain, c.seed, chain_arrays(c), {}) for c in chains)
    flat = equalised(stored, averager(n))
    assert weights_of(flat) is None
    weights = weights_of(chains)
    assert weights is not None
    draws = torch.cat(losses).numpy()
    followed = np.stack([draws.mean(axis=1), draws[:, [0, 2]].mean(axis=1)], axis=1)
    w = weights.ravel() / weights.sum()
    mean = w @ draws
    away, apart = draws - mean, followed - w @ followed
    cov = (w[:, None] * apart).T @ away
    one, none = np.eye(2), np.zeros(2)
    readout = Readout(one, one, 0 * one, none, np.zeros((2, 1)), none, np.ones(2, dtype=bool))
    result = PosteriorResult("m", readout, averager(n), np.zeros(n), np.zeros(2), flat, 0.0)
    everything = slice(0, n)
    assert np.allclose(Losses(result, 0).of(everything).mean(axis=0), mean, atol=1e-6)
    pooled = Pooled(result)
    block = pooled.block(everything)
    assert np.allclose(block.jacobian, -cov, atol=1e-5)
    # Each stretch deviates by its share of the influence function of a ratio.
    edges = np.cumsum([0, *lengths * 3])
    influence = w[:, None, None] * (apart[:, :, None] * away[:, None] - cov)
    sums = np.stack([influence[a:b].sum(axis=0) for a, b in pairwise(edges)])
    deviations = pooled.loadings @ block.stack
    deviations -= deviations.mean(axis=0)
    assert np.allclose(deviations, -len(sums) * sums, atol=2e-5)


def test_even_weights_are_no_weights() -> None:
    random = torch.Generator().manual_seed(1)
    losses = [torch.randn(8, 5, generator=random, dtype=torch.float64)]
    chains = drawn(losses, [torch.full((8,), 7.0, dtype=torch.float64)], (4, 4))
    (flat,) = equalised(chains, averager(5))
    assert np.allclose(flat.means, chains[0].means)
    assert np.allclose(flat.rows, chains[0].rows)
    assert np.allclose(flat.cross, chains[0].cross / 4, atol=1e-6)
    assert pareto_k(np.ones((2, 200))) == -np.inf


@pytest.mark.parametrize("k", [-0.2, 0.3, 0.8])
def test_the_tail_index_is_found(k: float) -> None:
    """Weights with a generalised Pareto law, whose tail has the same index; prior's pull allowed."""
    uniform = np.random.default_rng(0).random(20000)
    weights = ((1 - uniform) ** -k - 1) / k + 1e-3
    found = pareto_k(np.repeat(weights, 2)[None] / 2)
    assert found == pytest.approx(k, abs=0.15)


def test_how_weights_are_judged() -> None:
    def verdict(effective: float, tail: float, pairs: int) -> tuple[int, int]:
        figures = {"effective_pairs": effective, "pareto_k": tail, "newton": 0.0}
        remarks = list(judged(figures, pairs))
        return len(remarks), sum(grave for _, grave in remarks)

    assert verdict(900, 0.2, 1000) == (0, 0)
    assert verdict(900, 0.69, 1000) == (1, 0)
    assert verdict(900, 0.71, 1000) == (1, 1)
    assert verdict(60, 0.2, 64) == (1, 0)
    assert verdict(15, 0.2, 16) == (1, 1)
    assert verdict(15, 0.9, 1000) == (2, 2)


def test_segments_are_whole_pairs() -> None:
    assert pair_segments(4, 200) == (26,) * 4 + (24,) * 4
    assert pair_segments(1, 16) == (2,) * 8
    assert sum(pair_segments(3, 50)) == 50


def test_a_krylov_space() -> None:
    """Of a matrix with equal eigenvalues too, where one vector alone would end early."""
    matrix = torch.diag(torch.tensor([5.0, 5.0, 1.0, 1.0, 0.0, 0.0], dtype=torch.float64))
    basis, images = krylov(lambda v: matrix @ v, 6, 5)
    assert torch.allclose(basis.T @ basis, torch.eye(5, dtype=torch.float64), atol=1e-10)
    assert torch.allclose(matrix @ basis, images)


def wide(world: World, sharp: float, **settings: object) -> Queries:
    """Ask for a loss of 3000 parameters, three directions of which are sharp."""
    world.write(
        "model.py",
        """
        import torch
        from torch import nn

        class Wide(nn.Module):
            def __init__(self, d):
                super().__init__()
                self.theta = nn.Parameter(torch.zeros(d, dtype=torch.float64))

            def unit_loss(self, batch):
                fitted = (self.theta[:, None] * batch["x"].T).sum(0) / len(self.theta) ** 0.5
                return 0.5 * (fitted - batch["y"]) ** 2

        def build(d):
            return Wide(d)
        """,
    )
    random = np.random.default_rng(0)
    x = random.standard_normal((3, 3000)) * np.sqrt(sharp)
    rows = [{"x": row.tolist(), "y": y} for row, y in zip(x, (0.3, -0.2, 0.1), strict=True)]
    data = world.rows("train", rows)
    settings = {**PAIRS, "nbeta": 30.0, "localization": 1.0, "chains": 2, "draws": 400, **settings}
    model = world.model(d=3000)
    llc = observable("llc", LearningCoefficient(model, data, held=False))
    return ask(data, [observable("l", Loss(model, data)), llc], sgld(**settings))


@pytest.mark.parametrize(("sharp", "directions"), [(0.01, 0), (4.0, 16)])
def test_directions_are_found_where_they_pay(world: World, sharp: float, directions: int) -> None:
    """Sharp curvatures are known to the draws; those that localisation dwarfs need not be."""
    queries = wide(world, sharp)
    estimate = run(world, queries)
    figures = dict(estimate.diagnostics[0].figures)
    assert figures["directions"] == directions
    assert estimate.diagnostics[0].sound, estimate.diagnostics[0].reasons
    assert figures["effective_pairs"] > 0.6 * 400
    random = np.random.default_rng(0)
    x = random.standard_normal((3, 3000)) * np.sqrt(sharp / 3000)
    y = np.array([0.3, -0.2, 0.1])
    held = np.linalg.inv(np.eye(3) + 10 * x @ x.T)  # in the span of the rows, γ = 1
    inner = x @ x.T @ held
    fitted = 10 * inner @ y
    chi = estimate.susceptibility
    exact = (0.5 * inner**2 + np.outer(fitted - y, fitted - y) * inner).mean(axis=0)
    exact = exact.mean() - exact
    assert (np.abs(chi.chi[0] - exact) < 3.5 * chi.stderr[0]).all()
    loss = 0.5 * (np.diag(inner) + (fitted - y) ** 2).mean()
    assert chi.mean_stderr is not None
    assert abs(chi.mean[0] - loss) < 3 * chi.mean_stderr[0]


def test_without_the_loss_all_weights_are_even(world: World) -> None:
    estimate = run(world, classifier(world, **PAIRS, chains=2, draws=80, nbeta=0.0))
    figures = dict(estimate.diagnostics[0].figures)
    assert figures["effective_pairs"] == pytest.approx(80)
    assert "pareto_k" not in figures


def test_one_process_and_two_leave_the_same_bits(world: World) -> None:
    queries = classifier(world, **PAIRS, chains=3, draws=40, nbeta=10.0, localization=10.0)
    one, two = (run(world, queries, fresh=True, workers=workers) for workers in (1, 2))
    for name in ("chi", "stderr", "mean", "sd"):
        a, b = (getattr(e.susceptibility, name) for e in (one, two))
        assert np.array_equal(a, b, equal_nan=True)


@pytest.mark.parametrize("draws", [2, 7])
def test_draws_come_in_pairs(world: World, draws: int) -> None:
    with pytest.raises(PatternError) as caught:
        run(world, classifier(world, **PAIRS, draws=draws))
    assert [error.code for error in caught.value.diagnostics] == ["PAT4043"]


def test_no_posterior_without_loss_or_localization(world: World) -> None:
    queries = classifier(world, **PAIRS, draws=40)
    bare = attrs.evolve(queries.sampler, nbeta=0.0, localization=0.0)
    with pytest.raises(PatternError) as caught:
        run(world, attrs.evolve(queries, sampler=bare))
    (error,) = caught.value.diagnostics
    assert error.code == "PAT4045"
    assert "`importance`" in error.message
