# SPDX-License-Identifier: Apache-2.0
"""The study on other splits of the images, each with a network, weights and controls of its own.

    python examples/01-shortcut/splits.py build/splits --splits 1 13

For each split trains a checkpoint as `train.py` does (seed 0) and runs `pat study` on `splits` of
study.pat. Prints, over splits, the mean difference to uniform weights with its 95 % interval: each
split counts once, by its mean over seeds. A split on which `pat` fails, as where the goal is out of
reach, is named and left out. What is there already is not done again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from data import train
from retrain import half_width
from safetensors.torch import save_file
from train import fit

SPEC = Path(__file__).resolve().parent / "study.pat"
STUDY = "splits"
DOSE = "2 sd"  # 3 sd, as on the split of the example, are out of reach on the first other one


def checkpoint(split: int, folder: Path) -> str:
    """Train the network of a split unless it is there; return its file name."""
    path = folder / f"base-{split}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        rows = train(split)
        save_file(fit(torch.ones(len(rows)), seed=0, rows=rows).state_dict(), path)
    return path.name


def differences(split: int, out: Path, jobs: list[str]) -> dict[tuple[str, str], float]:
    """Return what each arm changed of each measure on one split, mean over seeds; {} on failure."""
    folder = out / f"split-{split}"
    file = checkpoint(split, out / "checkpoints")
    words = [sys.executable, "-m", "pattern_lang", "study", str(SPEC), "--study", STUDY]
    words += ["-o", str(folder), "-I", str(out / "checkpoints")]
    words += ["-p", f"split={split}", "-p", f'checkpoint="{file}"', "-p", f"dose={DOSE}", *jobs]
    if subprocess.run(words, stdout=subprocess.DEVNULL, check=False).returncode != 0:
        return {}
    found = json.loads((folder / STUDY / "verdicts.json").read_text(encoding="utf-8"))
    return {
        (item["arm"], item["measure"]): item["over_base"]["mean"]
        for item in found["measures"]
        if item["over_base"] is not None
    }


def main() -> None:
    """Run the study on each split, and print what it comes to over splits."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="where studies and checkpoints go")
    parser.add_argument("--splits", type=int, nargs=2, default=(1, 13), metavar=("FIRST", "END"))
    parser.add_argument("--jobs", help="processes that train, as of `pat study`")
    args = parser.parse_args()
    jobs = ["--jobs", args.jobs] if args.jobs else []
    torch.set_num_threads(1)
    tables = defaultdict(list)
    for split in range(*args.splits):
        found = differences(split, args.out, jobs)
        for key, value in found.items():
            tables[key].append(value)
        own = "  ".join(f"{arm} {v:+.1f}" for (arm, m), v in found.items() if "hard)" in m)
        print(f"split {split}: {own or 'failed, left out'}", flush=True)
    for (arm, measure), values in tables.items():
        column = np.array(values)[:, None]
        half = half_width(column)[0] if len(values) > 1 else float("nan")
        print(f"{arm:45s} {measure:28s} {column.mean():+7.4f} ± {half:.4f}  (n {len(values)})")


if __name__ == "__main__":
    main()
