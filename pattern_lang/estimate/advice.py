"""How stiff a posterior is for its step, and what to change when chains diverge."""

import torch
from torch import Tensor

from pattern_lang.estimate.available import round_down
from pattern_lang.estimate.chain import Setting
from pattern_lang.estimate.network import Network

_ITERATIONS = 12
_SETTLED = 0.02  # relative change of the curvature from one iteration to the next
TANGENT_ADVICE = (
    'write `estimator: "covariance"`, or a larger `localization`: the loss curves down more '
    "steeply than it holds"
)


def advise(setting: Setting) -> str:
    """Return one next step with a value to write.

    A step of ε is unstable in a direction of curvature h where ε (nβ h + γ) exceeds 4; where that
    is not the cause, the posterior itself reaches too far from the checkpoint.
    """
    sampler = setting.sampler
    if sampler.kind in ("hmc", "laplace", "importance"):
        tighter = max(10 * sampler.localization, 1.0)
        return f"write `localization: {tighter:.1g}`: the posterior reaches too far"
    if sampler.kind != "sgld":
        return f"write `step: {round_down(sampler.step / 4):g}`, or raise `localization`"
    stiffness = stiffness_of(setting)
    if not stiffness < 2:
        smaller = round_down(sampler.step / max(4.0, min(stiffness, 1e6)))
        return (
            f"write `step: {smaller:g}`: step × (nbeta × curvature + localization) is "
            f"{stiffness:.2g} at the checkpoint, unstable from 4 on"
        )
    # The part of the stiffness that the loss has is worth a tenth of it in localisation.
    of_loss = stiffness / sampler.step - sampler.localization
    tighter = max(10 * sampler.localization, of_loss / 10, 1.0)
    return (
        f"write `localization: {tighter:.1g}`, or `nbeta: {round_down(sampler.nbeta / 10):g}`: "
        "the posterior reaches too far from the checkpoint"
    )


def stiffness_of(setting: Setting) -> float:
    """Return ε (nβ h + γ) for the sharpest curvature h at θ*.

    Full-batch Langevin steps are stable below 4, and widen the variance in that direction by
    `1 / (1 - stiffness / 4)`.
    """
    sampler = setting.sampler
    return sampler.step * (sampler.nbeta * sharpest_curvature(setting) + sampler.localization)


def sharpest_curvature(setting: Setting) -> float:
    """Return the largest curvature of the mean loss at θ*, by power iteration."""
    return sharpest_direction(setting, setting.network.anchor)[0]


def sharpest_direction(
    setting: Setting,
    centre: Tensor,
    scale: Tensor | None = None,
    *,
    rows: int | None = None,
    reach: float | None = None,
) -> tuple[float, Tensor]:
    """Return the curvature largest in size of the mean loss at `centre` (d,), and its direction.

    With `scale` (d,), that of √S H √S, S = diag(scale): the curvature as a step sees it that is
    scaled so. Products with the Hessian are differences of gradients `reach` to either side,
    on `rows` rows: as many as a minibatch has, where nothing else is said. Iterations end where the
    curvature no longer changes by more than 2 %.
    """
    network = setting.network
    network.reset()
    size = min(setting.rows.reweighted, rows or setting.sampler.batch, 1024)
    batch = {name: tensor[:size] for name, tensor in setting.rows.blocks[0].items()}
    random = torch.Generator().manual_seed(0)
    product = torch.randn(len(network.theta), generator=random, dtype=network.dtype)
    root = torch.ones_like(product) if scale is None else scale.sqrt()
    reach = reach or usual_reach(network)
    value, direction = 0.0, product / product.norm()
    for _ in range(_ITERATIONS):
        if not float(product.norm()) > 0:
            break
        direction = product / product.norm()
        away = root * direction
        length = float(away.norm())
        ends = []
        for sign in (1, -1):
            network.theta.copy_(centre).add_(away, alpha=sign * reach / length)
            network.gradient(dict(batch))
            ends.append(network.grad.clone())
        product = (ends[0] - ends[1]).mul_(root).mul_(length / (2 * reach))
        before, value = value, float(direction @ product)
        if abs(value - before) < _SETTLED * abs(value):
            break
    network.reset()
    return value, direction


def usual_reach(network: Network) -> float:
    """Return how far to either side gradients are compared: a thousandth of the checkpoint."""
    return 1e-3 * (1 + float(network.anchor.norm()))
