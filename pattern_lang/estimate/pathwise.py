"""Pathwise derivatives: how a chain would move if the loss on a data set counted a little more.

Tilt the posterior to `exp(-nβ L - γ/2 ‖θ-θ*‖² - t f)` and let the noise and the minibatches be the
same: the chain moves by `t v`, to first order, where v follows the derivative of the chain's own
step,

    v ← v - (ε/2) [(nβ H_m + γ) v + ∇f],

with H_m the Hessian of the minibatch's loss, here by a difference of two gradients. The
susceptibility is the derivative of a mean, so it is the mean of a derivative:

    -Cov(f, ℓ_j) = d⟨ℓ_j⟩/dt = ⟨∇ℓ_j · v⟩.

A product of two fluctuations, of f and of ℓ_j, is as noisy as both are large, and in d directions
almost all of either has nothing to do with the other. Here that noise never enters, as both chains
have it: what is left is how `∇ℓ_j · v` varies along the chain. (Glasserman, Monte Carlo Methods in
Financial Engineering, §7.2, compares the two, the likelihood-ratio and the pathwise method.)

In a direction of stiffness `x = ε (nβ h + γ)` a step's own bias is a factor on the derivative of a
quadratic of `1 - (x / (4 - x))²`, of second order in the step; on its covariance it is
`1 / (1 - x/4)²`, of first.

Steps contract where `nβ h + γ > 0` along the way; where curvature is more negative than the
localisation makes up for, v grows, and the chain is refused or its standard errors say so.
"""

import math
from collections.abc import Sequence

import torch
from attrs import evolve
from torch import Generator, Tensor

from pattern_lang.estimate.evaluate import Rows, block_length, evaluator
from pattern_lang.estimate.members import MemberBatches
from pattern_lang.estimate.moments import Averager
from pattern_lang.estimate.network import Batch, Network
from pattern_lang.estimate.recall import Memory
from pattern_lang.estimate.recall_rows import ROWS
from pattern_lang.estimate.sharing import Sharing
from pattern_lang.estimate.steps import Step
from pattern_lang.ir.queries import Sampler

REACH = {torch.float32: 5e-3, torch.float64: 1e-6}
"""Differences reach so many of the standard deviations that localisation alone allows, 1/√γ. They
are one-sided: in float32, their own error and that of rounding are then of one size, both well
below a per cent of a derivative along the gradient."""


class Tangents:
    """The tangents of one chain, one for each data set that is followed by its derivative.

    values: (t, d) of the network's type; forces: (t, d), what moves them in the step to come.
    """

    def __init__(
        self,
        network: Network,
        rows: Rows,
        averager: Averager,
        anchor: Tensor,
        chosen: Sequence[int],
        sampler: Sampler,
        seed: int,
    ) -> None:
        self.network, self.sampler, self.chosen = network, sampler, tuple(chosen)
        self.reach = REACH[network.dtype] / math.sqrt(sampler.localization)
        self.values = torch.zeros(len(chosen), len(network.theta), dtype=network.dtype)
        self.forces = torch.zeros_like(self.values)
        self.gradient, self.place = torch.empty_like(network.grad), torch.empty_like(network.theta)
        own = torch.arange(averager.rows)
        self.supplies = [
            None
            if torch.equal(averager.members[number], own)
            else MemberBatches(rows, averager.members[number], sampler.batch, _random(seed, number))
            for number in chosen
        ]
        units = units_alone(rows, averager)
        self.evaluate, self.share = evaluator(network, units, often=True), Sharing(network, units)
        self.base = anchor[: averager.rows]
        self.there = torch.empty(averager.rows, dtype=torch.float64)

    def push(
        self, batch: Batch, memory: Memory | None = None, here: Tensor | None = None
    ) -> Tensor | None:
        """Find what moves each tangent in the step to come; `grad` holds the batch's gradient.

        here: (N,), as in `slopes`, whose result is returned for it: the losses along a tangent of
        the batch's rows come with their gradient. That takes nβ > 0, and no memory.
        """
        network = self.network
        slopes = None if here is None else self._no_slopes()
        self.gradient.copy_(network.grad)
        self.place.copy_(network.theta)
        parts = zip(self.values, self.forces, self.supplies, strict=True)
        for number, (value, force, supply) in enumerate(parts):
            if supply is None:
                force.copy_(self.gradient)
            else:
                supply.gradient(network)
                force.copy_(network.grad)
            length = float(value.norm())
            if length > 0 and self.sampler.nbeta > 0:
                network.theta.add_(value, alpha=self.reach / length)
                network.gradient(batch, memory)
                if slopes is not None and here is not None:
                    self.share(self.there, self.base, batch[ROWS], network.latest)
                    slopes[number] = (self.there - here) * (length / self.reach)
                network.theta.copy_(self.place)
                change = network.grad.sub_(self.gradient)
                force.add_(change, alpha=self.sampler.nbeta * length / self.reach)
        network.grad.copy_(self.gradient)
        return slopes

    def move(self, step: Step) -> None:
        """Move every tangent as a step has moved the chain."""
        for value, force in zip(self.values, self.forces, strict=True):
            step.carry(value, force)

    def slopes(self, here: Tensor) -> Tensor:
        """Return the derivative of every re-weighted entry's loss along each tangent, (t, N).

        here: (N,), the losses where the chain is, minus those at θ*.
        """
        network, there = self.network, self.there
        self.place.copy_(network.theta)
        found = self._no_slopes()
        for row, value in zip(found, self.values, strict=True):
            length = float(value.norm())
            if not length > 0:
                continue
            network.theta.add_(value, alpha=self.reach / length)
            self.evaluate(there, self.base)
            network.theta.copy_(self.place)
            torch.sub(there, here, out=row)
            row.mul_(length / self.reach)
        return found

    def _no_slopes(self) -> Tensor:
        return torch.zeros(len(self.values), len(self.base), dtype=torch.float64)

    @property
    def finite(self) -> bool:
        """Return whether every tangent is finite."""
        return math.isfinite(self.values.sum().item())

    def state(self) -> dict[str, Tensor]:
        """Return what the tangents go on from."""
        found = {"values": self.values}
        for number, supply in enumerate(self.supplies):
            if supply is not None:
                found |= {f"{number}/{name}": part for name, part in supply.state().items()}
        return found

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self.values.copy_(state["values"])
        for number, supply in enumerate(self.supplies):
            if supply is not None:
                own = f"{number}/"
                parts = {n.removeprefix(own): t for n, t in state.items() if n.startswith(own)}
                supply.restore(parts)


def units_alone(rows: Rows, averager: Averager) -> Rows:
    """Return the re-weighted rows without the others, without rounding."""
    count = rows.reweighted
    block = rows.blocks[0]
    if block_length(block) > count:
        block = {name: tensor[:count] for name, tensor in block.items()}
    present = None if rows.present[0] is None else rows.present[0][:count]
    order = None if rows.order is None else rows.order[: averager.rows]
    whole = count if present is None else int(present.sum())
    if order is not None and torch.equal(order, torch.arange(whole)):
        order = None
    elif order is None and whole != averager.rows:
        order = torch.arange(averager.rows)
    chunk = min(rows.chunks[0], count)
    return evolve(
        rows,
        blocks=(block,),
        chunks=(chunk,),
        present=(present,),
        order=order,
        probes=(),
        rounding=None,
    )


def _random(seed: int, number: int) -> Generator:
    return Generator().manual_seed((seed + 0x9E3779B97F4A7C15 * (number + 1)) % 2**63)
