# SPDX-License-Identifier: Apache-2.0
"""A harder control than the study's: random directions that weigh whole features.

    python examples/04-superposition/masses.py

A random direction over 120 rows hardly changes how much a feature counts in all, and that is what
χ at one pentagon changes most. Here the 20 rows of a feature share one weight, drawn anew for each
direction, as far from 1 as the study's weights. Prints P6(+) - P6(-) over 20 directions, each of
them with 256 networks of its own.
"""

from __future__ import annotations

import numpy as np
import torch
from antisymmetric import RMS, said
from data import FEATURES, STRENGTHS
from metrics import hexagons
from train import fit

DIRECTIONS = 20
NETWORKS = 256
FIRST_SEED = 1000  # none of the study's
STEPS = 400  # as in the study


def difference(seed: int) -> float:
    """P6(+) - P6(-) of one direction."""
    drawn = np.random.default_rng(seed).normal(size=FEATURES)
    step = drawn - drawn.mean()
    step *= RMS / np.sqrt(np.mean(step**2))
    change = torch.from_numpy(np.repeat(step, STRENGTHS).astype(np.float32))
    up, down = (fit(NETWORKS, seed, STEPS, 1 + sign * change) for sign in (1, -1))
    return float(hexagons(up) - hexagons(down))


def main() -> None:
    """Train along each direction and against it."""
    torch.set_num_threads(1)
    found = np.array([difference(FIRST_SEED + k) for k in range(DIRECTIONS)])
    print(f"{DIRECTIONS} random directions of features at rms {RMS}: {said(found, '+')}")
    print(f"from {found.min():+.3f} to {found.max():+.3f}, sd {found.std(ddof=1):.3f}")


if __name__ == "__main__":
    main()
