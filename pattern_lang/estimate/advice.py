"""What to change when chains diverge, from the sharpest curvature at the checkpoint."""

import torch

from pattern_lang.estimate.available import round_down
from pattern_lang.estimate.chain import Setting

_ITERATIONS = 20


def advise(setting: Setting) -> str:
    """Return one next step with a value to write.

    A step of ε is unstable in a direction of curvature h where ε (nβ h + γ) exceeds 4; where that
    is not the cause, the posterior itself reaches too far from the checkpoint.
    """
    sampler = setting.sampler
    if sampler.kind != "sgld":
        return f"write `step: {round_down(sampler.step / 4):g}`, or raise `localization`"
    curvature = sharpest_curvature(setting)
    stiffness = sampler.step * (sampler.nbeta * curvature + sampler.localization)
    if not stiffness < 2:
        smaller = round_down(sampler.step / max(4.0, min(stiffness, 1e6)))
        return (
            f"write `step: {smaller:g}`: step × (nbeta × curvature + localization) is "
            f"{stiffness:.2g} at the checkpoint, unstable from 4 on"
        )
    tighter = max(10 * sampler.localization, sampler.nbeta * max(curvature, 0.0) / 10, 1.0)
    return (
        f"write `localization: {tighter:.1g}`, or `nbeta: {round_down(sampler.nbeta / 10):g}`: "
        "the posterior reaches too far from the checkpoint"
    )


def sharpest_curvature(setting: Setting) -> float:
    """Return the largest curvature of the mean loss at θ*, by power iteration.

    Products with the Hessian are differences of gradients; the rows are those of one minibatch,
    and 1,024 at most.
    """
    network, rows = setting.network, setting.averager.rows
    size = min(rows, max(setting.sampler.batch, 256), 1024)
    batch = {name: tensor[:size] for name, tensor in setting.rows.blocks[0].items()}
    random = torch.Generator().manual_seed(0)
    direction = torch.randn(len(network.theta), generator=random, dtype=network.dtype)
    reach = 1e-3 * (1 + float(network.anchor.norm()))
    value = 0.0
    for _ in range(_ITERATIONS):
        direction /= direction.norm()
        ends = []
        for sign in (1, -1):
            network.theta.copy_(network.anchor).add_(direction, alpha=sign * reach)
            network.gradient(dict(batch))
            ends.append(network.grad.clone())
        product = (ends[0] - ends[1]) / (2 * reach)
        value = float(direction @ product)
        if not float(product.norm()) > 0:
            break
        direction = product
    network.reset()
    return value
