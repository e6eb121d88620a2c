# SPDX-License-Identifier: Apache-2.0
"""χ of heads from independent draws around the checkpoint, beside what the compiler does.

Where localisation dominates, `γ` much larger than nβ times the curvature, the posterior of a head
is N(θ*, 1/γ) up to the factor `exp(-nβ (L - L*))`. Draws from the Gaussian cost no gradient, are
independent, and come in pairs θ* ± δ, in which all odd parts of the losses cancel.

The compiler's sampler `importance` weights them by that factor; `learning_coefficient` does so
here with parts of it left out, to see what each of them wins. `covariance` is
that of the Gaussian, by the identity `Cov(φ, ℓ) = ∫₀¹ E[∇φ(X)ᵀ Σ ∇ℓ(X_t)] dt` where X and X_t are
N(θ*, Σ) with correlation t (Houdré, Pérez-Abreu & Surgailis, 1998): one gradient of φ and two
losses along it serve all tokens, and the fluctuations of φ itself drop out.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from attrs import frozen
from figures import Array
from model import LanguageModel
from torch import Tensor


class Head:
    """One head's numbers as a vector (4096,): rows of queries, keys, values, columns of outputs."""

    def __init__(self, model: LanguageModel, tokens: Tensor, layer: int, head: int) -> None:
        attention = model.layers[layer]
        size = attention.q_proj.weight.shape[0] // attention.num_heads
        own = slice(head * size, (head + 1) * size)
        self.model, self.chunks = model, tokens.split(64)
        self.count = tokens.shape[0] * (tokens.shape[1] - 1)
        self.owners = [getattr(attention, f"{name}_proj").weight for name in ("q", "k", "v", "o")]
        self.places = [(own, slice(None))] * 3 + [(slice(None), own)]
        pairs = list(zip(self.owners, self.places, strict=True))
        self.anchor = [owner.detach()[place].clone() for owner, place in pairs]
        self.size = sum(piece.numel() for piece in self.anchor)

    @torch.no_grad()
    def put(self, delta: Tensor | float) -> None:
        """Set the head's numbers to θ* + delta."""
        steps = [0.0] * 4 if isinstance(delta, float) else self.cut(delta)
        for owner, place, piece, step in zip(
            self.owners, self.places, self.anchor, steps, strict=True
        ):
            owner[place] = piece + step

    def cut(self, vector: Tensor) -> list[Tensor]:
        """Return a vector as four blocks."""
        parts = vector.split([piece.numel() for piece in self.anchor])
        return [part.view(piece.shape) for part, piece in zip(parts, self.anchor, strict=True)]

    @torch.no_grad()
    def losses(self, delta: Tensor | float) -> Array:
        """Return the loss of every token at θ* + delta, (n,)."""
        self.put(delta)
        found = [self.model.unit_loss({"input_ids": c})[:, :-1].flatten() for c in self.chunks]
        return torch.cat(found).double().numpy()

    def gradient(self, delta: Tensor) -> Tensor:
        """Return the gradient of the mean loss at θ* + delta."""
        self.put(delta)
        for owner in self.owners:
            owner.requires_grad_(True)
            owner.grad = None
        for chunk in self.chunks:
            loss = self.model.unit_loss({"input_ids": chunk})[:, :-1].sum() / self.count
            loss.backward()  # type: ignore[no-untyped-call]
        found = [owner.grad[p].flatten() for owner, p in zip(self.owners, self.places, strict=True)]
        for owner in self.owners:
            owner.requires_grad_(False)
        return torch.cat(found)


@frozen
class Variant:
    """How a learning coefficient is estimated: what `pairs` from a spec does, less something.

    closed: the product of odd parts by its first order, `g_Lᵀ Σ g_j`, in place of draws.
    """

    paired: bool = True
    weighted: bool = True
    closed: bool = False


VARIANTS = {
    "single": Variant(paired=False),
    "even": Variant(weighted=False),
    "closed": Variant(closed=True),
}


def learning_coefficient(
    head: Head, gamma: float, nbeta: float, draws: int, seed: int, variant: Variant
) -> Array:
    """Return ⟨ℓ_j⟩ - ℓ_j(θ*) - nβ Cov(L, ℓ_j) over the head's posterior, (n,)."""
    random = torch.Generator().manual_seed(seed)
    anchor, found = head.losses(0.0), []
    for _ in range(draws // 2):
        one, other = (torch.randn(head.size, generator=random) / math.sqrt(gamma) for _ in "12")
        ends = (one, -one) if variant.paired else (one, other)
        found += [head.losses(end) - anchor for end in ends]
    losses = np.stack(found)
    weights = np.exp(-nbeta * (losses.mean(1) - losses.mean())) if variant.weighted else None
    shift = np.zeros(head.count)
    if variant.closed:
        weights = None if weights is None else weights.reshape(-1, 2).mean(1)
        losses = losses.reshape(-1, 2, head.count).mean(1)
        along = head.gradient(torch.zeros(head.size))
        reach = 0.1 / (math.sqrt(gamma) * float(along.norm()))
        ends = [head.losses(side * reach * along) for side in (1, -1)]
        # Once for the mean, which moves against the gradient, and once for the covariance.
        shift = -2 * nbeta * (ends[0] - ends[1]) / (2 * reach) / gamma
    head.put(0.0)
    mean = np.average(losses, axis=0, weights=weights)
    away = losses.mean(1) - mean.mean()
    product = np.average(away[:, None] * (losses - mean), axis=0, weights=weights)
    chi: Array = mean - nbeta * product + shift
    return chi


def covariance(head: Head, gamma: float, pairs: int, seed: int) -> Array:
    """Return Cov(L, ℓ_j) under N(θ*, 1/γ) by the identity, (n,); t is stratified."""
    random = torch.Generator().manual_seed(seed)
    sd, found = 1 / math.sqrt(gamma), np.zeros(head.count)
    for number in range(pairs):
        one, other = (torch.randn(head.size, generator=random) * sd for _ in range(2))
        t = (number + float(torch.rand(1, generator=random))) / pairs
        near = t * one + math.sqrt(1 - t * t) * other
        for sign in (1, -1):
            along = head.gradient(sign * one)
            reach = 0.1 * sd / float(along.norm())
            ends = [head.losses(sign * near + side * reach * along) for side in (1, -1)]
            found += (ends[0] - ends[1]) / (2 * reach) / gamma / (2 * pairs)
    head.put(0.0)
    return found


def plain_covariance(head: Head, gamma: float, draws: int, seed: int) -> Array:
    """Return the same by averaging products over independent draws: what the identity replaces."""
    random = torch.Generator().manual_seed(seed)
    found = np.stack(
        [
            head.losses(torch.randn(head.size, generator=random) / math.sqrt(gamma))
            for _ in range(draws)
        ]
    )
    head.put(0.0)
    centred = found - found.mean(0)
    product: Array = centred.mean(1) @ centred / (draws - 1)
    return product
