"""How stiff a posterior is for its step, and what to change when chains diverge."""

from collections.abc import Callable

import torch
from torch import Tensor

from pattern_lang.estimate.available import round_down
from pattern_lang.estimate.chain import Setting, batches
from pattern_lang.estimate.network import Network
from pattern_lang.estimate.recall_rows import ROWS

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
    on `rows` rows: as many as a minibatch has, where nothing else is said.
    """
    network = setting.network
    network.reset()
    size = min(setting.rows.reweighted, rows or setting.sampler.batch, 1024)
    random = torch.Generator().manual_seed(0)
    start = torch.randn(len(network.theta), generator=random, dtype=network.dtype)
    root = torch.ones_like(start) if scale is None else scale.sqrt()
    reach = reach or usual_reach(network)
    gradient = _gradients(setting, size)

    def curved(direction: Tensor) -> Tensor:
        """Return √S H √S of a direction, as a difference of gradients."""
        away = root * direction
        length = float(away.norm())
        ends = [gradient(centre.add(away, alpha=sign * reach / length)) for sign in (1, -1)]
        return (ends[0] - ends[1]).mul_(root).mul_(length / (2 * reach))

    found = _largest(curved, start)
    network.reset()
    return found


def _gradients(setting: Setting, size: int) -> Callable[[Tensor], Tensor]:
    """Return the gradient of the first rows by parameters; with what chains have kept of rows."""
    network = setting.network
    batch = {name: tensor[:size] for name, tensor in setting.rows.blocks[0].items()}
    batch[ROWS] = torch.arange(size)
    memory = None
    if size == min(setting.rows.reweighted, setting.sampler.batch):
        memory = batches(setting, torch.Generator()).memory(network)

    def gradient(theta: Tensor) -> Tensor:
        network.theta.copy_(theta)
        network.gradient(dict(batch), memory if memory and memory.state == "on" else None)
        return network.grad.clone()

    return gradient


def _largest(curved: Callable[[Tensor], Tensor], start: Tensor) -> tuple[float, Tensor]:
    """Return the eigenvalue largest in size, and its direction.

    Each iteration is the best of three directions: the last, what the operator adds to it, and the
    last change (Knyazev, SIAM J. Sci. Comput. 23, 2001). Iterations end where the eigenvalue no
    longer changes by more than 2 %.
    """
    directions = [start / start.norm()]
    images = [curved(directions[0])]
    value = float(directions[0] @ images[0])
    for _ in range(_ITERATIONS - 1):
        added = _beside(images[0], directions)
        if added is None:
            break
        directions, images = [*directions, added], [*images, curved(added)]
        projected = torch.tensor([[float(a @ b) for b in images] for a in directions])
        values, vectors = torch.linalg.eigh((projected + projected.T) / 2)
        best = int(values.abs().argmax())
        before, value, shares = value, float(values[best]), vectors[:, best]
        others = shares.clone()
        others[0] = 0.0
        pairs = [(_sum(shares, part), _sum(others, part)) for part in (directions, images)]
        (direction, change), (image, of_change) = pairs
        # What is left of the change beside the new direction, and the same of the images.
        overlap = direction @ change
        change, of_change = change - overlap * direction, of_change - overlap * image
        size = change.norm()
        directions, images = [direction], [image]
        if float(size) > 0:
            directions, images = [direction, change / size], [image, of_change / size]
        if abs(value - before) < _SETTLED * abs(value):
            break
    return value, directions[0]


def _sum(shares: Tensor, parts: list[Tensor]) -> Tensor:
    """Return a combination of vectors."""
    pairs = list(zip(shares.tolist(), parts, strict=True))
    found: Tensor = pairs[0][1] * pairs[0][0]
    for share, part in pairs[1:]:
        found.add_(part, alpha=share)
    return found


def _beside(vector: Tensor, directions: list[Tensor]) -> Tensor | None:
    """Return the direction of what of a vector is orthogonal to others; None if nothing is."""
    size = float(vector.norm())
    for _ in range(2):  # once more, for what rounding leaves
        for direction in directions:
            vector = vector - (direction @ vector) * direction
    rest = float(vector.norm())
    return vector / rest if rest > 1e-6 * size else None


def usual_reach(network: Network) -> float:
    """Return how far to either side gradients are compared: a thousandth of the checkpoint."""
    return 1e-3 * (1 + float(network.anchor.norm()))
