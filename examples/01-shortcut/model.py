# SPDX-License-Identifier: Apache-2.0
"""A one-hidden-layer classifier, 74-32-10: pixels and cue in, ten digit scores out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

INPUTS = 74
CLASSES = 10


class Classifier(nn.Module):
    """Linear, ReLU, linear: 2,730 parameters at a width of 32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(INPUTS, width)
        self.out = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (rows, 10) for inputs (rows, 74)."""
        scores: Tensor = self.out(torch.relu(self.hidden(x)))
        return scores

    def unit_loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Cross-entropy of each row in nats, (rows,), from fields ``x`` and ``label``."""
        return F.cross_entropy(self(batch["x"]), batch["label"], reduction="none")


def build(width: int = 32) -> Classifier:
    """The classifier with PyTorch's default initialisation, from the global random state."""
    return Classifier(width)
