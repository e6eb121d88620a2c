"""One step of a sampler on the parameter vector."""

from math import sqrt
from typing import Protocol

import torch
from torch import Generator, Tensor

from pattern_lang.estimate.network import Network
from pattern_lang.ir.queries import Sampler


class Step(Protocol):
    """Moves `network.theta` by one step, from the gradient in `grad`."""

    def __call__(self) -> None:
        """Move."""

    def carry(self, tangent: Tensor, force: Tensor) -> None:
        """Move a tangent (d,) of the chain as the last step moved the chain.

        force: what the derivative of nβ L and of the tilt have along it; localisation is added.
        """

    def state(self) -> dict[str, Tensor]:
        """Return what steps remember, beside the position and the random numbers."""

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""


def stepper(network: Network, sampler: Sampler, random: Generator) -> Step:
    """Return the step of a sampler."""
    if sampler.kind == "rmsprop_sgld":
        return PreconditionedLangevin(network, sampler, random)
    return Langevin(network, sampler, random)


class Langevin:
    """Langevin dynamics: θ ← θ - (ε/2)[nβ ∇L_m + γ(θ-θ*)] + √ε η (Lau et al. 2308.12108)."""

    def __init__(self, network: Network, sampler: Sampler, random: Generator) -> None:
        self.network, self.random = network, random
        self.noise = torch.empty_like(network.theta)
        self.half = sampler.step / 2
        self.pull = self.half * sampler.localization
        self.drift, self.spread = -sampler.step * sampler.nbeta / 2, sqrt(sampler.step)

    def __call__(self) -> None:
        """Move."""
        theta, noise = self.network.theta, self.noise
        noise.normal_(generator=self.random)
        theta.lerp_(self.network.anchor, self.pull)
        theta.add_(self.network.grad, alpha=self.drift)
        theta.add_(noise, alpha=self.spread)

    def carry(self, tangent: Tensor, force: Tensor) -> None:
        """Move a tangent: `v ← v - (ε/2) (γ v + force)`."""
        tangent.mul_(1 - self.pull).add_(force, alpha=-self.half)

    def state(self) -> dict[str, Tensor]:
        """Return nothing: steps remember nothing."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from nothing."""


class PreconditionedLangevin:
    """The same, preconditioned by the loss gradient's second moment alone.

    v ← a v + (1-a) g² from v = 1, v̂ = v / (1 - a^(t+1)), and a step per coordinate of
    ε / (√v̂ + e) in drift and noise (Hitchcock & Hoogland 2507.21449).
    """

    def __init__(self, network: Network, sampler: Sampler, random: Generator) -> None:
        self.network, self.sampler, self.random = network, sampler, random
        self.noise, self.square = torch.empty_like(network.theta), torch.ones_like(network.theta)
        self.scale = torch.ones_like(network.theta)
        self.power = 1.0

    def __call__(self) -> None:
        """Move."""
        sampler, a = self.sampler, self.sampler.decay
        theta, grad = self.network.theta, self.network.grad
        self.square.mul_(a).addcmul_(grad, grad, value=1 - a)
        self.power *= a
        scale = torch.div(self.square, 1 - self.power, out=self.scale)
        scale.sqrt_().add_(sampler.stabilizer).reciprocal_().mul_(sampler.step)
        force = (theta - self.network.anchor).mul_(sampler.localization)
        force.add_(grad, alpha=sampler.nbeta)
        self.noise.normal_(generator=self.random)
        theta.addcmul_(scale, force, value=-0.5)
        theta.addcmul_(scale.sqrt(), self.noise)

    def carry(self, tangent: Tensor, force: Tensor) -> None:
        """Move a tangent by the same preconditioner, held: it is no part of what is sampled."""
        force = force.add(tangent, alpha=self.sampler.localization)
        tangent.addcmul_(self.scale, force, value=-0.5)

    def state(self) -> dict[str, Tensor]:
        """Return v and a^t."""
        return {"square": self.square, "power": torch.tensor(self.power, dtype=torch.float64)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from v and a^t."""
        self.square.copy_(state["square"])
        self.power = float(state["power"])
