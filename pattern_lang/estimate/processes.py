"""Running chains in several processes, each with one thread, and gathering what they leave.

Processes are started as commands, not forked or spawned by multiprocessing: that works from a
script without a main guard and from a notebook, and nothing is pickled.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from attrs import evolve

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.estimates import ChainProcessFailed
from pattern_lang.diagnostics.catalogue.inputs import UserCodeFailed
from pattern_lang.estimate.errors import ChainDivergedError
from pattern_lang.estimate.jobs import read_result, write_job, write_running
from pattern_lang.estimate.keeping import Keeper
from pattern_lang.estimate.moments import ChainResult
from pattern_lang.estimate.ranks import Rank
from pattern_lang.estimate.reporter import Reporter
from pattern_lang.estimate.running import Running
from pattern_lang.estimate.tasks import Posterior, Task

_POLL_SECONDS = 0.05
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

Process = subprocess.Popen[bytes]
States = list[int | None]


def run_processes(
    tasks: Sequence[Task],
    posteriors: Sequence[Posterior],
    running: Sequence[Running],
    crew: tuple[int, Rank, Reporter],
    advance: Callable[[int], None],
) -> dict[Task, ChainResult]:
    """Run those of some chains that nobody else has, in as many processes as `crew` says.

    Each process begins at another place of the list and takes what is still free. Returns what is
    not kept in the folders of `running`, where whatever else there is can be read.

    Raises ChainDivergedError for the first chain that diverged, UserCodeFailed, and
    ChainProcessFailed when a process ended by itself. Whatever is raised, Ctrl-C included, no
    process is left behind.
    """
    workers, rank, reporter = crew
    shares = [rank.turned(tasks, worker, workers) for worker in range(workers)]
    with TemporaryDirectory(prefix="pattern-") as name:
        folder = Path(name)
        write_job(folder, posteriors, shares)
        places = [_place(folder, number, place) for number, place in enumerate(running)]
        write_running(folder, places)
        np.zeros(workers, dtype=np.int64).tofile(folder / "progress")
        processes: list[Process] = []
        try:
            for worker in range(workers):
                processes.append(_start(folder, worker))
            states = _wait(folder, processes, advance)
        finally:
            _stop(processes)
        for line in sorted({line for f in folder.glob("told-*") for line in f.open()}):
            reporter.message(line.rstrip())
        _raise_errors(folder, states, posteriors)
        return dict(_results(folder, tasks, running, places, reporter))


def _place(folder: Path, number: int, place: Running) -> Running:
    """Return where a posterior's chains are kept: with us, where there is no other place."""
    if place.folder is not None:
        return place
    mine = folder / f"running-{number}"
    mine.mkdir()
    return evolve(place, folder=mine)


def _results(
    folder: Path,
    tasks: Sequence[Task],
    running: Sequence[Running],
    places: Sequence[Running],
    reporter: Reporter,
) -> Iterator[tuple[Task, ChainResult]]:
    for task in tasks:
        with suppress(FileNotFoundError):
            yield task, read_result(folder, task)
            continue
        if running[task.posterior].folder is None:
            keeper = Keeper(places[task.posterior], task.chain, task.seed, reporter.message)
            result = keeper.result()
            assert result is not None  # or the process had not ended well
            yield task, result


def _start(folder: Path, worker: int) -> Process:
    package = Path(__file__).resolve().parents[2]
    # The child finds what this process can import, even after changes of sys.path.
    path = os.pathsep.join([str(package), *(entry or str(Path.cwd()) for entry in sys.path)])
    environment = {**os.environ, **dict.fromkeys(_THREADS, "1"), "PYTHONPATH": path}
    command = [sys.executable, "-P", "-m", "pattern_lang.estimate.worker", str(folder), str(worker)]
    with (folder / f"stderr-{worker}").open("wb") as stderr:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr
        )


def _wait(folder: Path, processes: Sequence[Process], advance: Callable[[int], None]) -> States:
    """Wait until all processes ended well, or one badly; return their exit statuses by then.

    Progress is shown meanwhile. A process that still runs has the status None.
    """
    progress = np.memmap(folder / "progress", dtype=np.int64, mode="r")
    told = 0
    while True:
        states = [process.poll() for process in processes]
        done = int(progress.sum())
        advance(done - told)
        told = done
        if any(state for state in states) or all(state == 0 for state in states):
            return states
        time.sleep(_POLL_SECONDS)


def _stop(processes: Sequence[Process]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _raise_errors(
    folder: Path,
    states: States,
    posteriors: Sequence[Posterior],
) -> None:
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("error-*.json"))]
    diverged = [error["diverged"] for error in found if "diverged" in error]
    if diverged:
        raise ChainDivergedError(**min(diverged, key=lambda e: (e["posterior"], e["chain"])))
    span = posteriors[0].setting.sampler.origin
    failed: list[dict[str, Any]] = [error["failed"] for error in found if "failed" in error]
    if failed:
        raise PatternError([UserCodeFailed(span=span, **failed[0])])
    for worker, status in enumerate(states):
        if status:
            at = folder / f"at-{worker}"
            chains = at.read_text() if at.exists() else "that are missing"
            reason = _reason(status, folder / f"stderr-{worker}")
            raise PatternError([ChainProcessFailed(span=span, chains=chains, reason=reason)])


def _reason(status: int, stderr: Path) -> str:
    if status < 0:
        return f"signal {-status}"
    lines = stderr.read_text(errors="replace").strip().split("\n")
    return f"status {status}: {lines[-1][:300]}"
