"""Unigram and bigram language models: the posterior of their logits is a Dirichlet law, exactly.

With one logit of each row pinned and γ = 0, the probabilities after a token `a` are
Dirichlet(nβ q_ab), where q_ab is the share of the pair among all token units. So
`Cov(ℓ_ab, ℓ_cd) = [a = c] ([b = d] ψ₁(nβ q_ab) - ψ₁(nβ q_a))`: a loss that is off by one position
has another law altogether.
"""

import json
from itertools import pairwise

import numpy as np
import pytest
from estimate_samples import World, ask, observable, run, sgld
from numpy.typing import NDArray
from oracle_tools import jacobian_replicates, posteriors
from scipy.special import digamma, polygamma

from pattern_lang.ir.observables import LearningCoefficient, Loss
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.sources import DataSource, LibraryPredicate, ModelSource
from pattern_lang.ir.susceptibility import UnitTable

Floats = NDArray[np.float64]

MODEL = """
    import torch
    from torch import nn

    class Table(nn.Module):
        '''Logits of the next token after each token, or whatever the token if `rows` is 1.'''

        def __init__(self, rows, start):
            super().__init__()
            free = torch.tensor(start, dtype=torch.float64).reshape(rows, -1)
            self.free = nn.Parameter(free)

        def unit_loss(self, batch):
            ids, labels = batch["input_ids"], batch["labels"]
            logits = torch.cat([self.free, self.free.new_zeros(len(self.free), 1)], dim=1)
            losses = -logits.log_softmax(1)
            last = ids[:, :-1] if len(losses) > 1 else torch.zeros_like(ids[:, :-1])
            target = labels[:, 1:]
            found = losses[last, target.clamp(min=0)]
            return found.masked_fill(target < 0, torch.nan)

    def build(rows, start):
        return Table(rows, start)
"""
NBETA = 60.0


def documents(tokens: int, count: int, seed: int) -> list[list[int]]:
    """Return token numbers of documents of different lengths."""
    random = np.random.default_rng(seed)
    return [random.integers(0, tokens, random.integers(2, 9)).tolist() for _ in range(count)]


class Exact:
    """The law of a model over pairs (what is known, what is predicted)."""

    def __init__(self, pairs: list[tuple[int, int]]) -> None:
        self.pairs = pairs
        self.q = {pair: pairs.count(pair) / len(pairs) for pair in pairs}
        self.row: dict[int, float] = {}
        for (known, _), share in self.q.items():
            self.row[known] = self.row.get(known, 0.0) + share

    def covariance(self, first: tuple[int, int], second: tuple[int, int]) -> float:
        if first[0] != second[0]:
            return 0.0
        same = polygamma(1, NBETA * self.q[first]) if first == second else 0.0
        return float(same - polygamma(1, NBETA * self.row[first[0]]))

    def with_mean(self, pairs: list[tuple[int, int]]) -> Floats:
        """Return Cov(mean loss over some pairs, ℓ_j) for each unit j."""
        return np.array([np.mean([self.covariance(p, unit) for p in pairs]) for unit in self.pairs])

    def checkpoint(self, tokens: int) -> tuple[float, ...]:
        """Return the free logits of the most likely parameters."""
        found: list[float] = []
        for known in sorted(self.row):
            shares = np.array([self.q[known, token] for token in range(tokens)])
            found += (np.log(shares) - np.log(shares[-1]))[:-1].tolist()
        return tuple(found)

    def learning_coefficient(self) -> float:
        value = sum(NBETA * share * digamma(NBETA * share) for share in self.row.values())
        value -= sum(NBETA * share * digamma(NBETA * share) for share in self.q.values())
        at_best = -sum(share * np.log(share / self.row[a]) for (a, _), share in self.q.items())
        return float(value - NBETA * at_best)


def text(world: World, rows: list[list[int]], context: int, name: str = "text") -> DataSource:
    world.write(f"{name}.jsonl", "\n".join(json.dumps({"input_ids": row}) for row in rows))
    file = world.file(f"{name}.jsonl")
    return DataSource(name, "jsonl", file=file, arguments=(("context", context),))


def pairs_of(rows: list[list[int]], context: int, bigram: bool) -> list[tuple[int, int]]:
    """Return what each token unit knows and predicts, in unit order, computed the slow way."""
    found = []
    for row in rows:
        for start in range(0, len(row), context):
            piece = row[start : start + context]
            found += [(a if bigram else 0, b) for a, b in pairwise(piece)]
    return found


def setting(
    world: World, tokens: int, bigram: bool, context: int = 5
) -> tuple[ModelSource, DataSource, list[list[int]], Exact]:
    rows = documents(tokens, 12, seed=3)
    exact = Exact(pairs_of(rows, context, bigram))
    world.write("model.py", MODEL)
    model = world.model(rows=tokens if bigram else 1, start=exact.checkpoint(tokens))
    return model, text(world, rows, context), rows, exact


def sampler(draws: int = 200, thin: int = 25, burn_in: int = 500) -> object:
    return sgld(step=0.004, nbeta=NBETA, localization=0.0, draws=draws, thin=thin, burn_in=burn_in)


