"""Importance sampling: independent antithetic draws, weighted to the posterior.

Draws come in pairs θ*+μ ± δ, δ from a law q that is even (see `proposal`), each with the weight

    ω ∝ exp(-nβ (L(θ) - L*) - γ/2 ‖θ-θ*‖²) / q(δ).

Ratios of weighted sums converge to the means under the posterior, whatever q is: self-normalised
importance sampling (Hesterberg, 1995; Owen, Monte Carlo theory, 2013, §9.2). Draws need no
gradients and no burn-in. In a pair the odd parts of the losses cancel from sums, and from products
where they meet an even part. Pairs are independent of each other, so any stretch of them is a
replicate, and a chain is no more than a block of pairs with a seed of its own.

Taking `g_φᵀ Σ g_j` for the mean of the products of odd parts would leave out third derivatives, and
with them the convergence: for the heads of docs/studies/induction-signal.md two thirds of the odd
part of the loss, or more, are of third order. It would spare a quarter of the draws there.
"""

import math
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

from pattern_lang.estimate.errors import ChainDivergedError
from pattern_lang.estimate.evaluate import evaluator
from pattern_lang.estimate.keeping import State, prefixed
from pattern_lang.estimate.proposal import propose
from pattern_lang.estimate.weighted import WeightedMoments

if TYPE_CHECKING:
    from collections.abc import Callable

    from pattern_lang.estimate.chain import Setting
    from pattern_lang.estimate.keeping import Keeper

_BLOCK_DRAWS = 64
_BLOCK_BYTES = 64 * 2**20


class ImportanceRun:
    """A block of pairs in the making. Raises SingularCurvature."""

    def __init__(
        self,
        setting: "Setting",
        posterior: int,
        chain: int,
        seed: int,
        advance: "Callable[[int], None]",
        keeper: "Keeper | None",
    ) -> None:
        self.setting, self.posterior, self.chain = setting, posterior, chain
        self.advance, self.keeper = advance, keeper
        self.proposal = propose(setting)
        self.random = Generator().manual_seed(seed)
        self.evaluate = evaluator(setting.network, setting.rows, often=True)
        self.moments = WeightedMoments(setting.averager, setting.segments)
        self.done = self.told = 0
        width = setting.averager.width
        size = max(2, min(_BLOCK_DRAWS, _BLOCK_BYTES // (8 * width), max(setting.segments)))
        self.block = torch.empty(size - size % 2, width, dtype=torch.float64)

    def finish(self) -> tuple[WeightedMoments, dict[str, float]]:
        """Draw all pairs; raises ChainDivergedError where a loss is not finite."""
        while self.moments.room:
            self._add()
            self.advance(self.done - self.told)
            self.told = self.done
            if self.keeper is not None and self.keeper.due and self.moments.room:
                self.keeper.keep(self.state())
        self.setting.network.reset()
        return self.moments, self.proposal.figures

    def state(self) -> State:
        """Return what the run goes on from; the proposal is found again."""
        tensors = {"random": self.random.get_state(), "global": torch.get_rng_state()}
        return State(self.done, {**tensors, **prefixed("moments", self.moments.state())})

    def restore(self, left: State) -> None:
        """Go on from a state."""
        self.moments.restore(left.part("moments"))
        self.done = self.told = left.done
        self.random.set_state(left.tensors["random"])
        torch.set_rng_state(left.tensors["global"])

    def _add(self) -> None:
        """Draw a block of pairs."""
        block = self.block[: min(len(self.block), self.moments.room)]
        logs = torch.empty(len(block), dtype=torch.float64)
        for first in range(0, len(block), 2):
            delta, energy = self.proposal.draw(self.random)
            for place, sign in ((first, 1), (first + 1, -1)):
                logs[place] = energy - self._energy_at(block[place], delta, sign)
        self.moments.add(block, logs)

    def _energy_at(self, losses: Tensor, delta: Tensor, sign: int) -> float:
        """Write the losses at a draw; return nβ (L - L*) + γ/2 ‖θ-θ*‖² there."""
        setting, network = self.setting, self.setting.network
        theta = self.proposal.centre.add(delta, alpha=sign)
        network.theta.copy_(theta)
        self.evaluate(losses, setting.anchor)
        self.done += 1
        if not math.isfinite(losses.sum().item()):
            symptom = "a draw's loss is infinite"
            raise ChainDivergedError(self.posterior, self.chain, self.done, symptom)
        excess = losses[: setting.averager.rows].mean().item()
        away = theta.sub_(network.anchor.double())
        return (
            setting.sampler.nbeta * excess
            + 0.5 * setting.sampler.localization * away.dot(away).item()
        )
