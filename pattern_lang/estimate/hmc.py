"""Hamiltonian Monte Carlo: full batch, unbiased, with a step adapted in burn-in and then frozen.

A trajectory of leapfrog steps from a fresh Gaussian momentum is accepted with probability
`min(1, exp(H_before - H_after))`, H = U + ½‖p‖², U = nβ (L - L(θ*)) + γ/2 ‖θ-θ*‖². Gradients are in
the network's precision; positions, momenta, row losses added up, and H are float64. The map from
(q, p) is reversible and keeps volume whatever the precision of the force, so rounding of gradients
costs acceptance and never correctness.

Step: dual averaging to an acceptance of 0.8 (Hoffman & Gelman 1111.4246, algorithm 5). Length: each
trajectory takes a uniformly random number of steps between 1 and twice a mean that spans a quarter
period `π/2 · s` of the widest direction, of standard deviation s: averaged over the lengths the
autocorrelation of a Gaussian of that width is then zero, and no direction resonates (Neal
1206.1901, §5.4.3.2). s is measured in burn-in.
"""

import math
from collections.abc import Mapping

import attrs
import torch
from attrs import define
from torch import Generator, Tensor

from pattern_lang.estimate.evaluate import Rows
from pattern_lang.estimate.network import Network
from pattern_lang.ir.queries import Sampler

_ACCEPTANCE = 0.8
_ENERGY_ERROR = 1000.0  # of a trajectory that has left the energy surface
_FIRST_LENGTH, _LONGEST = 10, 128
_COUNTS = ("step", "length", "done", "accepted", "leapfrogs", "divergent")


class Target:
    """The energy U and its gradient, over the re-weighted rows in chunks that stay in cache."""

    def __init__(self, network: Network, rows: Rows, base: Tensor, sampler: Sampler):
        self.network, self.sampler, self.count = network, sampler, rows.reweighted
        self.anchor, self.base = network.anchor.double(), base.double()
        self.batches = leading_batches(rows)

    def at(self, position: Tensor) -> tuple[Tensor, Tensor]:
        """Return U (float64 scalar) and its gradient (d,) float64; moves the network there."""
        network, sampler = self.network, self.sampler
        network.theta.copy_(position)
        loss = full_gradient(network, self.batches, self.count)
        offset = position - self.anchor
        energy = sampler.nbeta * (loss - self.base)
        energy = energy + 0.5 * sampler.localization * offset.dot(offset)
        return energy, offset.mul_(sampler.localization).add_(network.grad, alpha=sampler.nbeta)


def leading_batches(rows: Rows) -> list[dict[str, Tensor]]:
    """Return the re-weighted rows, the first of the first block, in its chunks."""
    block, size, count = rows.blocks[0], rows.chunks[0], rows.reweighted
    edges = range(0, count, size)
    return [{n: t[start : min(start + size, count)] for n, t in block.items()} for start in edges]


def full_gradient(network: Network, batches: list[dict[str, Tensor]], count: int) -> Tensor:
    """Set `grad` to the gradient of the mean loss over all batches; return that mean, float64."""
    network.clear()
    total = torch.zeros((), dtype=torch.float64)
    for batch in batches:
        losses = network.row_losses(dict(batch))
        network.add_gradient(losses, torch.full_like(losses, 1 / count, requires_grad=False))
        total += losses.detach().double().sum()
    return total / count


@define
class DualAveraging:
    """The logarithm of the step, steered to the wanted acceptance, and its running average."""

    start: float
    log_step: float
    log_mean: float = 0.0
    error: float = 0.0
    count: int = 0

    def update(self, acceptance: float) -> None:
        """Take one trajectory's acceptance probability in."""
        self.count += 1
        share = 1 / (self.count + 10)
        self.error += share * (_ACCEPTANCE - acceptance - self.error)
        self.log_step = self.start - math.sqrt(self.count) / 0.05 * self.error
        weight = self.count**-0.75
        self.log_mean += weight * (self.log_step - self.log_mean)


