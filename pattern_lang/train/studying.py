"""`pat study`: every run of a design, by any number of processes, and what they say together."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.training import RunBusy
from pattern_lang.ir.findings import Point, StudyFindings
from pattern_lang.train.keeping import read_run
from pattern_lang.train.registration import registration
from pattern_lang.train.study import Design, Workshop, finals, trajectories
from pattern_lang.train.verdicts import comparisons, lines, verdicts

if TYPE_CHECKING:
    from pattern_lang.ir.training import Arm
    from pattern_lang.train.service import Means

_WORTH = 20.0
"""Seconds of work left, from which on a further process is worth its start."""


def forget(plan: Design) -> None:
    """Remove what earlier runs of a study left."""
    shutil.rmtree(plan.folder / "runs", ignore_errors=True)


def run_here(shop: Workshop) -> int:
    """Train the runs that nobody else is at; return how many are left to others."""
    return sum(not _unless_busy(shop, arm, seed) for arm, seed in shop.plan.runs)


def run_all(shop: Workshop, means: Means, command: Sequence[str], jobs: int | None) -> None:
    """Train every run that is not done, in several processes where that pays.

    command: the words that start another process of the same study, which takes whatever runs are
    free and returns. Raises what runs raise; what another process met, this one meets again.
    """
    left = [(arm, seed) for arm, seed in shop.plan.runs if not _is_done(shop, arm, seed)]
    total = len(shop.plan.runs)
    with means.reporter.progress(total, shop.plan.study.name) as progress:
        progress.advance(total - len(left))
        if not left:
            return
        start = monotonic()
        _unless_busy(shop, *left[0])
        progress.advance(1)
        helpers = _helpers(command, _wanted(jobs, len(left) - 1, monotonic() - start))
        try:
            for arm, seed in left[1:]:
                _unless_busy(shop, arm, seed)
                progress.advance(1)
            for helper in helpers:
                helper.wait()
        finally:
            for helper in helpers:
                helper.kill()
                helper.wait()
    run_here(shop)  # what a process left that was killed


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
    ends, expected = finals(plan), shop.expected()
    return StudyFindings(
        name=plan.study.name,
        arms=tuple(arm.name for arm in plan.arms),
        seeds=plan.study.seeds,
        steps=plan.optimizer.steps,
        points=tuple(Point(*row) for row in trajectories(plan)),
        verdicts=verdicts(plan.arms, plan.base, expected, ends),
        comparisons=comparisons(plan.arms, plan.base, ends),
        lines=lines(plan.arms, plan.base, expected, ends),
        registration=registration(plan.study, plan.optimizer, plan.plans),
    )
