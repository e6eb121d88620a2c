"""Memory of an estimate grows with the size of χ, and with nothing larger."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "memory.py"


def taken(units: int) -> tuple[float, float]:
    """Return what an estimate of 64 observables takes, and the size of its χ, in MiB."""
    command = [sys.executable, str(BENCHMARK), "--units", str(units), "--observables", "64"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, check=True, capture_output=True, env=environment, text=True)
    found = json.loads(run.stdout)
    return found["taken_mib"], found["chi_mib"]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_grows_with_the_mean_and_the_variance_of_each_entry() -> None:
    (few, small), (many, large) = taken(50_000), taken(150_000)
    # 1.5 for these, vectors over the units, and what the allocator makes of it; 19 when chains were
    # kept in memory and put together at once. The basis grows less: it has fewer directions then.
    assert (many - few) / (large - small) < 2.5


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_an_estimate_over_a_million_units_takes_less_than_two_and_a_half_times_its_chi() -> None:
    most, chi = taken(1_000_000)
    assert most / chi < 2.5
