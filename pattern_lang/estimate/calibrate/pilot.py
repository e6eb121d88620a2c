"""Short chains that can be prolonged, looked at through a sample of the rows.

A chain here takes the very steps of a chain of `pat compile`, on minibatches of all rows. Only what
is recorded differs: mean losses over the same few rows each time, at about the price of a gradient
step, where a draw of the whole run evaluates every row.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from attrs import define, evolve, field, frozen
from torch import Generator, Tensor

from pattern_lang.estimate.chain import Setting, batches
from pattern_lang.estimate.evaluate import evaluator
from pattern_lang.estimate.inputs import Inputs
from pattern_lang.estimate.posterior import chain_seed
from pattern_lang.estimate.predicates import Kept
from pattern_lang.estimate.steps import stepper
from pattern_lang.estimate.table import Array
from pattern_lang.estimate.tasks import Posterior
from pattern_lang.estimate.user_code import UserCode
from pattern_lang.ir.queries import Sampler

CHAINS = 2
_ABSURD = 100.0


@frozen(eq=False)
class View:
    """A posterior, and the same one over a sample of the rows, through which it is looked at.

    spread: (k, q) what the observables take of the mean losses that are followed.
    """

    posterior: Posterior
    sample: Setting
    spread: Array


def sampled_inputs(inputs: Inputs, rows: int) -> Inputs:
    """Return the inputs with at most `rows` rows of each data set, drawn evenly at random."""
    random = np.random.default_rng(0)
    kept = {}
    for source, own in inputs.kept.items():
        count = len(own.rows)
        chosen = np.sort(random.choice(count, min(count, rows), replace=False))
        positions = None if own.positions is None else own.positions[chosen]
        kept[source] = Kept(own.rows[chosen], positions)
    return evolve(inputs, kept=kept)


@define(eq=False)
class Walker:
    """One chain: where it is, and what it has recorded."""

    theta: Tensor
    random: Generator
    advance: Callable[[], None]
    traces: list[Array] = field(factory=list)
    done: int = 0
    diverged: int | None = None


class Pilot:
    """The short chains of one posterior under some settings."""

    def __init__(self, view: View, sampler: Sampler, every: int, code: UserCode) -> None:
        """Begin at θ*. every: steps from one record to the next."""
        self.view, self.every, self.code = view, every, code
        self.setting = evolve(view.posterior.setting, sampler=sampler)
        self.evaluate = evaluator(self.setting.network, view.sample.rows)
        self.limit = _absurd_excess(self.setting)
        with view.posterior.running(code):
            self.walkers = [self._walker(chain) for chain in range(CHAINS)]

    def _walker(self, chain: int) -> Walker:
        network, sampler = self.setting.network, self.setting.sampler
        name = f"calibrate/{sampler.seed}/{self.view.posterior.place.name}"
        random = Generator().manual_seed(chain_seed(name, chain))
        network.reset()
        supply, move = batches(self.setting, random), stepper(network, sampler, random)

        def advance() -> None:
            network.gradient(next(supply))
            move()

        return Walker(network.anchor.clone(), random, advance)

    def run(self, records: int, told: Callable[[int], None]) -> None:
        """Prolong every chain by some records, unless one has diverged."""
        with torch.random.fork_rng(devices=[]), self.view.posterior.running(self.code):
            for walker in self.walkers:
                self._run(walker, records, told)

    def _run(self, walker: Walker, records: int, told: Callable[[int], None]) -> None:
        theta = self.setting.network.theta
        theta.copy_(walker.theta)
        row = torch.empty_like(self.view.sample.anchor)
        for _ in range(records):
            if self.diverged is not None:
                return
            for _ in range(self.every):
                walker.advance()
            walker.done += self.every
            told(self.every)
            self.evaluate(row, self.view.sample.anchor)
            means = self.view.sample.averager.means(row[None])[0]
            walker.traces.append(means.numpy())
            if not float(means[0]) <= self.limit or not bool(means.isfinite().all()):
                walker.diverged = walker.done
        walker.theta.copy_(theta)

    @property
    def diverged(self) -> int | None:
        """Return the step at which a chain was found to have diverged, or None."""
        return next((w.diverged for w in self.walkers if w.diverged is not None), None)

    @property
    def trace(self) -> Array:
        """Return what was recorded, (chains, records, q) relative to θ*, NaN where nothing was."""
        longest = max(len(walker.traces) for walker in self.walkers)
        width = len(self.view.sample.averager.members)
        trace = np.full((CHAINS, longest, width), np.nan)
        for own, walker in zip(trace, self.walkers, strict=True):
            if walker.traces:
                own[: len(walker.traces)] = walker.traces
        return trace

    @property
    def steps(self) -> Array:
        """Return the step number of each record."""
        return self.every * (1 + np.arange(self.trace.shape[1]))


def _absurd_excess(setting: Setting) -> float:
    """Return a mean loss above θ* that no chain near θ* has: 100 times what a quadratic allows."""
    if setting.sampler.nbeta <= 0:
        return math.inf
    return _ABSURD * (len(setting.network.theta) / 2 + 10) / setting.sampler.nbeta
