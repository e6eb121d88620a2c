"""One step of a sampler on the parameter vector."""

from collections.abc import Callable
from math import sqrt

import torch
from torch import Generator

from pattern_lang.estimate.network import Network
from pattern_lang.ir.queries import Sampler

Step = Callable[[], None]


def stepper(network: Network, sampler: Sampler, random: Generator) -> Step:
    """Return a function that moves `network.theta` by one step, from the gradient in `grad`."""
    if sampler.kind == "rmsprop_sgld":
        return _rmsprop_sgld(network, sampler, random)
    return _sgld(network, sampler, random)


def _sgld(network: Network, sampler: Sampler, random: Generator) -> Step:
    """Langevin dynamics: θ ← θ - (ε/2)[nβ ∇L_m + γ(θ-θ*)] + √ε η (Lau et al. 2308.12108)."""
    theta, grad, anchor = network.theta, network.grad, network.anchor
    noise = torch.empty_like(theta)
    pull = sampler.step * sampler.localization / 2
    drift, spread = -sampler.step * sampler.nbeta / 2, sqrt(sampler.step)

    def step() -> None:
        noise.normal_(generator=random)
        theta.lerp_(anchor, pull)
        theta.add_(grad, alpha=drift)
        theta.add_(noise, alpha=spread)

    return step


def _rmsprop_sgld(network: Network, sampler: Sampler, random: Generator) -> Step:
    """The same, preconditioned by the loss gradient's second moment alone.

    v ← a v + (1-a) g² from v = 1, v̂ = v / (1 - a^(t+1)), and a step per coordinate of
    ε / (√v̂ + e) in drift and noise (Hitchcock & Hoogland 2507.21449).
    """
    theta, grad, anchor = network.theta, network.grad, network.anchor
    noise, square = torch.empty_like(theta), torch.ones_like(theta)
    a, power = sampler.decay, 1.0

    def step() -> None:
        nonlocal power
        square.mul_(a).addcmul_(grad, grad, value=1 - a)
        power *= a
        scale = (square / (1 - power)).sqrt_().add_(sampler.stabilizer).reciprocal_()
        scale.mul_(sampler.step)
        force = (theta - anchor).mul_(sampler.localization).add_(grad, alpha=sampler.nbeta)
        noise.normal_(generator=random)
        theta.addcmul_(scale, force, value=-0.5)
        theta.addcmul_(scale.sqrt_(), noise)

    return step
