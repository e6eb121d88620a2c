"""The closed form: χ under the Gaussian N(θ*, Σ) that curvature and localisation make.

`Cov(φ, ℓ_j) = g_φᵀ Σ g_j + ½ tr(H_φ Σ H_j Σ)` for quadratic losses. The two terms are the
covariances of the odd and of the even part of the losses in δ = θ - θ*:

- The odd part is taken in closed form and carries no noise: `Σ g_φ` once for each data set, then
  the derivative of every row's loss along it, by differences of losses.
- The even part `(ℓ(θ*+δ) + ℓ(θ*-δ))/2 - ℓ(θ*)` is averaged over independent antithetic pairs
  δ ~ N(0, Σ), on the losses themselves. Odd parts cancel in a pair, so what noise there is, is that
  of the second-order term alone, and it is what the standard errors report.

Left out are anharmonic corrections, O((nβ)⁻²) like the second-order term: the posterior's own
skewness. They matter where g_φ vanishes, as it does for the loss on the re-weighted data at a
minimum; learning coefficients are refused for that reason. With `γ/nβ` fixed, the odd part grows as
1/nβ and the rest as 1/nβ²: a larger nβ leaves the classical (damped) influence function.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

from pattern_lang.estimate.curvature import Gaussian, gaussian_at
from pattern_lang.estimate.errors import ChainDivergedError
from pattern_lang.estimate.evaluate import Rows, chunks_of, evaluator
from pattern_lang.estimate.hmc import leading_batches
from pattern_lang.estimate.keeping import State, prefixed
from pattern_lang.estimate.moments import Accumulator
from pattern_lang.estimate.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable

    from pattern_lang.estimate.chain import Setting
    from pattern_lang.estimate.keeping import Keeper

_BLOCK = 64


def segments_of_pairs(segments: Sequence[int]) -> list[int]:
    """Return the pairs in each segment, two draws each."""
    return [length // 2 for length in segments]


class GaussianRun:
    """Closed form and even part, as if a chain had left them.

    The trace holds the losses at both points of each pair, so a segment has half as many pairs as
    draws. Raises SingularCurvature.
    """

    def __init__(
        self,
        setting: "Setting",
        posterior: int,
        chain: int,
        seed: int,
        advance: "Callable[[int], None]",
        keeper: "Keeper | None",
    ) -> None:
        self.setting, self.posterior, self.chain = setting, posterior, chain
        self.advance, self.keeper = advance, keeper
        network, averager = setting.network, setting.averager
        network.reset()
        gradients = data_gradients(network, setting.rows, averager.members)
        batches, count = leading_batches(setting.rows), setting.rows.reweighted
        self.gaussian = gaussian_at(network, batches, count, gradients, setting.sampler)
        derivative = derivatives(setting, self.gaussian, gradients)
        closed = averager.unit_losses(derivative[:, : averager.rows])
        self.random, self.evaluate = Generator().manual_seed(seed), evaluator(network, setting.rows)
        self.moments = Accumulator(averager, segments_of_pairs(setting.segments), closed)
        self.figures = _figures(setting, self.gaussian, gradients[0])
        self.done = self.told = 0

    def finish(self) -> tuple[Accumulator, dict[str, float]]:
        """Draw all pairs; raises ChainDivergedError where a loss is not finite."""
        ends = torch.empty(2, self.setting.rows.width, dtype=torch.float64)
        while self.moments.room:
            self._block(ends)
            if self.keeper is not None and self.keeper.due and self.moments.room:
                self.keeper.keep(self.state())
        self.setting.network.reset()
        self.advance(self.done - self.told)
        return self.moments, self.figures

    def state(self) -> State:
        """Return what the run goes on from; the closed form is found again."""
        tensors = {"random": self.random.get_state(), "global": torch.get_rng_state()}
        tensors |= prefixed("moments", self.moments.state())
        return State(self.done, tensors, matrices=prefixed("moments", self.moments.matrices()))

    def restore(self, left: State) -> None:
        """Go on from a state."""
        self.moments.restore(left.part("moments"))
        self.done = self.told = left.done
        self.random.set_state(left.tensors["random"])
        torch.set_rng_state(left.tensors["global"])

    def _block(self, ends: Tensor) -> None:
        setting, network = self.setting, self.setting.network
        averager, anchor = setting.averager, setting.network.anchor.double()
        evens = torch.empty(min(_BLOCK, self.moments.room), ends.shape[1], dtype=torch.float64)
        trace = []
        for even in evens:
            delta = self.gaussian.draw(self.random)
            for end, sign in zip(ends, (1, -1), strict=True):
                network.theta.copy_(anchor.add(delta, alpha=sign))
                self.evaluate(end, setting.anchor)
            if not math.isfinite(ends.sum().item()):
                symptom = "a draw's loss is infinite"
                raise ChainDivergedError(self.posterior, self.chain, self.done, symptom)
            trace.append(averager.means(ends))
            torch.mean(ends, 0, out=even)
            self.done += 2
        self.moments.add(evens, torch.cat(trace))


def data_gradients(network: Network, rows: Rows, members: tuple[Tensor, ...]) -> list[Tensor]:
    """Return the gradient of each data set's mean loss at θ*, (d,) float64 each."""
    found, chunks = [], chunks_of(rows)
    for own_columns in members:
        network.clear()
        weights = torch.zeros(rows.evaluated, dtype=torch.float64)
        places = own_columns if rows.order is None else rows.order[own_columns]
        weights[places] = 1 / len(own_columns)
        for chunk in chunks:
            own = weights[chunk.columns]
            if not own.any():
                continue
            losses = network.unit_loss(dict(chunk.batch)).reshape(-1)
            if chunk.picked is not None:
                losses = losses.index_select(0, chunk.picked)
            network.add_gradient(losses, own.to(losses.dtype))
        found.append(network.grad.to(torch.float64, copy=True))
    return found


def derivatives(setting: "Setting", gaussian: Gaussian, gradients: list[Tensor]) -> Tensor:
    """Return g_φᵀ Σ g_i for each data set φ and each row i, (q, R) float64.

    Five-point central differences along Σ g_φ; the points reach a tenth of a posterior standard
    deviation in float32, a hundredth in float64.
    """
    network = setting.network
    evaluate, anchor = evaluator(network, setting.rows), network.anchor.double()
    reach = 0.01 if network.dtype == torch.float64 else 0.1
    found = torch.zeros(len(gradients), setting.rows.width, dtype=torch.float64)
    out = torch.empty(setting.rows.width, dtype=torch.float64)
    for row, gradient in zip(found, gradients, strict=True):
        direction = gaussian.spread(gradient)
        size = math.sqrt(float(gradient @ direction))
        if not size > 0:
            continue
        unit = reach / size
        for steps, weight in ((1, 8.0), (-1, -8.0), (2, -1.0), (-2, 1.0)):
            network.theta.copy_(anchor.add(direction, alpha=steps * unit))
            evaluate(out, setting.anchor)
            row.add_(out, alpha=weight / (12 * unit))
    network.reset()
    return found


def _figures(setting: "Setting", gaussian: Gaussian, gradient: Tensor) -> dict[str, float]:
    """Return what the Gaussian is like; `newton` is the length of the step to the mode, in sd."""
    newton = setting.sampler.nbeta * math.sqrt(float(gradient @ gaussian.spread(gradient)))
    return {
        "parameters": float(len(gaussian.basis)),
        "directions": float(len(gaussian.precision)),
        "negative": float(gaussian.clipped),
        "newton": newton,
    }
