# SPDX-License-Identifier: Apache-2.0
"""Which polygon a network has: the number of features that have a column of their own."""

from __future__ import annotations

from model import Replicas
from torch import Tensor

PRESENT = 0.5  # of a column's length; those of a trained network are near 0 or above 0.9


def corners(module: Replicas) -> Tensor:
    """How many columns of each replica are at least ``PRESENT`` long, (R,) int64."""
    return (module.columns.norm(dim=1) >= PRESENT).sum(dim=1)


def share(module: Replicas, of: int) -> Tensor:
    """The share of replicas with so many corners."""
    return (corners(module) == of).double().mean()


def quadrilaterals(module: Replicas) -> Tensor:
    """The share of replicas with four corners."""
    return share(module, 4)


def pentagons(module: Replicas) -> Tensor:
    """The share of replicas with five corners."""
    return share(module, 5)


def hexagons(module: Replicas) -> Tensor:
    """The share of replicas with six corners."""
    return share(module, 6)