@pytest.mark.parametrize(("tokens", "bigram"), [(3, False), (2, True)])
def test_each_token_unit_has_its_exact_response(world: World, tokens: int, bigram: bool) -> None:
    model, data, _, exact = setting(world, tokens, bigram)
    kinds = list(exact.q)
    probes = [text(world, [[a, b]], 2, f"probe{a}{b}") for a, b in kinds]
    seen = [observable(f"l{i}", Loss(model, probe)) for i, probe in enumerate(probes)]
    (result,) = posteriors(ask(data, seen, sampler(), unit="token"))  # type: ignore[arg-type]
    replicates = jacobian_replicates(result)
    assert replicates.shape[2] == len(exact.pairs)
    mean, error = replicates.mean(axis=0), replicates.std(axis=0, ddof=1) / len(replicates) ** 0.5
    # Units of one pair have one loss, so one response to the rounding of float32.
    for pair in kinds:
        same = [j for j, other in enumerate(exact.pairs) if other == pair]
        assert np.ptp(mean[:, same], axis=1).max() <= 1e-6 * np.abs(mean).max()
    columns = [exact.pairs.index(pair) for pair in kinds]
    expected = np.array([[-exact.covariance(a, b) for b in kinds] for a in kinds])
    found, spread = mean[:, columns], error[:, columns]
    # Steps of this size widen the law by a hundredth.
    assert (np.abs(found - expected) < 3.5 * spread + 0.02 * np.abs(expected).max()).all()
    assert np.linalg.norm(found - expected) < 0.15 * np.linalg.norm(expected)


def test_a_loss_elsewhere(world: World) -> None:
    """The observable is on other data, of another length, and on a part of the same rows."""
    model, data, rows, exact = setting(world, 2, True)
    other = documents(2, 5, seed=9)
    probe = text(world, other, 7, "probe")
    repeats = (("length", 2),)
    part = DataSource(
        "part",
        "jsonl",
        file=data.file,
        arguments=data.arguments,
        where=(LibraryPredicate("std.tokens.repeats", repeats),),
    )
    kinds = [observable("probe", Loss(model, probe)), observable("part", Loss(model, part))]
    (result,) = posteriors(ask(data, kinds, sampler(), unit="token"))  # type: ignore[arg-type]
    replicates = jacobian_replicates(result)
    mean, error = replicates.mean(axis=0), replicates.std(axis=0, ddof=1) / len(replicates) ** 0.5
    repeated = []
    for row in (r[s : s + 5] for r in rows for s in range(0, len(r), 5)):
        for t in range(len(row) - 1):
            run_of = row[t : t + 2]
            if any(row[s : s + 2] == run_of for s in range(t)):
                repeated.append((row[t], row[t + 1]))
    assert repeated
    for k, pairs in enumerate((pairs_of(other, 7, bigram=True), repeated)):
        expected = -exact.with_mean(pairs)
        kinds_of = [exact.pairs.index(pair) for pair in exact.q]
        z = (mean[k] - expected)[kinds_of] / error[k, kinds_of]
        assert np.abs(z).max() < 3.5


def test_the_learning_coefficient(world: World) -> None:
    model, data, _, exact = setting(world, 3, False)
    queries = ask(
        data,
        [observable("llc", LearningCoefficient(model, data, held=True))],
        sampler(),
        unit="token",
    )  # type: ignore[arg-type]
    chi = run(world, queries).susceptibility
    effective = run(world, queries).diagnostics[0].effective_draws
    assert chi.mean[0] == pytest.approx(
        exact.learning_coefficient(), abs=4 * chi.sd[0] / effective**0.5
    )


def units_of(world: World, queries: Queries) -> UnitTable:
    return run(world, queries).units


def test_samples_and_groups_are_aggregated_tokens(world: World) -> None:
    """On the same draws, ℓ_i = (n/T) Σ over the tokens of i, exactly: the mean loss is over tokens."""
    rows = documents(2, 12, seed=3)
    exact = Exact(pairs_of(rows, 50, bigram=True))
    world.write("model.py", MODEL)
    model = world.model(rows=2, start=exact.checkpoint(2))
    lines = [{"input_ids": row, "kind": "ab"[i % 2]} for i, row in enumerate(rows)]
    world.write("text.jsonl", "\n".join(map(json.dumps, lines)))
    data = DataSource("text", "jsonl", file=world.file("text.jsonl"), arguments=(("context", 50),))
    seen = [
        observable("l", Loss(model, data)),
        observable("b", LearningCoefficient(model, data, held=False)),
    ]
    found = {}
    for unit, field in (("token", None), ("sample", None), ("group", "kind")):
        queries = ask(data, seen, sampler(40, 2, 20), unit=unit, field=field)  # type: ignore[arg-type]
        (found[unit],) = posteriors(queries)
    owner = np.repeat(np.arange(12), [len(row) - 1 for row in rows])
    fine = jacobian_replicates(found["token"])
    for unit, member in (
        ("sample", np.eye(12)[owner]),
        ("group", np.eye(2)[owner % 2]),
    ):
        assert np.array_equal(found[unit].trace, found["token"].trace)
        coarse = jacobian_replicates(found[unit])
        expected = fine @ member * member.shape[1] / len(owner)
        assert np.allclose(coarse, expected, rtol=1e-5, atol=1e-6)
    samples = units_of(world, ask(data, seen, sampler(40, 2, 20)))  # type: ignore[arg-type]
    assert samples.size.tolist() == [len(row) - 1 for row in rows]
