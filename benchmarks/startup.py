"""How long `pat check` takes to start, and how its time grows with the length of a spec.

`python benchmarks/startup.py [--write]` prints tables of medians; `--write` puts them into
docs/benchmarks.md. Processes are timed in alternation with `python -c "import lark"`, so a busy
machine slows both; CPU time is that of the process, user and system.
"""

import argparse
import gc
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from pattern_lang.diagnostics import SourceFile
from pattern_lang.driver import read_spec
from pattern_lang.syntax.bundle import MemoryBundle
from pattern_lang.syntax.recover import parse

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
SECTION = re.compile(r"(<!-- startup: [^\n]*-->\n).*?(<!-- end of startup -->)", re.DOTALL)

HEAD = """edition 2026

use std.transformer

model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
data late = text where row.position > 3

"""
BLOCK = """## How far to push.
param dose_{n}: Quantity[sd] = {n} sd

observable gap_{n} = loss(lm, on: text) - 2 * loss(lm, on: late)
observable head_{n}[i in 0..2, j in 0..3] = restrict(
    loss(lm, on: text), to: transformer.head(lm, i, j)
)

rules cap_{n}(w: Weights, most: Real) {{
  require  0 <= w <= most
  require  mass(w, of: row.x == {n}) <= 2
}}

pattern steer_{n} {{
  reweight text per sample as w
  shift    gap_{n} by dose_{n}
  hold     head_{n} within 0.1 sd
  require  kl(w) <= 0.5 nats
  apply    cap_{n}(w, most: 4)
  emit     weights("weights.parquet")
}}
"""
SPECS = (100, 1_000, 5_000, 10_000)
PARSES = (1_250, 2_500, 5_000, 10_000, 20_000, 40_000)


def spec_of(lines: int) -> str:
    """Return a spec without errors of about so many lines."""
    blocks = max(1, (lines - HEAD.count("\n")) // BLOCK.count("\n"))
    return HEAD + "".join(BLOCK.format(n=n) for n in range(1, blocks + 1))


def timed(*arguments: str) -> tuple[float, float]:
    """Run Python and return the CPU time and the wall time of the process, in seconds."""
    start = time.perf_counter()
    null = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    command = [sys.executable, *arguments]
    child = os.posix_spawn(sys.executable, command, os.environ, file_actions=null)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - start
    assert status == 0, arguments
    return usage.ru_utime + usage.ru_stime, wall


def processes(repetitions: int) -> list[str]:
    """Return a table of whole processes: start-up and checks of longer and longer specs."""
    with tempfile.TemporaryDirectory() as folder:
        runs = {
            "`python -c pass`": ("-c", "pass"),
            '`python -c "import lark"`': ("-c", "import lark"),
        }
        for lines in SPECS:
            path = Path(folder, f"{lines}.pat")
            path.write_text(spec_of(lines), encoding="utf-8")
            runs[f"`pat check`, {lines:,} lines"] = ("-m", "pattern_lang", "check", str(path))
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
        for repetition in range(repetitions + 1):
            for name, arguments in runs.items():
                times = timed(*arguments)
                if repetition:  # the first round warms the disk
                    found[name].append(times)
    cpu = {name: statistics.median(t for t, _ in times) for name, times in found.items()}
    wall = {name: statistics.median(t for _, t in times) for name, times in found.items()}
    base = cpu['`python -c "import lark"`']
    rows = [f"| {n} | {cpu[n]:.3f} | {wall[n]:.3f} | {cpu[n] / base:.2f} |" for n in runs]
    head = "| process | CPU, s | wall, s | CPU, as a ratio to importing lark |"
    return [head, "|---|---|---|---|", *rows]


def seconds(repetitions: int, work: str, text: str) -> float:
    """Return the median CPU time of parsing or checking a text in this process."""
    times = []
    for _ in range(repetitions):
        gc.collect()
        start = time.process_time()
        if work == "parse":
            _, problems = parse(SourceFile("spec.pat", text))
        else:
            source = SourceFile("spec.pat", text)
            problems = read_spec(source, MemoryBundle(), {}).diagnostics  # type: ignore[assignment]
        times.append(time.process_time() - start)
        assert not problems
    return statistics.median(times)


def slopes(repetitions: int) -> list[str]:
    """Return a table of parsing and checking in one process, at doubling lengths."""
    rows, before = [], dict.fromkeys(("parse", "check"), 0.0)
    for lines in PARSES:
        cells = [f"{lines:,}"]
        for work in ("parse", "check"):
            taken = seconds(repetitions, work, spec_of(lines))
            growth = f"{taken / before[work]:.2f}" if before[work] else "–"
            cells += [f"{taken:.2f}", growth]
            before[work] = taken
        rows.append(f"| {' | '.join(cells)} |")
    head = "| lines | parse, CPU s | × | check, CPU s | × |"
    return [head, "|---|---|---|---|---|", *rows]


def report(repetitions: int) -> str:
    """Return the section of the page."""
    where = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    lines = [
        f"Medians of {repetitions} runs, {where}, {os.cpu_count()} cores.",
        "",
        *processes(repetitions),
        "",
        "Parsing and checking in one process; × is the growth from half the length: 2 is linear.",
        "",
        *slopes(min(repetitions, 3)),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and write the page if asked to."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--repetitions", type=int, default=9)
    options.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    arguments = options.parse_args()
    text = report(arguments.repetitions)
    print(text)
    if arguments.write:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(SECTION.sub(lambda m: f"{m[1]}\n{text}\n{m[2]}", page), encoding="utf-8")


if __name__ == "__main__":
    main()
