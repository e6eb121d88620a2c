"""How much memory an estimate of up to 64 observables over a million units takes.

`python benchmarks/memory.py [--units N] [--observables K]` samples a small model of tokens, one
weight per token, and prints the most memory that the process held above what it held with data and
model loaded, as a ratio to the size of χ: k·n numbers of float32, in which it is kept. Chains run
in this process, so that all of it is counted, and are kept in a folder, as `pat compile` does.
`--write` measures sizes from a quarter of a million to a million, each in a process of its own, and
puts the table into docs/benchmarks.md. Linux only.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pattern_lang.diagnostics import SourceFile
from pattern_lang.driver import read_spec
from pattern_lang.estimate import SilentReporter
from pattern_lang.estimate.chain_store import ChainStore
from pattern_lang.estimate.crew import Means
from pattern_lang.estimate.fingerprints import fingerprint
from pattern_lang.estimate.inputs import load_inputs
from pattern_lang.estimate.journal import Journal
from pattern_lang.estimate.sampling import prepare_posteriors, sample
from pattern_lang.estimate.tasks import one_thread
from pattern_lang.estimate.user_code import UserCode
from pattern_lang.syntax.bundle import FileBundle

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
SECTION = re.compile(r"(<!-- memory: [^\n]*-->\n).*?(<!-- end of memory -->)", re.DOTALL)
OBSERVABLES, UNITS = (16, 64), (250_000, 500_000, 1_000_000)
POSITIONS, VOCABULARY = 128, 64
MODEL = f"""import torch
from torch import nn


class Bigram(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.zeros({VOCABULARY}, {VOCABULARY}))

    def unit_loss(self, batch):
        ids = batch["input_ids"]
        logits, targets = self.table[ids[:, :-1]], ids[:, 1:].flatten()
        losses = nn.functional.cross_entropy(logits.flatten(0, 1), targets, reduction="none")
        return losses.view(len(ids), -1)


def build():
    return Bigram()
"""
SPEC = """edition 2026

model lm = torch("model.py:build")
data text = parquet("text.parquet", field: "ids")

observable part[i in 0..{k}] = loss(lm, on: text where row.part == i)

pattern all {{
  reweight text per token as w
  hold part within 1 sd
  estimate sgld(step: 1e-2, nbeta: 30, localization: 10, batch: 64, chains: 2, draws: 32)
}}
"""


def write(folder: Path, rows: int, observables: int) -> None:
    """Write the model, the data and the spec."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ids = np.random.default_rng(0).integers(0, VOCABULARY, (rows, POSITIONS + 1))
    part = pa.array(np.arange(rows) % observables)
    pq.write_table(pa.table({"ids": pa.array(list(ids)), "part": part}), folder / "text.parquet")
    (folder / "model.py").write_text(MODEL)
    (folder / "spec.pat").write_text(SPEC.format(k=observables))


def held(name: str) -> int:
    """Return the bytes that this process holds, `VmRSS`, or the most that it has, `VmHWM`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def measure(units: int, k: int) -> dict[str, float]:
    """Sample in this process, and return what it took."""
    rows = -(-units // POSITIONS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, rows, k)
        path = folder / "spec.pat"
        spec = read_spec(SourceFile(str(path), path.read_text()), FileBundle(()), {})
        queries = spec.lowered.patterns["all"].queries
        code = UserCode(Journal())
        with one_thread():
            inputs = load_inputs(queries, code)
            posteriors = prepare_posteriors(queries, inputs, code)
            digests = fingerprint(queries, inputs, code)
            Path("/proc/self/clear_refs").write_text("5")  # forget the most that loading held
            loaded, started = held("VmRSS"), time.process_time()
            store = ChainStore(folder / "cache", SilentReporter())
            means = Means(store, code, SilentReporter(), 1)
            found = sample(queries, inputs, posteriors, digests, means)
    taken, n = held("VmHWM") - loaded, found.susceptibility.chi.shape[1]
    return {
        "observables": k,
        "units": n,
        "cpu_seconds": round(time.process_time() - started, 1),
        "loaded_mib": loaded // 2**20,
        "taken_mib": taken // 2**20,
        "chi_mib": 4 * k * n // 2**20,
        "ratio": round(taken / (4 * k * n), 2),
    }


def table() -> str:
    """Return the section of the page."""
    head = "| observables | units | χ, MiB | above what was loaded, MiB | ratio to χ | CPU, s |"
    lines = [head, "|---" * 6 + "|"]
    for k in OBSERVABLES:
        for units in UNITS:
            size = ["--units", str(units), "--observables", str(k)]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            command = [sys.executable, __file__, *size]
            out = subprocess.run(command, check=True, capture_output=True, env=environment).stdout
            found = json.loads(out)
            cells = [f"{found['units']:,}", found["chi_mib"], found["taken_mib"]]
            cells += [f"{found['ratio']:.2f}", f"{found['cpu_seconds']:.0f}"]
            lines.append(f"| {k} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> int:
    """Sample, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=1_000_000)
    parser.add_argument("--observables", type=int, default=64)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if not options.write:
        print(json.dumps(measure(options.units, options.observables), indent=2))
        return 0
    found, page = table(), PAGE.read_text(encoding="utf-8")
    print(found)
    PAGE.write_text(SECTION.sub(rf"\1\n{found}\n\n\2", page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
