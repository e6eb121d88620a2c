# SPDX-License-Identifier: Apache-2.0
"""What the study measures beside losses: accuracy in percent on given rows."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


def accuracy(network: nn.Module, rows: Mapping[str, Tensor]) -> Tensor:
    """100 for each row whose highest score is its label's, else 0; (rows,) float32."""
    scores: Tensor = network(rows["x"])
    return 100.0 * (scores.argmax(1) == rows["label"]).float()
