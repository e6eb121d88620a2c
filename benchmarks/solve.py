"""Weight programs side by side with general solvers, in CPU time, wall time and memory.

`python benchmarks/solve.py [--write] [--long] [--only NAME …] [--file UNITS …]` makes the problems
of benchmarks/programs (once), an environment for the other solvers (once), runs each in a process
of its own, one after the other with one BLAS thread, and prints tables; `--write` puts them into
docs/benchmarks.md. Results that are in `--folder` already are not made again: remove them to
measure anew. `--long` lets the others solve a million units too, which takes an hour and 20 GB.
`--file` adds programs of so many units whose χ stays in its file; the file is removed afterwards.
`--others` says which of the others are run, where not all.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Any

from attrs import frozen

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
SECTION = re.compile(r"(<!-- solve: [^\n]*-->\n).*?(<!-- end of solve -->)", re.DOTALL)
PEERS = ("piqp==0.7.*", "osqp==1.1.*", "highspy[extras]==1.15.*", "cvxpy==1.9.*")
OTHERS = ("PIQP", "HiGHS HiPO", "Clarabel", "OSQP", "cvxpy")
OURS, FILE = "pattern-lang", "pattern-lang, file"


@frozen
class Case:
    """A size, and which other solvers are to solve it: always, or in a long run."""

    m: int
    n: int
    groups: int = 0
    others: tuple[str, ...] = ()
    long: tuple[str, ...] = ()
    mapped: bool = False

    @property
    def name(self) -> str:
        """Return what the case is called, as `16x10000`."""
        return f"{self.m}x{self.n}" + (f"g{self.groups}" if self.groups else "")

    def tools(self, *, long: bool) -> list[str]:
        """Return the solvers to run."""
        own = FILE if self.mapped else OURS
        return [own, *self.others, *(self.long if long else ())]


CASES = (
    Case(16, 10_000, others=OTHERS),
    Case(32, 100_000, others=OTHERS),
    Case(64, 1_000_000, long=OTHERS[:3]),
    Case(16, 10_000_000),
    Case(16, 100_000, 1_000, others=OTHERS[:3]),
    Case(16, 1_000_000, 10_000, long=OTHERS[:3]),
)


def environment(folder: Path) -> Path:
    """Return the Python of an environment that has the other solvers beside what this one has."""
    home = folder / "solvers"
    python = home / "bin" / "python"
    if not (home / "done").exists():
        venv.create(home, with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PEERS], check=True)
        own = next(Path(path) for path in sys.path if path.endswith("site-packages"))
        site = next(home.glob("lib/python*/site-packages"))
        (site / "project.pth").write_text(f"{own}\n", encoding="utf-8")
        (home / "done").touch()
    return python


def prepare(case: Case, home: Path) -> None:
    """Make a case's problem, unless it is there, in a process of its own."""
    sizes = [str(case.m), str(case.n), str(case.groups)]
    command = [sys.executable, str(HERE / "programs" / "problems.py"), str(home), *sizes]
    subprocess.run(command, check=True, env=alone())


def alone() -> dict[str, str]:
    """Return an environment of one BLAS thread."""
    path = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "RAYON")}
    return {**os.environ, **threads, "PYTHONPATH": path}


def run(tool: str, home: Path, folder: Path, limit: float) -> dict[str, Any]:
    """Run a solver on a problem in a process of its own, or find what such a run left."""
    kept = home / f"{tool}.json"
    if not kept.exists():
        python = sys.executable if tool in (OURS, FILE) else str(environment(folder))
        script = str(HERE / "programs" / "solving.py")
        process = subprocess.Popen([python, script, tool, str(home), str(kept)], env=alone())
        held = watch(process, limit)
        found = json.loads(kept.read_text()) if kept.exists() else {}
        if not found:
            found["status"] = "too long" if held["stopped"] else f"failed ({process.returncode})"
        kept.write_text(json.dumps(found | held), encoding="utf-8")
    figures: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    print(f"{home.name} {tool}: {figures}", file=sys.stderr, flush=True)
    return figures


def watch(process: subprocess.Popen[bytes], limit: float) -> dict[str, Any]:
    """Wait for a process; return the most that it held, of its own and with files mapped."""
    began, own, all_of_it = time.monotonic(), 0, 0
    while process.poll() is None:
        if time.monotonic() - began > limit:
            process.kill()
            process.wait()
            return {"own": own, "rss": all_of_it, "stopped": True}
        try:
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        except OSError:
            break
        own = max(own, _field(status, "RssAnon"))
        all_of_it = max(all_of_it, _field(status, "VmHWM"))
        time.sleep(0.02)
    process.wait()
    return {"own": own, "rss": all_of_it, "stopped": False}


def _field(status: str, name: str) -> int:
    """Return a figure of /proc/PID/status in bytes, 0 when it is not there."""
    found = re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
    return 1024 * int(found[1]) if found else 0


