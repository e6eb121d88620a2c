# SPDX-License-Identifier: Apache-2.0
"""The toy model of superposition: six features squeezed through two dimensions, many times over.

After Elhage et al., *Toy Models of Superposition* (2022): ``x' = ReLU(WᵀWx + b)``, W (2, 6). The
module is a batch of independent replicas, so that hundreds of networks train at once. The loss of
a row is its mean over replicas: the gradient of a replica is its own over R, which Adam does not
feel. With SGD, multiply the rate by R.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

FEATURES = 6
HIDDEN = 2


class Replicas(nn.Module):
    """R autoencoders: ``columns`` (R, 2, 6), one column for each feature, and ``bias`` (R, 6)."""

    def __init__(self, replicas: int, scale: float) -> None:
        super().__init__()
        drawn = torch.randn(replicas, HIDDEN, FEATURES)
        self.columns = nn.Parameter(scale * drawn)
        self.bias = nn.Parameter(torch.zeros(replicas, FEATURES))

    def losses(self, x: Tensor) -> Tensor:
        """Squared error of each replica on each row, (R, rows), for inputs (rows, 6)."""
        overlaps = self.columns.transpose(1, 2) @ self.columns
        replicas = len(overlaps)
        inputs = x.expand(replicas, -1, -1)
        restored = torch.relu(torch.baddbmm(self.bias.unsqueeze(1), inputs, overlaps))
        return (restored - x).square().sum(dim=2)

    def unit_loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Squared error of each row, averaged over replicas, (rows,), from the field ``x``."""
        return self.losses(batch["x"]).mean(dim=0)


def build(replicas: int = 1, scale: float = 0.3) -> Replicas:
    """So many networks, their columns normal with standard deviation ``scale``, bias 0."""
    return Replicas(replicas, scale)
