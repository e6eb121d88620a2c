"""The Gaussian that a posterior is near its checkpoint: N(θ*, Σ), Σ = (nβ H + γ)⁻¹.

H is the Hessian of the mean loss, by central differences of full-batch gradients: that needs no
second derivative of the network's code, and is exact for quadratics up to rounding.

- Up to 2048 parameters, H is dense.
- Beyond, H is projected on the span of per-row gradients (of all rows, or of rows evenly spaced
  where they are more than fit) and of the data sets' gradients, found by the dual eigenproblem of
  their Gram matrix: the range of the Gauss-Newton matrix, with the loss's own curvature inside it.
  Outside it, only the localisation holds. `γ > 0` is needed.

Directions of negative curvature count as flat: there too the localisation alone holds.
"""

import torch
from attrs import frozen
from torch import Generator, Tensor

from pattern_lang.diagnostics import PatternError, Span
from pattern_lang.diagnostics.catalogue.estimates import SingularCurvature
from pattern_lang.estimate.hmc import full_gradient
from pattern_lang.estimate.network import Batch, Network
from pattern_lang.ir.queries import Sampler

_DENSE = 2048
_MOST_DIRECTIONS = 1024
_BASIS_BYTES = 2**28
_FLAT = 1e-6  # of the sharpest curvature, or a thousandth of this: errors of the differences


@frozen(eq=False)
class Gaussian:
    """N(0, Σ) with Σ = U diag(1/p) Uᵀ + (1 - U Uᵀ)/γ.

    basis: U (d, r) orthonormal, float64. precision: p (r,). rest: γ. clipped: how many directions
    of negative curvature were taken as flat.
    """

    basis: Tensor
    precision: Tensor
    rest: float
    clipped: int

    @property
    def is_whole(self) -> bool:
        """Tell whether the basis spans all parameters."""
        return self.basis.shape[0] == self.basis.shape[1]

    def spread(self, vector: Tensor) -> Tensor:
        """Return Σ v."""
        return self._scaled(vector, 1.0)

    def draw(self, random: Generator) -> Tensor:
        """Return one draw, (d,) float64."""
        noise = torch.empty(len(self.basis), dtype=torch.float64).normal_(generator=random)
        return self._scaled(noise, 0.5)

    def energy(self, vector: Tensor) -> float:
        """Return ½ vᵀ Σ⁻¹ v."""
        return 0.5 * float(vector @ self._scaled(vector, -1.0))

    def _scaled(self, vector: Tensor, power: float) -> Tensor:
        """Return Σ^power v."""
        inside = self.basis.T @ vector
        factors: Tensor = self.precision**-power
        scaled: Tensor = self.basis @ (inside * factors)
        if self.is_whole:
            return scaled
        outside: Tensor = vector - self.basis @ inside
        return scaled + outside * float(self.rest**-power)


def gaussian_at(
    network: Network,
    batches: list[dict[str, Tensor]],
    count: int,
    probes: list[Tensor],
    sampler: Sampler,
    model: str = "",
) -> Gaussian:
    """Measure the curvature of the mean loss over `count` rows at θ*.

    `probes` are gradients (d,) float64 that the basis has to hold. Raises SingularCurvature where a
    direction has neither curvature nor localisation.
    """
    size = len(network.anchor)
    if size <= _DENSE:
        basis = torch.eye(size, dtype=torch.float64)
    else:
        basis = _span_of_gradients(network, batches, count, probes)
    rows = [hessian_product(network, batches, count, direction) for direction in basis.T]
    projected = basis.T @ torch.stack(rows, dim=1)
    values, vectors = torch.linalg.eigh((projected + projected.T) / 2)
    network.reset()
    basis = vectors if size <= _DENSE else basis @ vectors
    return _localised(basis, values, sampler)


def _localised(basis: Tensor, values: Tensor, sampler: Sampler) -> Gaussian:
    floor = _FLAT * max(float(values.abs().max()), 1e-3)
    # Too little to be told from the localisation is no finding.
    matters = max(floor, 0.01 * sampler.localization / max(sampler.nbeta, 1e-300))
    clipped = int((values < -matters).sum())
    precision = sampler.nbeta * values.clamp(min=0.0) + sampler.localization
    flat = int((precision <= sampler.nbeta * floor).sum()) + len(basis) - basis.shape[1]
    if sampler.localization == 0 and flat:
        raise PatternError([_singular(flat, len(basis), sampler.origin)])
    return Gaussian(basis, precision, sampler.localization, clipped)


def _singular(flat: int, size: int, span: Span | None) -> SingularCurvature:
    return SingularCurvature(span=span, flat=flat, parameters=size, sampler="laplace")


def hessian_product(
    network: Network, batches: list[dict[str, Tensor]], count: int, direction: Tensor
) -> Tensor:
    """Return H u at θ* for a unit vector u, (d,) float64, from gradients to either side."""
    precise = network.dtype == torch.float64
    reach = (1e-5 if precise else 5e-3) * _typical_size(network)
    ends = []
    for sign in (1, -1):
        network.theta.copy_(network.anchor.double().add(direction, alpha=sign * reach))
        full_gradient(network, batches, count)
        ends.append(network.grad.to(torch.float64, copy=True))
    return (ends[0] - ends[1]) / (2 * reach)


def _typical_size(network: Network) -> float:
    """Return a length over which a network changes: that of one parameter, at least 0.1."""
    return max(0.1, float(network.anchor.double().square().mean().sqrt()))


def _span_of_gradients(
    network: Network, batches: list[dict[str, Tensor]], count: int, probes: list[Tensor]
) -> Tensor:
    """Return an orthonormal basis (d, r) of the gradients of rows at θ*, and of `probes`."""
    size = len(network.anchor)
    room = max(1, min(_MOST_DIRECTIONS, _BASIS_BYTES // (8 * size)) - len(probes))
    chosen = set(range(0, count, -(-count // room)))
    network.reset()
    found = list(probes)
    for batch in _single(batches, chosen):
        network.gradient(batch)
        found.append(network.grad.to(torch.float64, copy=True))
    gradients = torch.stack(found)
    gradients /= gradients.norm(dim=1, keepdim=True).clamp(min=1e-300)
    values, vectors = torch.linalg.eigh(gradients @ gradients.T)
    kept = values > 1e-10 * values[-1]
    basis: Tensor = gradients.T @ (vectors[:, kept] / values[kept].sqrt())
    return basis


def _single(batches: list[dict[str, Tensor]], chosen: set[int]) -> list[Batch]:
    """Return the chosen rows, each as a batch of its own."""
    found: list[Batch] = []
    first = 0
    for batch in batches:
        length = len(next(iter(batch.values())))
        inside = [row - first for row in sorted(chosen) if first <= row < first + length]
        found += [{name: tensor[row : row + 1] for name, tensor in batch.items()} for row in inside]
        first += length
    return found