def solved(figures: dict[str, Any]) -> bool:
    """Tell whether a solver says that it has solved the problem."""
    return str(figures["status"]).lower().removeprefix("piqp_") in ("solved", "optimal")


def rows_of(case: Case, found: dict[str, dict[str, Any]], known: dict[str, Any]) -> list[list[str]]:
    """Return rows of the table for one case."""
    own = found[FILE if case.mapped else OURS]
    best = {
        key: min((f[key] for t, f in found.items() if t in OTHERS and solved(f)), default=None)
        for key in ("cpu", "wall")
    }
    size = f"{case.m} × {case.n:,}" + (f", {case.groups:,} groups" if case.groups else "")
    rows = []
    for tool, f in found.items():
        cells = [size, tool]
        if "cpu" not in f or not solved(f):
            rows.append([*cells, *["–"] * 5, str(f["status"]), "", "", ""])
            continue
        cells += [f"{f['cpu']:.3f}", f"{f['wall']:.3f}"]
        cells += [f"{f['build']:.3f}" if "build" in f else ""]
        if f is own:
            ratios = [best[key] / f[key] if best[key] else None for key in ("cpu", "wall")]
            cells += [" / ".join(f"{r:.0f}" if r else "–" for r in ratios)]
        else:
            cells += [""]
        cells += [f"{f['own'] / 2**20:.0f}", f"{f['objective']:.0e}", f"{f['rows']:.0e}"]
        cells += [f"{f['mass']:.0e}", f"{f['box']:.0e}"]
        rows.append(cells)
    print(f"{size}: {known['clipped']:.1%} of the units at a bound", file=sys.stderr)
    return rows


def passes_of(case: Case, f: dict[str, Any]) -> list[str]:
    """Return the row of what our solver did with χ."""
    size = f"{case.m} × {case.n:,}" + (f", {case.groups:,} groups" if case.groups else "")
    if "cpu" not in f:
        return [size, *["–"] * 6]
    again = f.get("wall_again")
    ratio = (again or f["wall"]) / (f["passes"] * f["read"])
    cells = [size, str(f["passes"]), f"{1e3 * f['read']:.2f}", f"{f['wall']:.3f}"]
    cells += [f"{again:.3f}" if again else "–", f"{ratio:.1f}", f"{f['own'] / 2**20:.0f}"]
    return cells


def table(head: str, rows: list[list[str]]) -> list[str]:
    """Return a table in Markdown."""
    columns = head.count("|") + 1
    return [f"| {head} |", "|---" * columns + "|", *(f"| {' | '.join(row)} |" for row in rows)]


def report(folder: Path, cases: list[Case], others: list[str], *, long: bool, limit: float) -> str:
    """Return the section of the page."""
    rows, passes = [], []
    for case in cases:
        tools = [t for t in case.tools(long=long) if t not in OTHERS or t in others]
        home = folder / "programs" / case.name
        if not all((home / f"{tool}.json").exists() for tool in tools):
            prepare(case, home)
        known = json.loads((home / "problem.json").read_text(encoding="utf-8"))
        found = {tool: run(tool, home, folder, limit) for tool in tools}
        rows += rows_of(case, found, known)
        passes.append(passes_of(case, found[FILE if case.mapped else OURS]))
        if case.mapped:
            (home / "chi.raw").unlink(missing_ok=True)
    where = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    head = (
        "rows × units | solver | CPU, s | wall, s | matrices, CPU s | best other / ours, CPU / wall"
        " | memory, MiB | objective | rows | mass | box"
    )
    of_passes = (
        "rows × units | passes | reading χ once, ms | first call, s | second call, s"
        " | time / (passes × reading) | memory, MiB"
    )
    lines = [f"{where}, {os.cpu_count()} cores.", "", *table(head, rows), ""]
    return "\n".join([*lines, *table(of_passes, passes)]) + "\n"


def main() -> None:
    """Measure, print, and write the page if asked to."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--folder", type=Path, default=HERE.parent / "build" / "benchmarks")
    options.add_argument("--only", nargs="*", default=[], help="cases by name, such as 16x10000")
    options.add_argument("--others", nargs="*", default=list(OTHERS), help="solvers beside ours")
    options.add_argument("--long", action="store_true", help="others at a million units too")
    options.add_argument("--limit", type=float, default=1800.0, help="seconds for one solver")
    options.add_argument("--file", type=int, nargs="*", default=[], help="units of file cases")
    options.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    arguments = options.parse_args()
    cases = [*CASES, *(Case(16, units, mapped=True) for units in arguments.file)]
    chosen = [c for c in cases if not arguments.only or c.name in arguments.only or c.mapped]
    folder = arguments.folder.resolve()
    text = report(folder, chosen, arguments.others, long=arguments.long, limit=arguments.limit)
    print(text)
    if arguments.write:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(SECTION.sub(lambda m: f"{m[1]}\n{text}\n{m[2]}", page), encoding="utf-8")


if __name__ == "__main__":
    main()
