"""The course of a measure over training: means over seeds at each step, with intervals."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.ir.findings import Point

_Vector = NDArray[np.float64]


@frozen(eq=False)
class Course:
    """One arm's means at its steps; limits of Student's 95 % interval where there are seeds.

    place: of the arm among all.
    """

    arm: str
    place: int
    steps: _Vector
    mean: _Vector
    low: _Vector | None
    high: _Vector | None


def courses(points: Sequence[Point], arms: Sequence[str]) -> dict[str, tuple[Course, ...]]:
    """Return by measure the course of each arm that has it at more than one step."""
    found: dict[str, dict[str, dict[int, list[float]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for point in points:
        found[point.measure][point.arm][point.step].append(point.value)
    return {
        measure: tuple(
            _course(arm, arms.index(arm), steps) for arm, steps in own.items() if len(steps) > 1
        )
        for measure, own in found.items()
    }


def _course(arm: str, place: int, steps: dict[int, list[float]]) -> Course:
    from scipy.special import stdtrit

    order = sorted(steps)
    mean = np.array([np.mean(steps[step]) for step in order])
    fewest = min(len(values) for values in steps.values())
    where = np.array(order, dtype=np.float64)
    if fewest < 2:
        return Course(arm, place, where, mean, None, None)
    half = np.array(
        [
            float(stdtrit(len(steps[step]) - 1, 0.975))
            * np.std(steps[step], ddof=1)
            / np.sqrt(len(steps[step]))
            for step in order
        ]
    )
    return Course(arm, place, where, mean, mean - half, mean + half)
