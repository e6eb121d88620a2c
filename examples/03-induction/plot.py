# SPDX-License-Identifier: Apache-2.0
"""Draw the curves that `curve.py` wrote: `python plot.py curve.json … curve.svg`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

mpl.use("svg")
LABELS = {
    ("published", "two chain sets"): ("published settings, two chain sets", "C7", "s--"),
    ("published", "covariance"): ("published settings, covariance", "C7", "o:"),
    ("wide", "covariance"): ("wide chains, covariance", "C3", "o:"),
    ("wide", "learning coefficient"): ("wide chains, learning coefficient", "C0", "o-"),
    ("pairs", "learning coefficient"): ("weighted pairs, from a spec", "C2", "D-"),
    ("single", "learning coefficient"): ("the same without pairs", "C8", "v-"),
    ("even", "learning coefficient"): ("the same without weights", "C6", "s:"),
    ("closed", "learning coefficient"): ("the same, odd part in closed form", "C9", "P:"),
    ("control", "learning coefficient"): ("the same at nβ = 0", "C5", "x:"),
    ("products", "covariance"): ("wide draws, products", "C1", "v:"),
    ("identity", "covariance"): ("wide pairs, covariance by the identity", "C4", "^--"),
}


def main() -> None:
    """Draw one panel for the agreement of halves, one for the area."""
    *sources, target = (Path(name) for name in sys.argv[1:])
    points = [point for source in sources for point in json.loads(source.read_text())]
    mpl.rcParams["svg.hashsalt"] = "curve"
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    for key, (label, colour, style) in LABELS.items():
        own = [p for p in points if (p["method"], p["family"]) == key]
        if not own:
            continue
        cpu = [p["cpu"] for p in own]
        left.plot(cpu, [p["split"] for p in own], style, color=colour, label=label, ms=4)
        right.plot(cpu, [p["area"] for p in own], style, color=colour, ms=4)
        low, high = zip(*(p["area_interval"] for p in own), strict=True)
        right.fill_between(cpu, low, high, color=colour, alpha=0.12)
    left.axhline(0.7, color="0.8", lw=1, zorder=0)
    right.axhline(0.8, color="0.8", lw=1, zorder=0)
    left.set(xlabel="CPU seconds", ylabel="split-half correlation, part not shared")
    right.set(xlabel="CPU seconds", ylabel="area, best of four directions")
    for axes in (left, right):
        axes.set_xscale("log")
        axes.spines[["top", "right"]].set_visible(False)
    left.legend(frameon=False, fontsize=7)
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main()
