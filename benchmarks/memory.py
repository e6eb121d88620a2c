"""How much memory an estimate of 64 observables over a million units takes.

`python benchmarks/memory.py [--units N] [--observables K]` samples a small model of tokens, one
weight per token, and prints the most memory that the process held above what it held with data and
model loaded, as a ratio to the size of χ: k·n numbers of float64, in which it is worked out, and of
float32, in which it is written. Chains run in this process, so that all of it is counted.
"""

import argparse
import json
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


def main() -> int:
    """Sample, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=1_000_000)
    parser.add_argument("--observables", type=int, default=64)
    options = parser.parse_args()
    k, rows = options.observables, -(-options.units // POSITIONS)
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
            means = Means(ChainStore(folder / "cache", SilentReporter()), code, SilentReporter(), 1)
            found = sample(queries, inputs, posteriors, digests, means)
    taken, n = held("VmHWM") - loaded, found.susceptibility.chi.shape[1]
    size = 8 * k * n
    figures = {
        "observables": k,
        "units": n,
        "cpu_seconds": round(time.process_time() - started, 1),
        "loaded_mib": loaded // 2**20,
        "taken_mib": taken // 2**20,
        "chi_float64_mib": size // 2**20,
        "ratio_to_float64": round(taken / size, 2),
        "ratio_to_float32": round(2 * taken / size, 2),
    }
    print(json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
