"""How the cost of an estimate grows with heads, units and draws, in CPU time.

`python benchmarks/growth.py [--write] [--repeats 2] [--only NAME …]` samples a two-layer
attention-only transformer of 2 × 8 heads, with fresh weights and random tokens, as often with all
parameters moving as with those of some heads; one thread, in turn, in one process. `--write` puts
the table into docs/benchmarks.md.
"""

import argparse
import json
import os
import platform
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
SECTION = re.compile(r"(<!-- growth: [^\n]*-->\n).*?(<!-- end of growth -->)", re.DOTALL)

sys.path.insert(0, str(HERE / "models"))
import attention  # noqa: E402
from sampling import ours  # noqa: E402

ALONE: dict[str, Any] = {
    "model": "attention",
    "seed": 1,
    "step": 1e-3,
    "nbeta": 30,
    "localization": 300,
    "batch": 8,
    "rows": 48,
    "chains": 2,
    "draws": 20,
    "burn_in": 10,
    "thin": 1,
    "whole": False,
}
EVERY = [[layer, head] for layer in (1, 0) for head in range(8)]
ALL = "all parameters"
LONG = f"{ALL}, 100 draws"
# What to compare with goes with each case: the same, with all parameters moving.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    ALL: (ALL, {"whole": True}),
    "1 head of the last layer": (ALL, {"heads": [[1, 2]]}),
    "1 head of the first layer": (ALL, {"heads": [[0, 2]]}),
    "4 heads of the last layer": (ALL, {"heads": EVERY[:4]}),
    "8 heads of the last layer": (ALL, {"heads": EVERY[:8]}),
    "16 heads, of both layers": (ALL, {"heads": EVERY}),
    "1 head, twice the draws": (ALL, {"heads": [[1, 2]], "draws": 40}),
    "1 head, twice the units": (ALL, {"heads": [[1, 2]], "rows": 96}),
    f"{ALL}, 5 steps a draw": (f"{ALL}, 5 steps a draw", {"whole": True, "thin": 5}),
    "1 head, 5 steps a draw": (f"{ALL}, 5 steps a draw", {"heads": [[1, 2]], "thin": 5}),
    "1 head of the first layer, 5 steps a draw": (
        f"{ALL}, 5 steps a draw",
        {"heads": [[0, 2]], "thin": 5},
    ),
    LONG: (LONG, {"whole": True, "draws": 100}),
    "1 head of the last layer, 100 draws": (LONG, {"heads": [[1, 2]], "draws": 100}),
    "1 head of the first layer, 100 draws": (LONG, {"heads": [[0, 2]], "draws": 100}),
}


def prepare(folder: Path) -> None:
    """Write weights, and rows of random tokens."""
    from safetensors.torch import save_file

    torch.manual_seed(0)
    save_file(attention.build().state_dict(), folder / "attention.safetensors")
    rows = torch.randint(0, attention.VOCABULARY, (96, attention.LENGTH)).tolist()
    lines = [json.dumps({"input_ids": row}) for row in rows]
    for count in (48, 96):
        (folder / f"rows-{count}.jsonl").write_text("\n".join(lines[:count]), encoding="utf-8")


def measure(repeats: int, only: list[str]) -> dict[str, float]:
    """Return the median CPU seconds of each case."""
    found: dict[str, list[float]] = {name: [] for name in CASES if not only or name in only}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        for _ in range(repeats):
            for case, taken in found.items():
                settings = ALONE | CASES[case][1]
                data = folder / f"rows-{settings['rows']}.jsonl"
                settings |= {"folder": str(folder), "data": str(data)}
                taken.append(ours(settings)["seconds"])
                print(f"{case}: {taken[-1]:.1f} CPU s", file=sys.stderr, flush=True)
    return {name: float(np.median(taken)) for name, taken in found.items()}


def report(seconds: dict[str, float], repeats: int) -> str:
    """Return the section of the page."""
    where = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    lines = [f"Medians of {repeats} runs, {where}, {os.cpu_count()} cores.", ""]
    lines += ["| what moves | posteriors | CPU, s | ratio | ratio of one posterior |"]
    lines += ["|---" * 5 + "|"]
    for name, taken in seconds.items():
        base, change = CASES[name]
        count = len(change.get("heads", [0]))
        ratio = taken / seconds[base] if base in seconds else float("nan")
        lines.append(f"| {name} | {count} | {taken:.1f} | {ratio:.2f} | {ratio / count:.2f} |")
    return "\n".join([*lines, "", *fixed(seconds)]) + "\n"


def fixed(seconds: dict[str, float]) -> list[str]:
    """Return what does not grow with draws, from the same case at few and at many."""
    few, many = ALONE["draws"], 100
    lines = []
    for name in seconds:
        longer = f"{name}, {many} draws"
        if longer in seconds:
            own = seconds[name] - few * (seconds[longer] - seconds[name]) / (many - few)
            share = own / seconds[longer]
            text = f"{name}: {own:.1f} s, burn-in included, {share:.0%} of a run of {many} draws"
            lines.append(f"- {text}")
    return ["What does not grow with the draws:", "", *lines] if lines else []


def main() -> None:
    """Measure, print, and write the page if asked to."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--repeats", type=int, default=2)
    options.add_argument("--only", nargs="*", default=[], help="cases by name")
    options.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    arguments = options.parse_args()
    torch.set_num_threads(1)
    text = report(measure(arguments.repeats, arguments.only), arguments.repeats)
    print(text)
    if arguments.write:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(SECTION.sub(lambda m: f"{m[1]}\n{text}\n{m[2]}", page), encoding="utf-8")


if __name__ == "__main__":
    main()
