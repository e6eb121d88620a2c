"""Sampling side by side with devinterp 2.0.1, in CPU time and in standard errors of χ.

`python benchmarks/estimate.py [--write] [--folder build/benchmarks] [--only NAME …]` trains the two
networks of benchmarks/models (once), makes an environment for devinterp (once), runs both tools in
turn, one thread each, and prints tables; `--write` puts them into docs/benchmarks.md. Runs that are
in the folder already are not made again: remove it to measure anew.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
SECTION = re.compile(r"(<!-- estimate: [^\n]*-->\n).*?(<!-- end of estimate -->)", re.DOTALL)
PEER = ("pandas", "pydantic", "tqdm", "xarray", "zarr")

COMMON: dict[str, Any] = {
    "step": 1e-3,
    "nbeta": 30,
    "localization": 300,
    "burn_in": 15,
    "thin": 1,
    "estimator": "covariance",
}
CASES: dict[str, dict[str, Any]] = {
    "attention, batch 8": {"model": "attention", "batch": 8, "rows": 48, "chains": 4, "draws": 25},
    "attention, batch 32": {
        "model": "attention",
        "batch": 32,
        "rows": 192,
        "chains": 2,
        "draws": 15,
        "burn_in": 5,
        "repeats": 1,
    },
    "brackets, batch 32": {
        "model": "brackets",
        "batch": 32,
        "rows": 64,
        "chains": 4,
        "draws": 100,
    },
}
# Terms summed by the linear maps for a token; forward takes two operations each, backward four.
TERMS = {"attention": 2 * 4 * 128**2 + 128 * 5_000, "brackets": 3 * 12 * 64**2 + 64 * 8}
LENGTH = {"attention": 128, "brackets": 48}


def environment(folder: Path) -> Path:
    """Return the Python of an environment that has devinterp beside what this one has."""
    home = folder / "devinterp"
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet"]
        own = next(Path(path) for path in sys.path if path.endswith("site-packages"))
        site = next(home.glob("lib/python*/site-packages"))
        (site / "project.pth").write_text(f"{own}\n", encoding="utf-8")
        subprocess.run([*pip, "--no-deps", "devinterp==2.0.1"], check=True)
        subprocess.run([*pip, *PEER], check=True)
    return python


def run(python: Path, tool: str, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run one tool on one case in a process of its own, or find what such a run left."""
    case = COMMON | {"seed": 1} | case
    kept = folder / "runs" / hashlib.sha256(json.dumps([tool, case]).encode()).hexdigest()[:16]
    if not kept.with_suffix(".json").exists():
        measure(python, tool, case, folder, kept)
    found: dict[str, Any] = json.loads(kept.with_suffix(".json").read_text(encoding="utf-8"))
    found |= dict(np.load(kept.with_suffix(".npz")))
    found["share"] = operations(case) / (found["seconds"] * found["rate"])
    print(f"{tool}: {found['seconds']:.1f} CPU s", file=sys.stderr, flush=True)
    return found


def measure(python: Path, tool: str, case: dict[str, Any], folder: Path, kept: Path) -> None:
    """Run one tool on one case, and keep what it leaves."""
    kept.parent.mkdir(exist_ok=True)
    data = folder / f"{case['model']}-{case['rows']}.jsonl"
    lines = (folder / f"{case['model']}.jsonl").read_text(encoding="utf-8").splitlines()
    data.write_text("\n".join(lines[: case["rows"]]) + "\n", encoding="utf-8")
    job = kept.with_suffix(".case")
    job.write_text(json.dumps(case | {"folder": str(folder), "data": str(data)}), encoding="utf-8")
    command = [str(python), "-W", "ignore", str(HERE / "models" / "sampling.py"), tool, str(job)]
    out = str(kept.with_suffix(".json"))
    subprocess.run([*command, out], check=True, env=alone(), stderr=sys.stderr)


def alone() -> dict[str, str]:
    """Return an environment of one thread and quiet progress bars."""
    path = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return {**os.environ, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "PYTHONPATH": path}


def operations(case: dict[str, Any]) -> float:
    """Return the operations of the linear maps that the draws and steps of a case cannot avoid.

    All draws but the last have the losses of one minibatch from the step that follows.
    """
    steps = case["burn_in"] + case["thin"] * case["draws"]
    evaluated = case["draws"] * case["rows"] - (case["draws"] - 1) * case["batch"]
    rows = 6 * steps * case["batch"] + 2 * evaluated
    return float(case["chains"] * rows * LENGTH[case["model"]] * TERMS[case["model"]])


