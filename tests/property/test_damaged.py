"""Thousands of damaged specs: no traceback, no hang, no exit status but 0 and 1."""

import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from pattern_lang.cli.app import run
from tests.property.mutate import damage, flood
from tests.property.soundness import check_soundly
from tests.property.writer import write

MANY, PART = 20_000, 2_500
EVERY_VERB, EVERY_PROCESS, EVERY_FLOOD = 10, 100, 1_000
SECONDS = 30  # for one spec; most take milliseconds, one with a line of a megabyte some seconds


def damaged(seed: int) -> str:
    """Return the damaged spec of a seed; one in a thousand has a line of a megabyte."""
    random = Random(seed)
    text = damage(write(seed, random.choice((0.0, 0.0, 0.1, 0.5))), random)
    return flood(text, random) if seed % EVERY_FLOOD == EVERY_FLOOD - 1 else text


def check_in_time(seed: int) -> None:
    start = time.process_time()
    try:
        check_soundly(damaged(seed))
    except Exception as error:
        raise AssertionError(f"seed {seed}") from error
    assert time.process_time() - start < SECONDS, f"seed {seed}"


def statuses(seed: int, folder: Path, *, process: bool = False) -> set[int]:
    """Return the exit statuses of the verbs that only read, each with some format."""
    spec = folder / f"{seed}.pat"
    spec.write_text(damaged(seed), encoding="utf-8", newline="")
    formats = ("text", "json", "github", "sarif")
    verbs = (
        ["check", str(spec)],
        ["fmt", "--check", str(spec)],
        ["info", "--json", str(spec)],
        ["debug", Random(seed).choice(("tree", "program", "queries", "goals")), str(spec)],
        ["compile", "--dry-run", str(spec), "-o", str(folder / "out")],
    )
    found = set()
    for number, verb in enumerate(verbs):
        arguments = [*verb, "--format", formats[(seed + number) % 4]]
        if process:
            command = [sys.executable, "-m", "pattern_lang", *arguments]
            done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
            assert b"Traceback" not in done.stderr + done.stdout, f"seed {seed}: {verb[0]}"
            assert done.returncode in (0, 1), f"seed {seed}: {verb[0]}: {done.stderr.decode()}"
            found.add(done.returncode)
        else:
            found.add(run(arguments))
            assert found <= {0, 1}, f"seed {seed}: {verb[0]}"
    spec.unlink()
    return found


def test_damaged_specs_end_with_0_or_1(tmp_path: Path) -> None:
    assert set().union(*(statuses(seed, tmp_path) for seed in range(12))) == {0, 1}


def test_as_processes_too(tmp_path: Path) -> None:
    statuses(3, tmp_path, process=True)


def test_a_line_of_a_megabyte() -> None:
    check_in_time(EVERY_FLOOD - 1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("first", range(0, MANY, PART))
def test_many_damaged_specs(first: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(first, first + PART):
        check_in_time(seed)
        if seed % EVERY_VERB == 0:
            statuses(seed, tmp_path)
            capsys.readouterr()
        if seed % EVERY_PROCESS == 0:
            statuses(seed, tmp_path, process=True)
