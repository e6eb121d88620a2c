"""One chain: step, draw, accumulate, until done or diverged, from wherever it was left."""

import math
from collections.abc import Callable
from time import monotonic
from typing import Protocol

import torch
from attrs import frozen
from torch import Generator, Tensor

from pattern_lang.estimate.checkpoint import CheckpointError
from pattern_lang.estimate.errors import ChainDivergedError
from pattern_lang.estimate.evaluate import Rows, evaluator
from pattern_lang.estimate.gaussian import GaussianRun
from pattern_lang.estimate.heap import give_back
from pattern_lang.estimate.hmc import Hamiltonian, Target
from pattern_lang.estimate.importance import ImportanceRun
from pattern_lang.estimate.keeping import Keeper, State, prefixed
from pattern_lang.estimate.minibatches import Minibatches
from pattern_lang.estimate.moments import MANY, Accumulator, Averager, ChainResult
from pattern_lang.estimate.network import Batch, Network
from pattern_lang.estimate.pathwise import Tangents
from pattern_lang.estimate.recall_rows import ROWS
from pattern_lang.estimate.sharing import Sharing
from pattern_lang.estimate.steps import stepper
from pattern_lang.estimate.weighted import WeightedMoments
from pattern_lang.ir.queries import Sampler

Advance = Callable[[int], None]
Moments = Accumulator | WeightedMoments

_BLOCK_DRAWS = 64
_BLOCK_BYTES = 16 * 2**20
_REPORT_SECONDS = 0.1
_ABSURD = 100.0
_CHECK_EVERY = 16  # steps; what is not finite stays so, and a look costs a twentieth of a step
# What comes of a state that is not this chain's, although its file is whole.
_UNUSABLE = (CheckpointError, KeyError, ValueError, TypeError, IndexError, RuntimeError)


@frozen(eq=False)
class Setting:
    """What all chains of one posterior share.

    anchor: (R,) float64, losses of all rows at θ*. segments: draws in each segment.
    differentiated: the data sets, by number, whose covariances are found as pathwise derivatives.
    """

    network: Network
    rows: Rows
    averager: Averager
    anchor: Tensor
    sampler: Sampler
    segments: tuple[int, ...]
    differentiated: tuple[int, ...] = ()

    @property
    def steps(self) -> int:
        """Return the gradient steps of one chain."""
        return self.sampler.burn_in + self.sampler.thin * sum(self.segments)

    @property
    def losses(self) -> int:
        """Return how many losses are evaluated at each draw."""
        again = len(self.differentiated) * self.averager.rows
        return self.rows.width + (again if self.sampler.is_pathwise else 0)

    @property
    def shares(self) -> bool:
        """Return whether draws take losses from the steps that set out from them.

        Where much is kept of the rows, gradient steps keep other things of them than draws do.
        """
        langevin = self.sampler.kind in ("sgld", "rmsprop_sgld")
        return langevin and self.sampler.nbeta > 0 and self.network.is_whole

    @property
    def alone(self) -> float:
        """Return the share of the losses at a draw that no gradient step brings."""
        if not self.shares:
            return 1.0
        known = min(1.0, self.sampler.batch / self.rows.reweighted) * self.averager.rows
        times = 1 + len(self.differentiated) * self.sampler.is_pathwise
        return 1 - times * known / self.losses


class Run(Protocol):
    """A chain in the making."""

    def restore(self, left: State) -> None:
        """Go on from a state."""

    def finish(self) -> tuple[Moments, dict[str, float]]:
        """Run to the end; return the moments and the sampler's figures."""


