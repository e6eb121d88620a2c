"""The law that importance sampling draws from, made at a cost in proportion to the draws.

Draws are θ*+μ ± δ, where δ has the scale matrix Σ. The nearer that is to the posterior, the more
even the weights; to know it costs gradients. So it is the first of these:

- *dense*: all curvatures, where d products with the Hessian are cheap beside the draws;
- *isotropic*: `Σ⁻¹ = γ + nβ h̄`, where a few trial pairs from N(0, 1/γ) have weights that hardly
  differ. h̄ is the mean curvature over a step of that size, `2 γ ⟨L(θ*±δ) - L(θ*)⟩ / d`;
- *leading*: the curvatures that a Krylov space from a random vector finds, h̄ for all others.

The second is a Gaussian. The others are Student's law with 5 + d degrees of freedom, about as wide:
its tails fall off more slowly than those of most posteriors, which bounds the weights, and where
the posterior is Gaussian after all it costs an eighth of the draws at most (Geweke, 1989).

Curvature is looked at on some of the rows where there are many: it shapes the draws, and no error
in it biases an estimate. μ is Newton's step `-nβ Σ g` with the gradient over all rows, so that the
odd part of the weights is of third order. Everything here is the same for all chains.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from attrs import frozen
from torch import Generator, Tensor

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.estimates import SingularCurvature
from pattern_lang.estimate.curvature import Gaussian, hessian_product
from pattern_lang.estimate.evaluate import block_length
from pattern_lang.estimate.hmc import full_gradient, leading_batches

if TYPE_CHECKING:
    from pattern_lang.estimate.chain import Setting

Batches = list[dict[str, Tensor]]

_SHARE = 0.25  # of the cost of a chain's draws, that curvatures may cost
_PRODUCT = 6.0  # losses that a product with the Hessian costs: two gradients
_ALWAYS_DENSE = 16
_MOST_DIRECTIONS = 256
_BASIS_BYTES = 2**28
_FEWEST_ENTRIES = 1024  # losses that curvature is measured on, or an eighth of all
_TRIALS = 4  # pairs
_EVEN = 1.0  # standard deviation of the trials' log weights, below which they hardly differ
_FLAT = 1e-6
_NARROWEST = 0.25  # of γ: the least precision in directions of negative curvature


@frozen(eq=False)
class Proposal:
    """N(centre, Σ), or Student's law with `freedom` degrees of freedom.

    centre: (d,) float64, θ*+μ. newton: the length of μ in standard deviations.
    """

    gaussian: Gaussian
    centre: Tensor
    newton: float = 0.0
    freedom: int | None = None

    def draw(self, random: Generator) -> tuple[Tensor, float]:
        """Return δ (d,) float64, and minus the logarithm of its density, up to a constant."""
        delta = self.gaussian.draw(random)
        if self.freedom is None:
            return delta, self.gaussian.energy(delta)
        noise = torch.empty(self.freedom, dtype=torch.float64).normal_(generator=random)
        delta *= math.sqrt(self.freedom / float(noise @ noise))
        size = 2 * self.gaussian.energy(delta)
        return delta, 0.5 * (self.freedom + len(delta)) * math.log1p(size / self.freedom)

    @property
    def figures(self) -> dict[str, float]:
        """Return what diagnostics show of it."""
        size, held = self.gaussian.basis.shape
        return {
            "parameters": float(size),
            "directions": float(held),
            "negative": float(self.gaussian.clipped),
            "newton": self.newton,
        }


def propose(setting: "Setting") -> Proposal:
    """Choose the Gaussian for a posterior; leaves the network at θ*. Raises SingularCurvature."""
    network, sampler = setting.network, setting.sampler
    network.reset()
    anchor, d = network.anchor.double(), len(network.anchor)
    if sampler.nbeta == 0:
        if sampler.localization == 0:
            raise _singular(setting, d)
        return Proposal(_isotropic(d, sampler.localization), anchor)
    batches, count, share = _some_rows(setting)
    products = int(_SHARE * sampler.draws / (_PRODUCT * share))
    # Without localisation every direction has to be known.
    cheap = d <= max(products, _ALWAYS_DENSE) or sampler.localization == 0
    dense = cheap and d <= _MOST_DIRECTIONS
    even = None
    if sampler.localization > 0 and not dense:
        even = _mean_curvature(setting, batches, count)
    if even is not None:
        gaussian = _isotropic(d, sampler.localization + sampler.nbeta * even)
    else:
        room = _BASIS_BYTES // (16 * d)
        steps = d if dense else max(1, min(max(products, 8), _MOST_DIRECTIONS, room))
        gaussian = _leading(setting, batches, count, steps)
    network.reset()
    full_gradient(network, leading_batches(setting.rows), setting.rows.reweighted)
    gradient = network.grad.to(torch.float64, copy=True)
    shift = gaussian.spread(gradient).mul_(-sampler.nbeta)
    newton = float((sampler.nbeta * -gradient.dot(shift)).clamp(min=0).sqrt())
    network.reset()
    return Proposal(gaussian, anchor + shift, newton, 5 + d if even is None else None)


def _isotropic(d: int, precision: float) -> Gaussian:
    basis = torch.zeros(d, 0, dtype=torch.float64)
    return Gaussian(basis, basis.new_zeros(0), precision, 0)


def _some_rows(setting: "Setting") -> tuple[Batches, int, float]:
    """Return rows to measure curvature on, evenly spaced, how many, and their share of all."""
    rows, batches = setting.rows, leading_batches(setting.rows)
    total = rows.reweighted
    entries = max(setting.averager.rows / total, 1.0)
    wanted = min(total, max(total // 8, int(-(-_FEWEST_ENTRIES // entries))))
    if wanted == total:
        return batches, total, 1.0
    chosen = torch.arange(wanted) * total // wanted
    block = {name: tensor[chosen] for name, tensor in rows.blocks[0].items()}
    size = block_length(batches[0])
    pieces = [
        {name: tensor[start : start + size] for name, tensor in block.items()}
        for start in range(0, wanted, size)
    ]
    return pieces, wanted, wanted / total


def _mean_curvature(setting: "Setting", batches: Batches, count: int) -> float | None:
    """Return h̄ by trial pairs from N(0, 1/γ), or None where their weights differ too much."""
    network, sampler = setting.network, setting.sampler
    random, anchor = Generator().manual_seed(0), network.anchor.double()
    gamma, d = sampler.localization, len(anchor)
    base = _mean_loss(setting, batches, count)
    heights, evens = [], []
    for _ in range(_TRIALS):
        delta = torch.empty(d, dtype=torch.float64).normal_(generator=random) / gamma**0.5
        ends = []
        for sign in (1, -1):
            network.theta.copy_(anchor.add(delta, alpha=sign))
            ends.append(_mean_loss(setting, batches, count) - base)
        evens.append(sum(ends) / 2)
        heights += [-sampler.nbeta * end for end in ends]
    spread = float(torch.tensor(heights, dtype=torch.float64).std())
    if not math.isfinite(spread) or spread > _EVEN:
        return None
    return max(0.0, 2 * gamma * sum(evens) / len(evens) / d)


def _mean_loss(setting: "Setting", batches: Batches, count: int) -> float:
    total = 0.0
    with torch.no_grad():
        for batch in batches:
            total += float(setting.network.row_losses(dict(batch)).double().sum())
    return total / count


def _leading(setting: "Setting", batches: Batches, count: int, steps: int) -> Gaussian:
    """Return the curvatures along a Krylov space of so many dimensions, and the mean of others."""
    network, sampler = setting.network, setting.sampler

    def product(direction: Tensor) -> Tensor:
        return hessian_product(network, batches, count, direction)

    d = len(network.anchor)
    if steps >= d:
        basis = torch.eye(d, dtype=torch.float64)
        images = torch.stack([product(direction) for direction in basis], dim=1)
    else:
        basis, images = krylov(product, d, steps)
    projected = basis.T @ images
    values, vectors = torch.linalg.eigh((projected + projected.T) / 2)
    basis = basis @ vectors
    gamma, nbeta = sampler.localization, sampler.nbeta
    precision = gamma + nbeta * values
    flat = int((precision <= nbeta * _FLAT * float(values.abs().max())).sum())
    if gamma == 0 and (flat or basis.shape[1] < d):
        raise _singular(setting, flat + d - basis.shape[1])
    clipped = int((values < -0.01 * gamma / nbeta).sum()) if gamma > 0 else 0
    precision = precision.clamp(min=_NARROWEST * gamma)
    rest = gamma
    if basis.shape[1] < d:
        probe = torch.randn(d, generator=Generator().manual_seed(1), dtype=torch.float64)
        probe = _orthogonal(probe, basis)
        probe /= probe.norm()
        rest += nbeta * max(0.0, float(probe @ product(probe)))
    return Gaussian(basis, precision, rest, clipped)


def krylov(product: Callable[[Tensor], Tensor], size: int, steps: int) -> tuple[Tensor, Tensor]:
    """Return an orthonormal basis (d, k) of `v, H v, …`, k = steps, v random, and H times it.

    Lanczos' recurrence with every vector made orthogonal to all before it, twice; another random
    vector where it ends early.
    """
    random = Generator().manual_seed(0)
    vector = torch.randn(size, generator=random, dtype=torch.float64)
    basis, images = [vector / vector.norm()], list[Tensor]()
    while True:
        images.append(product(basis[-1]))
        if len(images) == steps:
            break
        known = torch.stack(basis, dim=1)
        following = _orthogonal(images[-1], known)
        if not float(following.norm()) > 1e-6 * float(images[-1].norm()):
            fresh = torch.randn(size, generator=random, dtype=torch.float64)
            following = _orthogonal(fresh, known)
        basis.append(following / following.norm())
    return torch.stack(basis, dim=1), torch.stack(images, dim=1)


def _orthogonal(vector: Tensor, basis: Tensor) -> Tensor:
    """Return a vector without its part in the span of a basis (d, k); twice, for rounding."""
    for _ in range(2):
        vector = vector - basis @ (basis.T @ vector)
    return vector


def _singular(setting: "Setting", flat: int) -> PatternError:
    sampler = setting.sampler
    return PatternError(
        [
            SingularCurvature(
                span=sampler.origin,
                flat=flat,
                parameters=len(setting.network.anchor),
                sampler=sampler.kind,
            )
        ]
    )
