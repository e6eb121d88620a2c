"""What a posterior looks like at its checkpoint: how steep, how noisy, what a step costs."""

from math import inf, sqrt

import torch
from attrs import frozen
from torch import Generator, Tensor

from pattern_lang.estimate.advice import sharpest_direction, usual_reach
from pattern_lang.estimate.chain import Setting, batches
from pattern_lang.estimate.cost import step_and_draw_seconds
from pattern_lang.ir.queries import Sampler

_MINIBATCHES = 24
_ROWS = 256
_FLAT = 3
_LOOKS, _LOOKING = 3, 1.0


@frozen(eq=False)
class Terrain:
    """What decides how large a step may be, and how long a chain takes.

    curvature: h, the sharpest of the mean loss, in the sampler's own coordinates (for
    `rmsprop_sgld` divided by its preconditioner). noise: variance of a minibatch's gradient along
    that direction. fastest, slowest: the range of the preconditioner, 1 for `sgld`. step, draw:
    seconds of a gradient step and of one evaluation of everything that a draw needs.
    """

    curvature: float
    noise: float
    fastest: float
    slowest: float
    step: float
    draw: float

    def stiffness(self, sampler: Sampler) -> float:
        """Return ε (nβ h + γ), unstable from 4 on."""
        held = sampler.localization * self.fastest
        return sampler.step * (sampler.nbeta * self.curvature + held)

    def minibatch(self, sampler: Sampler) -> float:
        """Return the share that minibatch noise adds to the noise of a step: ε nβ² σ² / 4."""
        return sampler.step * sampler.nbeta**2 * self.noise / 4

    def relaxation(self, sampler: Sampler) -> float:
        """Return the steps in which the flattest directions forget where they were: 2 / (ε γ)."""
        held = sampler.step * sampler.localization * self.slowest
        return 2 / held if held > 0 else inf


def survey(setting: Setting) -> Terrain:
    """Measure a posterior at θ* by a few dozen gradients."""
    network = setting.network
    centre = network.anchor
    gradients = _minibatch_gradients(setting, centre)
    scale = _preconditioner(setting.sampler, gradients)
    curvature, direction = sharpest_direction(setting, centre, scale, rows=_ROWS)
    along = gradients @ (direction if scale is None else direction * scale.sqrt())
    network.reset()
    step, draw = _seconds(setting)
    network.reset()
    return Terrain(
        curvature=abs(curvature),
        noise=float(along.var()) if setting.sampler.batch < setting.rows.reweighted else 0.0,
        fastest=1.0 if scale is None else float(scale.max()),
        slowest=1.0 if scale is None else float(scale.median()),
        step=step,
        draw=draw,
    )


def is_flat(setting: Setting, terrain: Terrain, nbeta: float) -> bool:
    """Tell whether the posterior is too narrow to feel the curvature that the terrain has.

    The loss of a trained network is no parabola: often it is flat at the checkpoint and steep a
    little farther away. A posterior that stays inside the flat part says nothing of the loss.
    """
    width = 2 / sqrt(max(nbeta * terrain.curvature, 1e-12))
    if width >= usual_reach(setting.network):
        return False
    centre = setting.network.anchor
    inside, _ = sharpest_direction(setting, centre, rows=_ROWS, reach=width)
    return abs(inside) < terrain.curvature / _FLAT


def _seconds(setting: Setting) -> tuple[float, float]:
    """Return the seconds of a step and of a draw, the least of a few looks where they are short.

    Even the processor's own time grows a little with what else the machine does.
    """
    looks = [step_and_draw_seconds(setting)]
    while len(looks) < _LOOKS and sum(map(sum, looks)) < _LOOKING:
        looks.append(step_and_draw_seconds(setting))
    steps, draws = zip(*looks, strict=True)
    return min(steps), min(draws)


def _minibatch_gradients(setting: Setting, centre: Tensor) -> Tensor:
    """Return gradients of minibatches, (m, d)."""
    network, supply = setting.network, batches(setting, Generator().manual_seed(0))
    network.theta.copy_(centre)
    found = []
    for _ in range(_MINIBATCHES):
        network.gradient(next(supply))
        found.append(network.grad.clone())
    return torch.stack(found)


def _preconditioner(sampler: Sampler, gradients: Tensor) -> Tensor | None:
    """Return the scale of each coordinate's step, (d,), None where all are 1."""
    if sampler.kind != "rmsprop_sgld":
        return None
    root = gradients.square().mean(0).sqrt_()
    return root.add_(sampler.stabilizer).reciprocal_()
