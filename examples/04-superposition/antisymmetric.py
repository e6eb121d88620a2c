# SPDX-License-Identifier: Apache-2.0
"""What a direction does that its opposite undoes: P6 of each dose minus P6 of its negative.

    python examples/04-superposition/antisymmetric.py build/polygon -o build/polygon

Reads ``results.parquet`` of the study. Any change of the weights may make other polygons, along
whatever direction; what tells a direction from others is the difference between going along it
and against it. That is paired by seed, as both train from the same 128 initialisations. Prints the
mean over seeds with Student's 95 % interval for each direction and dose, and writes
``superposition.svg`` into the folder of ``-o`` (that takes matplotlib).
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.special import stdtrit

SHARES = ("quadrilaterals", "pentagons", "hexagons")
RMS = 0.2  # of w - 1 at dose 1: the bound on the norm in the spec, over the root of 120 rows
NETWORKS = 128  # of a seed

Vector = NDArray[np.float64]
Results = dict[tuple[str, float], dict[str, Vector]]
"""By direction and dose (``base`` has dose 0), by measure: the share on each seed, (seeds,)."""


def read(path: Path) -> Results:
    """What was measured at the end, seeds in order."""
    table = pq.read_table(path).to_pylist()
    last = max(row["step"] for row in table)
    found: dict[tuple[str, float], dict[str, dict[int, float]]] = {}
    for row in table:
        if row["step"] != last:
            continue
        arm = re.fullmatch(r"(.*) x (\S+)", row["arm"])
        key = (arm[1], float(arm[2])) if arm else (row["arm"], 0.0)
        share = next(name for name in SHARES if name in row["measure"])
        found.setdefault(key, {}).setdefault(share, {})[row["seed"]] = row["value"]
    return {
        key: {share: np.array([by[seed] for seed in sorted(by)]) for share, by in shares.items()}
        for key, shares in found.items()
    }


def half_width(values: Vector) -> float:
    """Half the width of Student's 95 % interval of the mean."""
    quantile = stdtrit(len(values) - 1, 0.975)
    return float(quantile * values.std(ddof=1) / np.sqrt(len(values)))


def said(values: Vector, sign: str = "") -> str:
    """The mean with its interval."""
    return f"{values.mean():{sign}.3f} ± {half_width(values):.3f}"


def pairs(results: Results) -> dict[tuple[str, float], Vector]:
    """P6(+) - P6(-) on each seed, by direction and (positive) dose."""
    return {
        (name, dose): own["hexagons"] - results[name, -dose]["hexagons"]
        for (name, dose), own in results.items()
        if dose > 0 and (name, -dose) in results
    }


def print_all(results: Results) -> None:
    """Every arm's shares, then every direction's antisymmetric part, then what chance does."""
    seeds = len(next(iter(results.values()))["hexagons"])
    print(f"{seeds} seeds of {NETWORKS} networks; mean over seeds ± half of the 95 % interval\n")
    print(f"{'arm':44s} {'dose':>5s} {'rms':>5s}   " + "".join(f"{s:18s}" for s in SHARES))
    for (name, dose), own in sorted(results.items()):
        shares = "".join(f"{said(own[share]):18s}" for share in SHARES)
        print(f"{name:44s} {dose:5g} {abs(dose) * RMS:5.2f}   {shares}")
    found = pairs(results)
    print(f"\n{'P6(+) - P6(-)':44s} {'rms':>5s}   mean              over seeds, from … to")
    for (name, dose), values in sorted(found.items(), key=lambda item: -item[1].mean()):
        span = f"{values.min():+.3f} … {values.max():+.3f}"
        print(f"{name:44s} {dose * RMS:5.2f}   {said(values, '+'):18s}{span}")
    for dose in sorted({dose for _, dose in found}):
        chance = next((v for (n, d), v in found.items() if d == dose and "random" in n), None)
        if chance is None:
            continue
        print(
            f"\n{len(chance)} random directions at rms {dose * RMS:.2f}: standard deviation "
            f"{chance.std(ddof=1):.3f}, that of counting {NETWORKS} networks twice included"
        )
        for (name, other), values in sorted(found.items()):
            if other == dose and "random" not in name:
                beyond = int((chance >= values.mean()).sum()), int((chance <= values.mean()).sum())
                print(
                    f"  {name:42s} {values.mean():+.3f}: random directions that are as high"
                    f" {beyond[0]}, as low {beyond[1]}"
                )


def draw(results: Results, out: Path) -> None:
    """The phase diagram of dose, and the antisymmetric parts beside it."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "superposition"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), width_ratios=(1, 1, 1.15))
    base = results["base", 0.0]
    colours = dict(zip(SHARES, ("#8a8a8a", "#3b6fb6", "#c8502d"), strict=True))
    titles = (("F", "χ at one pentagon"), ("F6", "χ averaged over the feature left out"))
    for axis, (name, title) in zip(axes[:2], titles, strict=True):
        doses = sorted({dose for other, dose in results if other == name} | {0.0})
        arms = [results[name, dose] if dose else base for dose in doses]
        at = [dose * RMS for dose in doses]
        for share, colour in colours.items():
            values = [arm[share] for arm in arms]
            bars = [half_width(v) for v in values]
            means = [float(v.mean()) for v in values]
            axis.errorbar(at, means, bars, color=colour, marker="o", ms=4, capsize=2, label=share)
        axis.axvline(0, color="#cccccc", lw=1, zorder=0)
        axis.set(xlabel="signed rms of w - 1", ylim=(-0.02, 1))
        axis.set_title(f"{name}: {title}", fontsize=10)
    axes[0].set_ylabel("share of networks")
    axes[0].legend(frameon=False, fontsize=8, loc="center left")
    one = {name: values for (name, dose), values in pairs(results).items() if dose == 1}
    names = sorted(one, key=lambda name: float(one[name].mean()))
    for place, name in enumerate(names):
        values = one[name]
        random = name.startswith(("random", "shuffled"))
        colour = "#8a8a8a" if random else "#3a9a6a" if name.startswith("heur") else "#c8502d"
        axes[2].plot(values, [place] * len(values), "|", color=colour, alpha=0.5, ms=9)
        mean, bar = float(values.mean()), half_width(values)
        axes[2].errorbar([mean], [place], xerr=[bar], color=colour, marker="o", ms=5, capsize=3)
    axes[2].axvline(0, color="#cccccc", lw=1, zorder=0)
    short = [re.sub(r"heuristic\(row\.(.*), like: F\)", r"by hand: \1", name) for name in names]
    axes[2].set_yticks(range(len(names)), short, fontsize=8)
    axes[2].set_title(f"P6(+) - P6(-) at rms {RMS}", fontsize=10)
    axes[2].set_xlabel("difference; a tick is one seed")
    figure.tight_layout()
    figure.savefig(out / "superposition.svg", metadata={"Date": None})


def main() -> None:
    """Read, print, draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("study", type=Path, help="folder of the study, with results.parquet")
    parser.add_argument("-o", "--out", type=Path, help="folder for the picture; without it, none")
    args = parser.parse_args()
    results = read(args.study / "results.parquet")
    print_all(results)
    if args.out is not None:
        draw(results, args.out)


if __name__ == "__main__":
    main()
