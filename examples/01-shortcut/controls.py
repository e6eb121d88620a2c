# SPDX-License-Identifier: Apache-2.0
"""Is it the weights? The spec's weights beside others, on the same training seeds.

    python examples/01-shortcut/controls.py build --seeds 12

Compiles `steer.pat` into the folder `build` (nothing is sampled that is there already) and, beside
it, the same spec with half the dose, with its goal flipped (3 sd up are out of reach, so 2), and
with chains of other seeds. Then trains from scratch with each of these weights, with the spec's own
shuffled, with weights set by hand, and with the probe rows among the training rows. Prints the
differences to uniform weights as `retrain.py` does, and what the loss on hard probe rows did.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from data import TRAIN_ROWS, Row, probe, train
from retrain import FIRST_SEED, Table, half_width, line
from torch import Tensor
from train import KINDS, accuracies, fit, stack

import pattern_lang as pl

SPEC = Path(__file__).resolve().parent / "steer.pat"
OTHER_CHAINS = (1, 2)  # the spec's own are of seed 0
BY_HAND = (5, 10)

Weights = Tensor | Callable[[int], Tensor]
"""Weights (rows,) float32, or a function from the training seed to them."""


def compiled(out: Path, name: str, changes: Mapping[str, str]) -> Tensor:
    """Weights (900,) of the spec, as pattern `name` and with some of its words changed."""
    text = SPEC.read_text(encoding="utf-8")
    for old, new in {"pattern steer": f"pattern {name}", **changes}.items():
        if text.count(old) != 1:
            raise SystemExit(f"{SPEC}: `{old}` should be there once")
        text = text.replace(old, new)
    run = pl.loads(text, folder=SPEC.parent).compile(name, out=out)
    goal, sizes = run.goals[0], run.weights
    share = sizes.sum() ** 2 / (sizes**2).sum() / len(sizes)
    if run.susceptibility.observables[0] != "hard_loss" or goal.in_sd is None:
        raise SystemExit(f"{SPEC}: the first goal should be on hard_loss")
    print(
        f"{name:16s}  hard loss {goal.predicted:+.3f} ± {goal.stderr:.3f} nats"
        f" = {goal.in_sd:+.2f} sd, effective sample size {share:.0%}",
        flush=True,
    )
    return torch.from_numpy(np.array(sizes))


def is_misled(rows: list[Row]) -> Tensor:
    """Which rows have a cue that points to a wrong class, (rows,) bool."""
    return torch.tensor([not row["cue_agrees"] for row in rows])


def shuffled(weights: Tensor, groups: Tensor, seed: int) -> Tensor:
    """The weights in random order within each group; ``groups`` is (rows,)."""
    random, found = torch.Generator().manual_seed(seed), weights.clone()
    for group in torch.unique(groups):
        rows = torch.nonzero(groups == group).flatten()
        found[rows] = weights[rows[torch.randperm(len(rows), generator=random)]]
    return found


def measure(weights: Weights, seeds: range, rows: list[Row] | None = None) -> tuple[Table, Table]:
    """Test accuracy in percent, (seeds, kinds), and the loss on hard probe rows, (seeds, 1)."""
    hard = stack([row for row in probe() if row["kind"] == "hard"])
    found, losses = [], []
    for seed in seeds:
        network = fit(weights(seed) if callable(weights) else weights, seed, rows=rows)
        found.append([accuracies(network)[kind] for kind in KINDS])
        with torch.no_grad():
            losses.append([float(network.unit_loss(hard).mean())])
    return np.array(found), np.array(losses)


def controls(out: Path) -> dict[str, Weights]:
    """Everything that is compared with uniform weights, by name."""
    steer = compiled(out, "steer", {})
    found: dict[str, Weights] = {
        "weighted": steer,
        "half the dose": compiled(out, "half", {"= 3 sd": "= 1.5 sd"}),
        "flipped, 2 sd": compiled(out, "flipped", {"= 3 sd": "= 2 sd", "lower    ": "raise    "}),
    }
    for seed in OTHER_CHAINS:
        changes = {"seed: 0,": f"seed: {seed},"}
        found[f"chain seed {seed}"] = compiled(out, f"seed_{seed}", changes)
    misled = is_misled(train())
    print(f"rows with a wrong cue weigh {steer[misled].mean():.1f} on average\n", flush=True)
    found["shuffled"] = partial(shuffled, steer, torch.zeros_like(misled))
    found["within kinds"] = partial(shuffled, steer, misled)
    for factor in BY_HAND:
        found[f"by hand, × {factor}"] = torch.where(misled, float(factor), 1.0)
    return found


def main() -> None:
    """Compile, train, compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="output folder of `pat compile`")
    parser.add_argument("--seeds", type=int, default=4, help="how many training runs of each")
    args = parser.parse_args()
    if args.seeds < 2:
        parser.error("an interval needs at least two seeds")
    torch.set_num_threads(1)
    arms, seeds = controls(args.out), range(FIRST_SEED, FIRST_SEED + args.seeds)
    accuracy, loss = measure(torch.ones(TRAIN_ROWS), seeds)
    print(f"test accuracy in percent, {args.seeds} seeds, 95 % intervals")
    print(line("uniform", accuracy))
    print("differences to uniform, and that of the loss on hard probe rows in nats")

    def report(name: str, found: tuple[Table, Table]) -> None:
        change = found[1] - loss
        shift = f"  loss {change.mean():+.2f} ± {half_width(change)[0]:.2f}"
        print(line(name, found[0] - accuracy, sign="+") + shift, flush=True)

    for name, weights in arms.items():
        report(name, measure(weights, seeds))
    both = [*train(), *probe()]
    report("probe rows too", measure(torch.ones(len(both)), seeds, both))


if __name__ == "__main__":
    main()
