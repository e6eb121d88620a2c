"""`pat study`: every run of a design, by any number of processes, and what they say together."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from time import monotonic, sleep
from typing import TYPE_CHECKING

from attrs import frozen

from pattern_lang.diagnostics import Diagnostic, PatternError
from pattern_lang.diagnostics.catalogue.training import ArmDiverged, RunBusy
from pattern_lang.estimate.reporter import SilentReporter
from pattern_lang.ir.findings import Divergence, Point, StudyFindings
from pattern_lang.train.keeping import read_run
from pattern_lang.train.registration import registration
from pattern_lang.train.study import Design, Workshop, diverged, finals, trajectories
from pattern_lang.train.verdicts import comparisons, lines, seeds_text, verdicts

if TYPE_CHECKING:
    from pattern_lang.estimate.reporter import Progress, Reporter
    from pattern_lang.ir.training import Arm
    from pattern_lang.train.service import Means

    Pair = tuple[Arm, int]

_WORTH = 20.0
"""Seconds of work left, from which on a further process is worth its start."""
_LONG = 10.0
"""Seconds, from which on it is said beforehand how long the runs will take."""
_PATIENCE = 0.2
"""Seconds between two looks at runs that other processes are at."""


def forget(plan: Design) -> None:
    """Remove what earlier runs of a study left."""
    shutil.rmtree(plan.folder / "runs", ignore_errors=True)


@frozen(eq=False)
class WithoutBars:
    """Passes messages on, and shows no bar: that of a study counts its runs."""

    reporter: Reporter

    def message(self, text: str) -> None:
        """Show one line."""
        self.reporter.message(text)

    def progress(self, total: int, description: str) -> AbstractContextManager[Progress]:
        """Count nothing."""
        return SilentReporter().progress(total, description)


def run_here(shop: Workshop, leader: int) -> None:
    """Train the runs that nobody else is at, as long as the process `leader` is our parent.

    A helper whose leader was killed ends the run that it is at, which is kept, and stops.
    """
    for arm, seed in shop.plan.runs:
        if os.getppid() != leader:
            return
        _unless_busy(shop, arm, seed)


def run_all(shop: Workshop, means: Means, command: Sequence[str] | None, jobs: int | None) -> None:
    """Train every run that is not done, in several processes where that pays.

    command: the words that start another process of the same study, which takes whatever runs are
    free and returns; None for no such process. Returns when every run is done, whoever did it, and
    each was checked against its manifest. Raises what runs raise; what another process met, this
    one meets again.
    """
    runs = shop.plan.runs
    done = [pair for pair in runs if _is_done(shop, *pair)]
    left = [pair for pair in runs if pair not in done]
    helpers: list[subprocess.Popen[bytes]] = []
    with means.reporter.progress(len(runs), shop.plan.study.name) as progress:
        try:
            _pass(shop, done, progress)
            if left:
                start = monotonic()
                first, left = left[:1], left[1:]
                left = [*_pass(shop, first, progress), *left]
                seconds = monotonic() - start
                count = _wanted(jobs, len(left), seconds) if command else 0
                _tell_cost(means.reporter, len(left), seconds, count + 1)
                helpers = _helpers(command or (), count)
            while left := _pass(shop, left, progress):
                sleep(_PATIENCE)  # others are at them, and may be killed
        finally:
            for helper in helpers:
                helper.kill()
                helper.wait()


def _pass(shop: Workshop, runs: Sequence[Pair], progress: Progress) -> list[Pair]:
    """Train the runs that nobody else is at; return the others."""
    busy = []
    for arm, seed in runs:
        if _unless_busy(shop, arm, seed):
            progress.advance(1)
        else:
            busy.append((arm, seed))
    return busy


def _tell_cost(reporter: Reporter, runs: int, seconds: float, processes: int) -> None:
    """Say how long the runs that are left will take, where that is long, going by the first."""
    total = seconds * runs / processes
    if total >= _LONG:
        where = "1 process" if processes == 1 else f"{processes} processes"
        each = f"{runs} more runs of about {_duration(seconds)}"
        reporter.message(f"{each} on {where}: about {_duration(total)}")


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _is_done(shop: Workshop, arm: Arm, seed: int) -> bool:
    return read_run(shop.plan.place(arm, seed)) is not None


def _unless_busy(shop: Workshop, arm: Arm, seed: int) -> bool:
    """Train a run, and tell whether it is done: another process may be at it."""
    try:
        shop.run(arm, seed)
    except PatternError as error:
        if not any(d.code == RunBusy.code for d in error.diagnostics):
            raise
        return False
    return True


def _wanted(jobs: int | None, runs: int, seconds: float) -> int:
    """Return how many further processes to start."""
    if jobs is not None:
        return max(min(jobs - 1, runs), 0)
    if runs * seconds < _WORTH:
        return 0
    return max(min((os.cpu_count() or 1) - 1, runs - 1), 0)


def _helpers(command: Sequence[str], count: int) -> list[subprocess.Popen[bytes]]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen(
            [sys.executable, "-m", "pattern_lang", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(count)
    ]


def findings(shop: Workshop) -> StudyFindings:
    """Return what the finished runs say."""
    plan: Design = shop.plan
    ends, expected, lost = finals(plan), shop.expected(), diverged(plan)
    seeds = _by_arm(lost)
    return StudyFindings(
        name=plan.study.name,
        arms=tuple(arm.name for arm in plan.arms),
        seeds=plan.study.seeds,
        steps=plan.optimizer.steps,
        points=tuple(Point(*row) for row in trajectories(plan)),
        verdicts=verdicts(plan.arms, plan.base, expected, ends, seeds),
        comparisons=comparisons(plan.arms, plan.base, ends),
        lines=lines(plan.arms, plan.base, expected, ends, seeds),
        registration=registration(plan.study, plan.optimizer, plan.plans),
        diverged=lost,
    )


def _by_arm(lost: Sequence[Divergence]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for one in lost:
        found.setdefault(one.arm, []).append(one.seed)
    return found


def diverged_arms(shop: Workshop, found: StudyFindings) -> tuple[Diagnostic, ...]:
    """Return an error for each arm some of whose runs diverged."""
    spans = {arm.name: arm.origin for arm in shop.plan.arms}
    first = {one.arm: one for one in reversed(found.diverged)}
    return tuple(
        ArmDiverged(
            span=spans[arm] or shop.plan.study.origin,
            arm=arm,
            seeds=seeds_text(seeds),
            value=first[arm].value,
            step=first[arm].step,
            steps=found.steps,
        ).diagnostic()
        for arm, seeds in _by_arm(found.diverged).items()
    )
