"""What a derivative along the chain buys: CPU time and standard errors of χ, by both estimators.

`python benchmarks/pathwise.py [--write] [--folder build/benchmarks] [--only NAME …]` samples the
first example and the two networks of benchmarks/models (trained once), by covariances and by
pathwise derivatives in turn, with the same settings and seeds, one thread each. `--write` puts the
table into docs/benchmarks.md. Runs that are in the folder already are not made again.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from estimate import CASES, HERE, PAGE, alone, error, run, seconds, table, work

SECTION = re.compile(r"(<!-- pathwise: [^\n]*-->\n).*?(<!-- end of pathwise -->)", re.DOTALL)
SPEC = HERE.parent / "examples" / "01-shortcut" / "steer.pat"
ESTIMATORS = ("covariance", "pathwise")
TOKENS = ("attention, batch 8", "brackets, batch 32")
EXAMPLE = "example 01"

Run = dict[str, Any]


def example(estimator: str, seed: int, folder: Path) -> Run:
    """Run the first example in a process of its own, or find what such a run left."""
    text = SPEC.read_text(encoding="utf-8")
    case = {"pattern": "steer", "sampler": {"estimator": estimator, "seed": seed}}
    name = hashlib.sha256(json.dumps([text, case]).encode()).hexdigest()[:16]
    kept = folder / "runs" / name
    if not kept.with_suffix(".json").exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        job = kept.with_suffix(".case")
        job.write_text(json.dumps(case | {"spec": str(SPEC)}), encoding="utf-8")
        command = [sys.executable, "-W", "ignore", str(HERE / "models" / "sampling.py"), "spec"]
        command += [str(job), str(kept.with_suffix(".json"))]
        subprocess.run(command, check=True, env=alone(), stderr=sys.stderr)
    found: Run = json.loads(kept.with_suffix(".json").read_text(encoding="utf-8"))
    print(f"{EXAMPLE}, {estimator}: {found['seconds']:.1f} CPU s", file=sys.stderr, flush=True)
    return found | dict(np.load(kept.with_suffix(".npz")))


def both(name: str, folder: Path, repeats: int) -> list[list[Run]]:
    """Return the runs of a case, by covariances and by derivatives, in turn."""
    runs: list[list[Run]] = [[], []]
    for seed in range(1, repeats + 1):
        for found, estimator in zip(runs, ESTIMATORS, strict=True):
            if name == EXAMPLE:
                found.append(example(estimator, seed, folder))
            else:
                case = CASES[name] | {"seed": seed, "estimator": estimator}
                found.append(run(Path(sys.executable), "ours", case, folder))
    return runs


def rows_of(name: str, runs: list[list[Run]]) -> list[list[str]]:
    """Return a row of the table for each observable of a case."""
    if name != EXAMPLE:
        return [[name, "the mean loss", *figures(*runs)]]
    names = runs[0][0]["observables"]
    return [
        [name, f"`{observable}`", *figures(*([picked(r, row) for r in rs] for rs in runs))]
        for row, observable in enumerate(names)
    ]


def picked(found: Run, row: int) -> Run:
    """Return a run with one row of its χ alone."""
    return found | {"chi": found["chi"][row], "stderr": found["stderr"][row]}


def figures(covariance: list[Run], pathwise: list[Run]) -> list[str]:
    """Return what the two took and what came out, and whether they agree."""
    pair = covariance, pathwise
    products, slopes = (np.mean([f["chi"] for f in found], axis=0) for found in pair)
    noise = [np.mean([f["stderr"] ** 2 for f in found], axis=0) / len(found) for found in pair]
    scale = products @ slopes / (slopes @ slopes)
    z = [(products - s * slopes) / np.sqrt(noise[0] + s**2 * noise[1]) for s in (1.0, scale)]
    return [
        " / ".join(f"{seconds(found):.1f}" for found in pair),
        " / ".join(f"{error(found):.2g}" for found in pair),
        " / ".join(f"{same(found):.2f}" for found in pair),
        f"{work(covariance) / work(pathwise):.3g}",
        f"{np.corrcoef(products, slopes)[0, 1]:.2f}",
        f"{scale:.2f}",
        *(f"{np.sqrt(np.mean(part**2)):.2f}" for part in z),
    ]


def same(found: list[Run]) -> float:
    """Return the mean correlation of χ between two runs of one estimator."""
    if len(found) < 2:
        return float("nan")
    every = np.corrcoef([f["chi"] for f in found])
    return float(every[np.triu_indices(len(found), 1)].mean())


def report(folder: Path, repeats: int, only: list[str]) -> str:
    """Return the section of the page."""
    names = [name for name in (EXAMPLE, *TOKENS) if not only or name in only]
    if any(name != EXAMPLE for name in names):
        prepare = [sys.executable, str(HERE / "models" / "prepare.py"), str(folder)]
        subprocess.run(prepare, check=True, env=alone())
    rows = [row for name in names for row in rows_of(name, both(name, folder, repeats))]
    where = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    head = (
        "model | χ of | CPU, s | error of χ | between seeds | CPU to the same error, ratio "
        "| correlation | scale | z, rms | z, rms, scaled"
    )
    lines = [f"{where}, {os.cpu_count()} cores; {repeats} runs of each in turn.", ""]
    return "\n".join([*lines, *table(head, rows)]) + "\n"


def main() -> None:
    """Measure, print, and write the page if asked to."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--repeats", type=int, default=2)
    options.add_argument("--folder", type=Path, default=HERE.parent / "build" / "benchmarks")
    options.add_argument("--only", nargs="*", default=[], help="cases by name")
    options.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    arguments = options.parse_args()
    text = report(arguments.folder.resolve(), arguments.repeats, arguments.only)
    print(text)
    if arguments.write:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(SECTION.sub(lambda m: f"{m[1]}\n{text}\n{m[2]}", page), encoding="utf-8")


if __name__ == "__main__":
    main()
