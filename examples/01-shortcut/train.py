# SPDX-License-Identifier: Apache-2.0
"""Train the classifier on the shortcut data and write ``base.safetensors``.

Adam at 2e-3 for 600 steps of 128 rows drawn with replacement. One thread and a fixed seed, so that
the same machine writes the same bytes again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from data import Row, test, train
from model import Classifier, build
from safetensors.torch import save_file
from torch import Tensor

HERE = Path(__file__).resolve().parent
STEPS = 600
RATE = 2e-3
BATCH = 128
KINDS = ("easy", "normal", "hard")


def stack(rows: list[Row]) -> dict[str, Tensor]:
    """The numeric fields that the model reads: ``x`` (rows, 74) and ``label`` (rows,)."""
    return {
        "x": torch.from_numpy(np.stack([np.asarray(row["x"]) for row in rows])),
        "label": torch.tensor([row["label"] for row in rows], dtype=torch.int64),
    }


def fit(weights: Tensor, seed: int, rows: list[Row] | None = None) -> Classifier:
    """Train from scratch on ``sum(w * loss) / sum(w)``; ``weights`` is (rows,) float32.

    Without ``rows``, on the 900 training rows.
    """
    torch.manual_seed(seed)
    model = build()
    columns = stack(train() if rows is None else rows)
    scaled = weights / weights.mean()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    for _ in range(STEPS):
        drawn = torch.randint(len(scaled), (BATCH,))
        batch = {name: column[drawn] for name, column in columns.items()}
        optimizer.zero_grad()
        loss = (scaled[drawn] * model.unit_loss(batch)).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return model


@torch.no_grad()
def accuracies(model: Classifier) -> dict[str, float]:
    """Accuracy in percent on the test rows of each kind."""
    rows = test()
    batch = stack(rows)
    right = (model(batch["x"]).argmax(1) == batch["label"]).numpy()
    kinds = np.array([row["kind"] for row in rows])
    return {kind: 100 * float(right[kinds == kind].mean()) for kind in KINDS}


def main() -> None:
    """Train, print the test accuracies, save the checkpoint."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "base.safetensors")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = fit(torch.ones(len(train())), args.seed)
    print("  ".join(f"{kind} {value:.1f} %" for kind, value in accuracies(model).items()))
    save_file(model.state_dict(), args.out)


if __name__ == "__main__":
    main()
