# SPDX-License-Identifier: Apache-2.0
"""Train networks on the even data until they rest; keep a pentagon and a hexagon.

    python examples/04-superposition/train.py

Writes ``five.safetensors`` and ``six.safetensors``: of 64 replicas the first with five corners and
the first with six, each as a network of one replica; and ``fives.safetensors`` and
``sixes.safetensors``: six copies of each, the features moved around by 0 to 5 places, so that the
pentagons leave out each feature once. One thread and a fixed seed, so that the same machine writes
the same bytes again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from data import FEATURES, rows
from metrics import corners
from model import Replicas, build
from safetensors.torch import save_file
from torch import Tensor

HERE = Path(__file__).resolve().parent
REPLICAS = 64
STEPS = 3000
RATE = 2e-2
SEED = 0


def inputs() -> Tensor:
    """The field ``x`` of all rows, (120, 6)."""
    return torch.from_numpy(np.stack([np.asarray(row["x"]) for row in rows()]))


def fit(
    replicas: int, seed: int, steps: int, weights: Tensor | None = None, decay: bool = False
) -> Replicas:
    """Train so many networks at once, full batch, by Adam on ``sum(w * loss) / sum(w)``.

    ``weights`` is (120,); with ``decay`` the rate falls to 0 along half a cosine.
    """
    torch.manual_seed(seed)
    module, x = build(replicas), inputs()
    scaled = torch.ones(len(x)) if weights is None else weights / weights.mean()
    optimizer = torch.optim.Adam(module.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        (scaled * module.losses(x)).mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if decay:
            schedule.step()
    return module


def only(module: Replicas, index: int) -> dict[str, Tensor]:
    """One replica as the state of a network of one."""
    return {name: t[index : index + 1].contiguous() for name, t in module.state_dict().items()}


def around(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Six copies of one replica, the features of each one place further on than in the last."""
    turned = {
        name: [t.roll(places, dims=-1) for places in range(FEATURES)] for name, t in state.items()
    }
    return {name: torch.cat(copies).contiguous() for name, copies in turned.items()}


def main() -> None:
    """Train, print what there is, save the two checkpoints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE)
    args = parser.parse_args()
    torch.set_num_threads(1)
    module = fit(REPLICAS, SEED, STEPS, decay=True)
    found = corners(module)
    with torch.no_grad():
        losses = module.losses(inputs()).mean(dim=1)
    for count, name in ((5, "five"), (6, "six")):
        index = int(torch.nonzero(found == count)[0])
        state = only(module, index)
        save_file(state, args.out / f"{name}.safetensors")
        plural = {"five": "fives", "six": "sixes"}[name]
        save_file(around(state), args.out / f"{plural}.safetensors")
        lengths = module.columns[index].detach().norm(dim=0).tolist()
        shown = " ".join(f"{length:.2f}" for length in lengths)
        print(f"{name}: loss {losses[index]:.5f}, lengths of the columns {shown}")


if __name__ == "__main__":
    main()