class Hamiltonian:
    """One chain: call `move` once per trajectory; the first `burn_in` of them adapt."""

    def __init__(self, target: Target, random: Generator) -> None:
        self.target, self.random = target, random
        self.burn_in = target.sampler.burn_in
        self.position = target.anchor.clone()
        self.energy, self.force = target.at(self.position)
        self.step = self._first_step()
        start = math.log(self.step)
        self.average = DualAveraging(math.log(10) + start, start)
        self.length, self.done, self.seen = _FIRST_LENGTH, 0, list[Tensor]()
        self.accepted = self.leapfrogs = 0.0
        self.divergent = 0

    def move(self) -> None:
        """Move the network along one trajectory, or leave it where it is."""
        steps = int(torch.randint(1, 2 * self.length + 1, (), generator=self.random))
        acceptance, divergent = self._trajectory(self.step, steps)
        self.target.network.theta.copy_(self.position)
        self.done += 1
        if self.done <= self.burn_in:
            self._adapt(acceptance)
            return
        self.accepted += acceptance
        self.leapfrogs += steps
        self.divergent += divergent

    def figures(self) -> dict[str, float]:
        """Return how the trajectories after burn-in went."""
        count = max(self.done - self.burn_in, 1)
        return {
            "acceptance": self.accepted / count,
            "divergences": float(self.divergent),
            "step": self.step,
            "leapfrog_steps": self.leapfrogs / count,
        }

    def state(self) -> dict[str, Tensor]:
        """Return where the chain is, and the positions that the length will be adapted to."""
        seen = torch.stack(self.seen) if self.seen else self.position.new_zeros(0)
        return {
            "position": self.position,
            "energy": self.energy,
            "force": self.force,
            "seen": seen,
        }

    def numbers(self) -> dict[str, float]:
        """Return what has been adapted and counted."""
        average = {f"average/{name}": value for name, value in attrs.asdict(self.average).items()}
        return {**average, **{name: getattr(self, name) for name in _COUNTS}}

    def restore(self, state: Mapping[str, Tensor], numbers: Mapping[str, float]) -> None:
        """Go on from a state and its numbers."""
        self.position, self.energy, self.force = (
            state[name].clone() for name in ("position", "energy", "force")
        )
        self.seen = list(state["seen"])
        for name in attrs.fields_dict(DualAveraging):
            setattr(self.average, name, numbers[f"average/{name}"])
        for name in _COUNTS:
            setattr(self, name, numbers[name])
        self.target.network.theta.copy_(self.position)

    def _trajectory(self, step: float, steps: int) -> tuple[float, bool]:
        """Propose, and accept or not; return the acceptance probability, and whether it left."""
        momentum = torch.empty_like(self.position).normal_(generator=self.random)
        coin = float(torch.rand((), generator=self.random, dtype=torch.float64))
        before = float(self.energy + 0.5 * momentum.dot(momentum))
        position, energy, force = self.position.clone(), self.energy, self.force
        for _ in range(steps):
            momentum = momentum.add(force, alpha=-step / 2)
            position.add_(momentum, alpha=step)
            energy, force = self.target.at(position)
            momentum = momentum.add_(force, alpha=-step / 2)
            error = float(energy + 0.5 * momentum.dot(momentum)) - before
            if not error < _ENERGY_ERROR:  # or undefined
                return 0.0, True
        acceptance = math.exp(min(0.0, -error))
        if coin < acceptance:
            self.position, self.energy, self.force = position, energy, force
        return acceptance, False

    def _first_step(self) -> float:
        """Return a step at which one leapfrog step is accepted about half of the time."""
        step = 1 / math.sqrt(1 + self.target.sampler.localization)
        kept = self.position, self.energy, self.force
        grows: bool | None = None
        for _ in range(60):
            acceptance, _ = self._trajectory(step, 1)
            self.position, self.energy, self.force = kept
            if grows is None:
                grows = acceptance > 0.5
            if (acceptance > 0.5) != grows:
                break
            step *= 2.0 if grows else 0.5
        return step

    def _adapt(self, acceptance: float) -> None:
        self.average.update(acceptance)
        self.step = math.exp(self.average.log_step)
        if 4 * self.done > self.burn_in:
            self.seen.append(self.position)
        if self.done in (self.burn_in // 2, 3 * self.burn_in // 4, self.burn_in):
            step = math.exp(self.average.log_mean)
            quarter = 0.5 * math.pi * widest(self.seen) / step
            self.length = int(min(max(round(quarter), 1), _LONGEST))
            self.seen = self.seen[len(self.seen) // 2 :]
        if self.done == self.burn_in:
            self.step, self.seen = math.exp(self.average.log_mean), []


def widest(positions: list[Tensor]) -> float:
    """Return the standard deviation along the widest direction of some positions.

    The direction is that of every other position, the deviation that of the rest, both ways: of
    the same ones, few draws in many dimensions would have it far too wide.
    """
    if len(positions) < 4:
        return 0.0
    even, odd = torch.stack(positions[::2]), torch.stack(positions[1::2])
    return max(_deviation(even, odd), _deviation(odd, even))


def _deviation(found: Tensor, kept: Tensor) -> float:
    """Return the standard deviation of `kept` along the widest direction of `found`."""
    found, kept = found - found.mean(0), kept - kept.mean(0)
    _, vectors = torch.linalg.eigh(found @ found.T)
    direction = found.T @ vectors[:, -1]
    size = float(direction.norm())
    return float((kept @ direction).std()) / size if size > 0 else 0.0
