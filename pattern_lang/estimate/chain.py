"""One chain: step, draw, accumulate, until done or diverged."""

import math
from collections.abc import Callable, Iterator
from time import monotonic

import torch
from attrs import frozen
from torch import Generator, Tensor

from pattern_lang.estimate.errors import ChainDivergedError
from pattern_lang.estimate.evaluate import Rows, evaluator
from pattern_lang.estimate.gaussian import run_gaussian
from pattern_lang.estimate.hmc import Hamiltonian, Target
from pattern_lang.estimate.moments import Accumulator, Averager, ChainResult
from pattern_lang.estimate.network import Batch, Network
from pattern_lang.estimate.steps import stepper
from pattern_lang.ir.queries import Sampler

Advance = Callable[[int], None]

_BLOCK_DRAWS = 64
_BLOCK_BYTES = 64 * 2**20
_REPORT_SECONDS = 0.1
_ABSURD = 100.0
_CHECK_EVERY = 16  # steps; what is not finite stays so, and a look costs a twentieth of a step


@frozen(eq=False)
class Setting:
    """What all chains of one posterior share.

    anchor: (R,) float64, losses of all rows at θ*. segments: draws in each segment.
    """

    network: Network
    rows: Rows
    averager: Averager
    anchor: Tensor
    sampler: Sampler
    segments: tuple[int, ...]

    @property
    def steps(self) -> int:
        """Return the gradient steps of one chain."""
        return self.sampler.burn_in + self.sampler.thin * sum(self.segments)


def run_chain(
    setting: Setting, chain: int, seed: int, advance: Advance, posterior: int = 0
) -> ChainResult:
    """Sample one chain from the checkpoint; raise ChainDivergedError.

    Every random number comes from `seed`, so the result does not depend on where the chain runs.
    `advance` is told now and then how many steps were done. `posterior` is a number for errors.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if setting.sampler.kind == "laplace":
            return run_gaussian(setting, chain, seed, advance, posterior)
        return _Run(setting, posterior, chain, seed, advance).result()


class _Run:
    """The state of a running chain."""

    def __init__(
        self, setting: Setting, posterior: int, chain: int, seed: int, advance: Advance
    ) -> None:
        self.setting, self.posterior, self.chain, self.seed = setting, posterior, chain, seed
        self.random = Generator().manual_seed(seed)
        setting.network.reset()
        self.hamiltonian = None
        if setting.sampler.kind == "hmc":
            self.hamiltonian = Hamiltonian(target_of(setting), self.random)
            self.move: Callable[[], None] = self.hamiltonian.move
        else:
            self.batches = batches(setting, self.random)
            self.step = stepper(setting.network, setting.sampler, self.random)
            self.move = self.langevin
        self.evaluate = evaluator(setting.network, setting.rows)
        self.done, self.told, self.clock, self.advance = 0, 0, monotonic(), advance
        width = setting.averager.width
        size = max(1, min(_BLOCK_DRAWS, _BLOCK_BYTES // (8 * width), max(setting.segments)))
        self.block = torch.empty(size, width, dtype=torch.float64)
        self.limit = self._absurd_excess()

    def result(self) -> ChainResult:
        self.walk(self.setting.sampler.burn_in)
        moments = Accumulator(self.setting.averager, self.setting.segments)
        while moments.room:
            block = self.block[: min(len(self.block), moments.room)]
            for row in block:
                self.draw(row)
            moments.add(block)
        self.advance(self.done - self.told)
        figures = self.hamiltonian.figures() if self.hamiltonian else {}
        return moments.result(self.chain, self.seed, figures)

    def walk(self, steps: int) -> None:
        for _ in range(steps):
            self.move()
            self.done += 1
            if monotonic() - self.clock > _REPORT_SECONDS:
                self.advance(self.done - self.told)
                self.told, self.clock = self.done, monotonic()

    def langevin(self) -> None:
        losses = self.setting.network.gradient(next(self.batches))
        if self.done % _CHECK_EVERY == 0 and not math.isfinite(losses.sum().item()):
            raise self._diverged("a loss became infinite or undefined")
        self.step()

    def draw(self, row: Tensor) -> None:
        self.walk(self.setting.sampler.thin)
        self.evaluate(row, self.setting.anchor)
        total = row.sum().item()
        if not math.isfinite(total):
            raise self._diverged("a loss became infinite or undefined")
        excess = row[: self.setting.averager.rows].mean().item()
        if excess > self.limit:
            raise self._diverged(f"the mean loss is {excess:.3g} nats above the checkpoint's")

    def _absurd_excess(self) -> float:
        """Return a mean loss above θ* that no chain near θ* has.

        In a quadratic basin nβ times the excess is at most d/2 on average, d the number of
        parameters; a hundred times that, and the chain is no longer in any basin.
        """
        nbeta = self.setting.sampler.nbeta
        d = len(self.setting.network.theta)
        return _ABSURD * (d / 2 + 10) / nbeta if nbeta > 0 else math.inf

    def _diverged(self, symptom: str) -> ChainDivergedError:
        return ChainDivergedError(self.posterior, self.chain, self.done, symptom)


def target_of(setting: Setting) -> Target:
    """Return the energy that Hamiltonian trajectories conserve."""
    base = setting.anchor[: setting.averager.rows].mean()
    return Target(setting.network, setting.rows, base, setting.sampler)


def batches(setting: Setting, random: Generator) -> Iterator[Batch]:
    """Yield minibatches of the re-weighted rows, without replacement within an epoch, for ever.

    Rows that do not fill a last batch are left out of that epoch; the next epoch is shuffled anew.
    """
    rows, size = setting.rows.reweighted, setting.sampler.batch
    block = {name: tensor[:rows] for name, tensor in setting.rows.blocks[0].items()}
    while size >= rows:
        yield dict(block)
    while True:
        order = torch.randperm(rows, generator=random)
        for start in range(0, rows - size + 1, size):
            chosen = order[start : start + size]
            yield {name: tensor.index_select(0, chosen) for name, tensor in block.items()}
