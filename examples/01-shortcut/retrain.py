# SPDX-License-Identifier: Apache-2.0
"""Do the weights steer training? Train from scratch without and with them, on several seeds.

    python examples/01-shortcut/retrain.py build/steer/weights.parquet

Every seed fixes the initialisation and the order of the batches, and none of them is the seed of
the checkpoint at which the weights were computed. Prints the accuracy on the test rows of each kind
without and with the weights, and the mean paired difference with its 95 % interval over seeds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from data import TRAIN_ROWS
from numpy.typing import NDArray
from scipy.special import stdtrit
from torch import Tensor
from train import KINDS, accuracies, fit

FIRST_SEED = 100  # base.safetensors is seed 0
Table = NDArray[np.float64]


def read_weights(path: Path) -> Tensor:
    """Weights (900,) float32 in row order, from columns ``unit_id`` and ``weight``."""
    columns = ["unit_id", "weight"]
    table = pq.read_table(path, columns=columns)
    units = np.asarray(table["unit_id"], dtype=np.int64)
    if not np.array_equal(np.sort(units), np.arange(TRAIN_ROWS)):
        raise SystemExit(f"{path}: needs each unit 0 to {TRAIN_ROWS - 1} once, has {len(units)}")
    weights = np.zeros(TRAIN_ROWS, np.float32)
    weights[units] = np.asarray(table["weight"], dtype=np.float32)
    return torch.from_numpy(weights)


def measure(weights: Tensor, seeds: range) -> Table:
    """Test accuracy in percent, (seeds, kinds), of a network trained afresh on each seed."""
    runs = (accuracies(fit(weights, seed)) for seed in seeds)
    return np.array([[run[kind] for kind in KINDS] for run in runs])


def half_width(values: Table) -> Table:
    """Half the width of Student's 95 % interval of the mean over the first axis."""
    n = len(values)
    quantile = stdtrit(n - 1, 0.975)  # of Student's t with n - 1 degrees of freedom
    return np.asarray(quantile * values.std(axis=0, ddof=1) / np.sqrt(n))


def line(name: str, values: Table, sign: str = "") -> str:
    """One printed line: the mean of each kind with its interval."""
    cells = zip(KINDS, values.mean(axis=0), half_width(values), strict=True)
    return f"{name:14s}" + "".join(f"  {k} {m:{sign}6.1f} ± {h:3.1f}" for k, m, h in cells)


def main() -> None:
    """Compare uniform weights with the given ones."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("weights", type=Path, help="weights.parquet of `pat compile`")
    parser.add_argument("--seeds", type=int, default=4, help="how many training runs of each")
    args = parser.parse_args()
    if args.seeds < 2:
        parser.error("an interval needs at least two seeds")
    torch.set_num_threads(1)
    weights = read_weights(args.weights)
    seeds = range(FIRST_SEED, FIRST_SEED + args.seeds)
    without = measure(torch.ones(TRAIN_ROWS), seeds)
    steered = measure(weights, seeds)
    print(f"test accuracy in percent, {args.seeds} seeds, 95 % intervals")
    print(line("uniform", without))
    print(line("weighted", steered))
    print(line("difference", steered - without, sign="+"))


if __name__ == "__main__":
    main()
