"""The network of the spec: the compiler calls `build` and loads the checkpoint into the result."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Network(nn.Module):
    """A small classifier of two classes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, width), nn.Tanh(), nn.Linear(width, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Return scores, (rows, 2)."""
        scores: Tensor = self.layers(x)
        return scores

    def unit_loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the loss of each row, (rows,): this is what the compiler samples."""
        return nn.functional.cross_entropy(self(batch["x"]), batch["label"], reduction="none")


def build(width: int = 8) -> Network:
    """Return the network; arguments of `torch(…)` in the spec that pat does not know come here."""
    torch.manual_seed(0)
    return Network(width)
