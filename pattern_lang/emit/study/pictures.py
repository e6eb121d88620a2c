"""The pictures of a study: what became of the goals, the way there, and how predictions held."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from pattern_lang.emit.report.canvas import finished, name_y, new_axes
from pattern_lang.emit.report.svg import ACCENT, CHAINS, INK, LINE, MUTED, UP
from pattern_lang.emit.report.words import clip
from pattern_lang.emit.study.courses import Course
from pattern_lang.ir.findings import Line, Spread, Verdict

_SHOWN = 8  # arms in one picture of courses: as many as there are colours


def colour(place: int) -> str:
    """Return the colour of an arm by its place; the base arm, the first, is grey."""
    return MUTED if place == 0 else CHAINS[(place - 1) % len(CHAINS)]


def goal_picture(verdicts: Sequence[Verdict], arms: Sequence[str], name: str, label: str) -> Markup:
    """Draw the realised shift of one goal in each arm: dots with intervals, ticks for predicted."""
    longest = max(len(clip(verdict.arm, 44).text) for verdict in verdicts)
    left = min(3.6, 0.35 + 0.082 * longest)
    axes = new_axes(9.2, 0.8 + 0.34 * len(verdicts), (left, 0.2, 0.55, 0.1))
    first = verdicts[0]
    _asked(axes, first)
    for y, verdict in enumerate(reversed(verdicts)):
        own = colour(arms.index(verdict.arm))
        if verdict.realised is not None:
            _dot(axes, verdict.realised, y, own)
        if verdict.predicted is not None:
            axes.plot(verdict.predicted, y, marker="|", color=UP, markersize=13, markeredgewidth=2)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    names = [clip(verdict.arm, 44).text for verdict in reversed(verdicts)]
    axes.set_yticks(range(len(verdicts)), names, color=INK)
    axes.set_ylim(-0.7, len(verdicts) - 0.3)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"shift of {clip(first.observable, 50).text} against base, {first.unit}")
    return finished(axes, name, label)


def _asked(axes: Any, verdict: Verdict) -> None:
    ends = [end for end in (verdict.lower, verdict.upper) if end is not None]
    if len(ends) == 2 and ends[0] < ends[1]:
        axes.axvspan(*ends, color=ACCENT, alpha=0.14, linewidth=0)
    for end in ends:
        axes.axvline(end, color=ACCENT, linewidth=1, linestyle=(0, (4, 3)))


def _dot(axes: Any, found: Spread, y: float, own: str) -> None:
    if found.low is not None and found.high is not None:
        axes.plot([found.low, found.high], [y, y], color=own, linewidth=2, solid_capstyle="butt")
    axes.plot(found.mean, y, marker="o", color=own, markersize=6)


def course_picture(courses: Sequence[Course], measure: str, name: str, label: str) -> Markup:
    """Draw a measure over the steps of training: means over seeds, with their intervals."""
    axes = new_axes(9.2, 3.2, (0.75, 0.3, 0.5, 0.45))
    for course in courses[: _SHOWN + 1]:
        own = colour(course.place)
        axes.plot(course.steps, course.mean, color=own, linewidth=1.8)
        if course.low is not None and course.high is not None:
            axes.fill_between(
                course.steps, course.low, course.high, color=own, alpha=0.15, linewidth=0
            )
    axes.grid(axis="y", color=LINE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel("step")
    axes.set_xlim(0, max(float(course.steps[-1]) for course in courses))
    name_y(axes, clip(measure, 60).text, 0.75)
    return finished(axes, name, label)


def line_picture(line: Line, arms: Sequence[str], name: str, label: str) -> Markup:
    """Draw realised against predicted shifts: an arm is a dot with its interval."""
    axes = new_axes(5.2, 3.9, (0.8, 0.25, 0.55, 0.4))
    predicted = np.array([point[1] for point in line.points])
    ends = np.array([min(0.0, predicted.min()), max(0.0, predicted.max())])
    ends += np.array([-0.06, 0.06]) * (np.ptp(ends) or 1.0)
    axes.plot(ends, ends, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    if line.slope is not None:
        axes.plot(ends, line.slope.mean * ends, color=ACCENT, linewidth=1.6)
        if line.slope.low is not None and line.slope.high is not None:
            low, high = line.slope.low * ends, line.slope.high * ends
            axes.fill_between(ends, low, high, color=ACCENT, alpha=0.15, linewidth=0)
    for arm, x, realised in line.points:
        own = colour(arms.index(arm))
        if realised.low is not None and realised.high is not None:
            axes.plot([x, x], [realised.low, realised.high], color=own, linewidth=1.6)
        axes.plot(x, realised.mean, marker="o", color=own, markersize=5.5)
    axes.axhline(0, color=LINE, linewidth=0.8)
    axes.axvline(0, color=LINE, linewidth=0.8)
    axes.set_xlim(*ends)
    axes.set_xlabel(f"predicted, {line.unit}")
    name_y(axes, f"realised, {line.unit}", 0.8)
    return finished(axes, name, label)