def run_chain(
    setting: Setting,
    chain: int,
    seed: int,
    advance: Advance,
    posterior: int = 0,
    keeper: Keeper | None = None,
) -> ChainResult:
    """Sample one chain from the checkpoint; raise ChainDivergedError.

    Every random number comes from `seed`, so the result does not depend on where the chain runs,
    nor on how often it was stopped. `advance` is told now and then how many steps were done.
    `posterior` is a number for errors. The chain goes on from what `keeper` has, and starts again
    where that cannot be used.
    """
    left = None
    if keeper is not None:
        try:
            result = keeper.result()
            if result is not None:
                return result
            left = keeper.read()
        except (CheckpointError, OSError):  # whoever looked through the folder has told
            left = None

    def begin() -> Run:
        torch.manual_seed(seed)
        kinds: dict[str, Callable[..., Run]] = {
            "laplace": GaussianRun,
            "importance": ImportanceRun,
        }
        kind = kinds.get(setting.sampler.kind, _Sampling)
        return kind(setting, posterior, chain, seed, advance, keeper)

    with torch.random.fork_rng(devices=[]):
        run = begin()
        if left is not None:
            try:
                run.restore(left)
            except _UNUSABLE:
                run = begin()
        moments, figures = run.finish()
    result = moments.result(chain, seed, figures)
    if keeper is not None:
        keeper.keep_result(setting.steps, result)
    return result