def side_by_side(name: str, peer: Path, folder: Path, repeats: int) -> list[list[str]]:
    """Return rows of the table for one case: ours, devinterp's, ours by pathwise derivatives."""
    own, case = Path(sys.executable), CASES[name]
    runs: dict[str, list[dict[str, Any]]] = {
        "pattern-lang": [],
        "devinterp 2.0.1": [],
        "pathwise": [],
    }
    for repeat in range(case.get("repeats", repeats)):
        seeded = case | {"seed": repeat + 1}
        runs["pattern-lang"].append(run(own, "ours", seeded, folder))
        runs["devinterp 2.0.1"].append(run(peer, "peer", seeded, folder))
        pathwise = seeded | {"estimator": "pathwise"}
        runs["pathwise"].append(run(own, "ours", pathwise, folder))
    theirs = runs["devinterp 2.0.1"]
    rows = []
    for tool, found in runs.items():
        label = "pattern-lang, pathwise" if tool == "pathwise" else tool
        z = agreement(found, theirs) if tool != "devinterp 2.0.1" else "–"
        cells = [f"{seconds(found):.1f}", f"{seconds(found) / seconds(theirs):.2f}"]
        cells += [f"{np.mean([f['share'] for f in found]):.0%}", coefficient(found), z]
        cells += [f"{error(found):.4f}", spread(found)]
        cells += [f"{work(found) / work(theirs):.4f}"]
        rows.append([name, label, *cells])
    return rows


def seconds(found: list[dict[str, Any]]) -> float:
    """Return the median CPU time of some runs."""
    return float(np.median([f["seconds"] for f in found]))


def error(found: list[dict[str, Any]]) -> float:
    """Return the root mean square over units and runs of the standard error of χ."""
    return float(np.sqrt(np.mean([f["stderr"] ** 2 for f in found])))


def spread(found: list[dict[str, Any]]) -> str:
    """Return the root mean square over units of the deviation of χ between runs."""
    if len(found) < 2:
        return "–"
    return f"{np.sqrt(np.var([f['chi'] for f in found], axis=0, ddof=1).mean()):.4f}"


def work(found: list[dict[str, Any]]) -> float:
    """Return CPU time times squared standard error: the time that a standard error of 1 takes."""
    return seconds(found) * error(found) ** 2


def coefficient(found: list[dict[str, Any]]) -> str:
    """Return the learning coefficient with its standard error."""
    value = np.mean([f["llc"] for f in found])
    return (
        f"{value:.1f} ± {np.sqrt(np.mean([f['llc_stderr'] ** 2 for f in found]) / len(found)):.1f}"
    )


def agreement(found: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> str:
    """Return the root mean square z-score of χ over units, and that of the coefficient."""
    parts = [f["chi"] for f in found], [f["chi"] for f in theirs]
    errors = [np.mean([f["stderr"] ** 2 for f in fs], axis=0) / len(fs) for fs in (found, theirs)]
    z = (np.mean(parts[0], axis=0) - np.mean(parts[1], axis=0)) / np.sqrt(sum(errors))
    values = [np.mean([f["llc"] for f in fs]) for fs in (found, theirs)]
    spreads = [np.mean([f["llc_stderr"] ** 2 for f in fs]) / len(fs) for fs in (found, theirs)]
    of_llc = (values[0] - values[1]) / np.sqrt(sum(spreads))
    return f"{np.sqrt(np.mean(z**2)):.2f}, {of_llc:+.1f}"


def table(head: str, rows: list[list[str]]) -> list[str]:
    """Return a table in Markdown."""
    columns = head.count("|") + 1
    return [f"| {head} |", "|---" * columns + "|", *(f"| {' | '.join(row)} |" for row in rows)]


def report(folder: Path, repeats: int, only: list[str]) -> str:
    """Return the section of the page."""
    subprocess.run(
        [sys.executable, str(HERE / "models" / "prepare.py"), str(folder)], check=True, env=alone()
    )
    peer = environment(folder)
    names = [name for name in CASES if not only or name in only]
    rows = [row for name in names for row in side_by_side(name, peer, folder, repeats)]
    where = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    head = (
        "model | tool | CPU, s | ratio | share of sgemm | coefficient | z: χ rms, coefficient"
        " | error of χ, reported | between runs | CPU to the same error, ratio"
    )
    lines = [f"{where}, {os.cpu_count()} cores; {repeats} runs of each in turn.", ""]
    lines += table(head, rows)
    return "\n".join(lines) + "\n"


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
