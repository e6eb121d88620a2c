"""A study whose processes are killed at random moments ends in the same bytes."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

Pat = Callable[..., tuple[int, str]]


def files(folder: Path) -> dict[str, bytes]:
    """Everything that a study leaves."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def lengthen(project: Path, steps: int) -> None:
    spec = project / "spec.pat"
    text = spec.read_text().replace("base, steer", "base, steer, shuffled(steer)")
    spec.write_text(text.replace("steps: 60", f"steps: {steps}").replace("every 20", "every 500"))


def begin(project: Path, out: str, jobs: int) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "PAT_CHECKPOINT_SECONDS": "0.05", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pattern_lang", "study", "spec.pat", "-o", out]
    return subprocess.Popen(
        [*command, "--jobs", str(jobs)],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def children(process: int) -> list[int]:
    """The processes that one has started."""
    found = Path(f"/proc/{process}/task/{process}/children")
    return [int(word) for word in found.read_text().split()] if found.exists() else []


def end(pid: int) -> None:
    """Kill one process that may be gone already."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def wait_for_runs(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    """Return when something is under way in a study that was not before."""
    known = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
    while process.poll() is None:
        for path in folder.glob("runs/*/seed-*/*"):
            try:
                if path.name != ".lock" and path.stat().st_mtime_ns != known.get(path):
                    return
            except FileNotFoundError:
                continue
        time.sleep(0.02)


def tear(project: Path, out: str, jobs: int, kills: int, chance: random.Random) -> int:
    """Kill a study again and again: all its processes, a helper, or the leader; count."""
    for done in range(kills):
        process = begin(project, out, jobs)
        wait_for_runs(process, project / out / "one")
        time.sleep(chance.uniform(0, 0.6 if jobs == 1 else 3) if kills > 1 else 0.05)
        if process.poll() is not None:
            return done
        helpers = children(process.pid)
        match chance.choice(("group", "helper", "leader")):
            case "helper" if helpers:
                end(chance.choice(helpers))
                time.sleep(chance.uniform(0, 0.5))
                end(process.pid)
            case "leader":
                end(process.pid)
            case _:
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    return kills


@pytest.mark.skipif(sys.platform != "linux", reason="looks for helpers in /proc")
@pytest.mark.parametrize(
    ("jobs", "steps", "kills"),
    [
        (1, 1000, 1),
        pytest.param(1, 12_000, 20, marks=pytest.mark.slow),
        pytest.param(2, 24_000, 20, marks=pytest.mark.slow),
    ],
)
def test_a_study_that_is_killed_ends_in_the_same_bytes(
    project: Path, pat: Pat, jobs: int, steps: int, kills: int
) -> None:
    lengthen(project, steps)
    status, told = pat("study", "spec.pat", "-o", "whole", "--jobs", jobs)
    assert status == 0, told
    assert tear(project, "torn", jobs, kills, random.Random(kills + jobs)) == kills
    status, told = pat("study", "spec.pat", "-o", "torn", "--jobs", jobs)
    assert status == 0, told
    assert files(project / "torn/one") == files(project / "whole/one")