class _Sampling:
    """The state of a running chain."""

    def __init__(
        self,
        setting: Setting,
        posterior: int,
        chain: int,
        seed: int,
        advance: Advance,
        keeper: Keeper | None,
    ) -> None:
        self.setting, self.posterior, self.chain = setting, posterior, chain
        self.random = Generator().manual_seed(seed)
        setting.network.reset()
        self.hamiltonian = None
        if setting.sampler.kind == "hmc":
            self.hamiltonian = Hamiltonian(target_of(setting), self.random)
        else:
            self.batches = batches(setting, self.random)
            self.memory = self.batches.memory(setting.network)
            self.step = stepper(setting.network, setting.sampler, self.random)
        self.tangents = tangents_of(setting, seed) if setting.sampler.is_pathwise else None
        self.evaluate = evaluator(setting.network, setting.rows, often=True)
        self.sharing = Sharing(setting.network, setting.rows) if setting.shares else None
        self.done, self.told, self.clock, self.advance = 0, 0, monotonic(), advance
        self.keeper = keeper
        width = setting.averager.width
        size = max(1, min(_BLOCK_DRAWS, _BLOCK_BYTES // (8 * width), max(setting.segments)))
        self.block = torch.empty(size, width, dtype=torch.float64)
        self.filled = 0
        pathwise = self.tangents is not None
        self.moments = Accumulator(setting.averager, setting.segments, pathwise=pathwise)
        self.limit = self._absurd_excess()

    def finish(self) -> tuple[Accumulator, dict[str, float]]:
        """Run to the end."""
        while self.done < self.setting.steps:
            self.move()
            self.done += 1
            self.tell()
            if self.keeper is not None and self.keeper.due:
                self.keeper.keep(self.state())
        self.draw()  # the last, from which no step sets out
        self.advance(self.done - self.told)
        return self.moments, self.hamiltonian.figures() if self.hamiltonian else {}

    @property
    def due(self) -> bool:
        """Return whether the chain is at a draw, which is made with the step that sets out."""
        sampler = self.setting.sampler
        past = self.done - sampler.burn_in
        return past > 0 and past % sampler.thin == 0

    def state(self) -> State:
        """Return what the chain goes on from."""
        tensors = {
            "random": self.random.get_state(),
            "global": torch.get_rng_state(),  # of a loss that draws numbers of its own
            "block": self.block[: self.filled],
            **prefixed("moments", self.moments.state()),
        }
        matrices = prefixed("moments", self.moments.matrices())
        if self.hamiltonian is not None:
            tensors |= prefixed("hmc", self.hamiltonian.state())
            return State(self.done, tensors, self.hamiltonian.numbers(), matrices=matrices)
        tensors["theta"] = self.setting.network.theta
        tensors |= prefixed("batches", self.batches.state())
        tensors |= prefixed("step", self.step.state())
        if self.tangents is not None:
            tensors |= prefixed("tangents", self.tangents.state())
        return State(self.done, tensors, matrices=matrices)

    def restore(self, left: State) -> None:
        """Go on from a state."""
        tensors = left.tensors
        self.moments.restore(left.part("moments"))
        self.filled = len(tensors["block"])
        self.block[: self.filled].copy_(tensors["block"])
        if self.hamiltonian is not None:
            self.hamiltonian.restore(left.part("hmc"), left.numbers)
        else:
            self.setting.network.theta.copy_(tensors["theta"])
            self.batches.restore(left.part("batches"))
            self.step.restore(left.part("step"))
            if self.tangents is not None:
                self.tangents.restore(left.part("tangents"))
        self.done = self.told = left.done
        self.random.set_state(tensors["random"])
        torch.set_rng_state(tensors["global"])

    def tell(self) -> None:
        if monotonic() - self.clock > _REPORT_SECONDS:
            self.advance(self.done - self.told)
            self.told, self.clock = self.done, monotonic()

    def move(self) -> None:
        """Take a step; make the draw from which it sets out, if it is one."""
        due = self.due
        # Not kept as an attribute: a bound method would keep all of this alive after its time.
        if due and self.sharing is None:
            self.draw()
        if self.hamiltonian is not None:
            self.hamiltonian.move()
            return
        batch = next(self.batches)
        losses = self.setting.network.gradient(batch, self.memory)
        if self.done % _CHECK_EVERY == 0 and not math.isfinite(losses.sum().item()):
            raise self._diverged("a loss became infinite or undefined")
        here = self.shared(batch) if due and self.sharing is not None else None
        if self.tangents is None:
            self.step()
        else:
            slopes = self.tangents.push(batch, self.memory, self.units(here))
            self.take_slopes(slopes)
            self.step()
            self.tangents.move(self.step)
        if here is not None:
            self.take()

    def draw(self) -> None:
        """Evaluate all losses where the chain is."""
        row = self.block[self.filled]
        if len(row) > MANY:
            give_back()
        self.evaluate(row, self.setting.anchor)
        self.check(row)
        if self.tangents is not None:
            self.take_slopes(self.tangents.slopes(row[: self.setting.averager.rows]))
        self.take()

    def shared(self, batch: Batch) -> Tensor:
        """Return the losses where the chain is, with those that came with the batch's gradient."""
        assert self.sharing is not None
        row, network = self.block[self.filled], self.setting.network
        self.sharing(row, self.setting.anchor, batch[ROWS], network.latest)
        self.check(row)
        return row

    def units(self, row: Tensor | None) -> Tensor | None:
        """Return the part of a draw that is about the re-weighted entries."""
        return None if row is None else row[: self.setting.averager.rows]

    def check(self, row: Tensor) -> None:
        """Look whether a draw's losses are such as a chain near θ* has."""
        if not math.isfinite(row.sum().item()):
            raise self._diverged("a loss became infinite or undefined")
        excess = row[: self.setting.averager.rows].mean().item()
        if excess > self.limit:
            raise self._diverged(f"the mean loss is {excess:.3g} nats above the checkpoint's")

    def take_slopes(self, slopes: Tensor | None) -> None:
        """Add the derivatives of a draw, if it is one, to the moments."""
        if slopes is None or self.tangents is None:
            return
        if not math.isfinite(slopes.sum().item()):
            symptom = "a pathwise derivative grew without bound"
            raise ChainDivergedError(self.posterior, self.chain, self.done, symptom, True)
        self.moments.add_slopes(self.tangents.chosen, slopes)

    def take(self) -> None:
        """Add the draws of a full block to the moments."""
        self.filled += 1
        if self.filled == min(len(self.block), self.moments.room):
            self.moments.add(self.block[: self.filled])
            self.filled = 0

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


def tangents_of(setting: Setting, seed: int) -> Tangents:
    """Return the tangents of a chain, zero at its start."""
    parts = setting.network, setting.rows, setting.averager, setting.anchor
    return Tangents(*parts, setting.differentiated, setting.sampler, seed)


def batches(setting: Setting, random: Generator) -> Minibatches:
    """Return the minibatches of a chain's gradient steps."""
    return Minibatches(setting.rows, setting.sampler.batch, random)
