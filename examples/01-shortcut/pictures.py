# SPDX-License-Identifier: Apache-2.0
"""What the study `debias` says of doses and controls: two pictures, and slopes by range of dose.

    python examples/01-shortcut/pictures.py build/debias --out docs/images

Reads results.parquet and verdicts.json as `pat study` wrote them. `debiasing-doses.svg` has the
realised shift of the hard loss against the predicted one, for each dose; `debiasing-arms.svg`
what each arm did to the accuracy on hard and normal test rows. Bars are Student's 95 % intervals
over seeds. Prints the slope of realised on predicted shifts (through 0) for doses within a range.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pyarrow.parquet as pq
from retrain import Table, half_width

mpl.use("svg")
RANGES = ((0, 0.5), (0, 1), (0, 1.5), (-0.1, 0.1), (-0.1, 0.5), (-0.3, 0.5), (-1, 1.5))
LOSSES = ("easy_loss", "normal_loss", "hard_loss")
HARD, NORMAL = "right(base, test_hard)", "right(base, test_normal)"
Finals = Mapping[tuple[str, str], Table]


def finals(folder: Path) -> Finals:
    """Return, by arm and measure, the difference to the base arm at the end: (seeds, 1)."""
    table = pq.read_table(folder / "results.parquet").to_pydict()
    last = max(table["step"])
    values: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    rows = zip(*(table[name] for name in ("arm", "seed", "step", "measure", "value")), strict=True)
    for arm, seed, step, measure, value in rows:
        if step == last:
            values[arm, measure][seed] = value
    found = {}
    for (arm, measure), own in values.items():
        base = values["base", measure]
        found[arm, measure] = np.array([[own[seed] - base[seed]] for seed in sorted(own)])
    return found


def dose_of(arm: str) -> float | None:
    """Return which multiple of the pattern `steer` an arm is, None for other arms."""
    if arm == "steer":
        return 1.0
    return float(arm.removeprefix("steer x ")) if arm.startswith("steer x ") else None


def slope(ends: Finals, predicted: Mapping[str, float], loss: str, arms: list[str]) -> Table:
    """Return the slope of realised on predicted shifts through 0, one for each seed: (seeds, 1)."""
    x = np.array([predicted[arm] for arm in arms])
    y = np.hstack([ends[arm, loss] for arm in arms])
    found: Table = (y @ x / (x @ x))[:, None]
    return found


def doses_picture(ends: Finals, predicted: Mapping[str, float], target: Path) -> None:
    """Draw realised against predicted shifts of the hard loss."""
    figure, axes = plt.subplots(figsize=(5.4, 4.2), layout="constrained")
    for arm, x in predicted.items():
        dose, shifts = dose_of(arm), ends[arm, "hard_loss"]
        style = "o" if dose is not None else "s"
        colour = "C0" if dose is not None else "C1" if arm in ("closed", "flipped") else "C7"
        half = half_width(shifts)[0]
        axes.errorbar(x, shifts.mean(), half, fmt=style, color=colour, ms=4, capsize=2)
        name = f"{dose:g}" if dose is not None else arm.split("(")[0].replace("_", " ")
        if "among" not in arm:
            axes.annotate(name, (x, shifts.mean()), (4, -9), textcoords="offset points", fontsize=7)
    low, high = min(predicted.values()), max(predicted.values())
    axes.plot([low, high], [low, high], color="0.7", lw=1, zorder=0)
    axes.set(xlabel="hard loss, predicted shift, nats", ylabel="realised shift, nats")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, metadata={"Date": None})


def arms_picture(ends: Finals, arms: list[str], target: Path) -> None:
    """Draw what each arm did to accuracy on test rows."""
    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    places = np.arange(len(arms))
    for measure, shift, colour in ((HARD, -0.18, "C0"), (NORMAL, 0.18, "C2")):
        means = [ends[arm, measure].mean() for arm in arms]
        halves = [half_width(ends[arm, measure])[0] for arm in arms]
        label = "hard" if measure == HARD else "normal"
        axes.barh(places + shift, means, 0.34, xerr=halves, color=colour, label=label, capsize=2)
    axes.set_yticks(places, arms, fontsize=7)
    axes.invert_yaxis()
    axes.axvline(0, color="0.4", lw=0.8)
    axes.set_xlabel("test accuracy, points over uniform weights")
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, metadata={"Date": None})


def main() -> None:
    """Print slopes, draw pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("study", type=Path, help="folder that `pat study` wrote")
    parser.add_argument("--out", type=Path, default=Path(), help="where the pictures go")
    args = parser.parse_args()
    mpl.rcParams["svg.hashsalt"] = "debiasing"
    ends = finals(args.study)
    document = json.loads((args.study / "verdicts.json").read_text(encoding="utf-8"))
    predicted: dict[str, dict[str, float]] = {loss: {} for loss in LOSSES}
    for verdict in document["verdicts"]:
        predicted[verdict["observable"]][verdict["arm"]] = verdict["predicted"]
    for loss in LOSSES:
        for low, high in RANGES:
            known = {arm: dose_of(arm) for arm in predicted[loss]}
            arms = [arm for arm, dose in known.items() if dose is not None and low <= dose <= high]
            found = slope(ends, predicted[loss], loss, arms)
            mean, half = found.mean(), half_width(found)[0]
            print(f"{loss:12s} doses {low:+.1f} to {high:+.1f}: slope {mean:.2f} ± {half:.2f}")
    doses_picture(ends, predicted["hard_loss"], args.out / "debiasing-doses.svg")
    others = [arm for arm in predicted["hard_loss"] if not arm.startswith("steer x")]
    arms_picture(ends, others, args.out / "debiasing-arms.svg")


if __name__ == "__main__":
    main()
