"""The plots of the report."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from attrs import frozen
from markupsafe import Markup
from numpy.typing import NDArray

from pattern_lang.emit.report.canvas import finished, name_y, new_axes
from pattern_lang.emit.report.spectrum import HeatMap
from pattern_lang.emit.report.svg import ACCENT, CHAINS, DOWN, INK, MUTED, UP
from pattern_lang.emit.report.words import clip, percent
from pattern_lang.ir.susceptibility import ChainTrace

_POINTS = 240
_WIDE = 10.9
_BARS = 48


@frozen
class GoalMark:
    """One goal in posterior standard deviations, for the plot of asked against predicted."""

    name: str
    lower: float | None
    upper: float | None
    predicted: float | None
    stderr: float | None
    crossed: float | None = None
    crossed_stderr: float | None = None


def goals_plot(marks: Sequence[GoalMark], label: str) -> Markup:
    """Draw what was asked (bars and ticks) against what is predicted (dots with 2 se).

    What other draws say stands below it, as a ring.
    """
    longest = max(len(mark.name) for mark in marks)
    left = min(2.6, 0.35 + 0.082 * longest)
    axes = new_axes(7.2, 0.75 + 0.44 * len(marks), (left, 0.2, 0.5, 0.1))
    limit = _goal_limit(marks)
    for y, mark in enumerate(reversed(marks)):
        _asked_mark(axes, y, mark, limit)
        both = mark.crossed is not None
        if mark.predicted is not None:
            _dot(axes, mark.predicted, mark.stderr, y + (0.11 if both else 0.0), filled=True)
        if mark.crossed is not None:
            _dot(axes, mark.crossed, mark.crossed_stderr, y - 0.15, filled=False)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_yticks(range(len(marks)), [mark.name for mark in reversed(marks)], color=INK)
    axes.set_ylim(-0.6, len(marks) - 0.4)
    axes.set_xlim(-limit[0], limit[1])
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("predicted shift, posterior standard deviations")
    return finished(axes, "goals", label)


def _dot(axes: Any, value: float, stderr: float | None, y: float, *, filled: bool) -> None:
    colour = INK if filled else MUTED
    axes.errorbar(
        value,
        y,
        xerr=2 * (stderr or 0),
        fmt="o",
        color=colour,
        markerfacecolor=colour if filled else "none",
        markersize=5 if filled else 4.5,
        elinewidth=1.3 if filled else 1.0,
        capsize=3 if filled else 2,
    )


def _goal_limit(marks: Sequence[GoalMark]) -> tuple[float, float]:
    ends = [0.0]
    for mark in marks:
        error = 2 * (mark.stderr or 0)
        ends += [end for end in (mark.lower, mark.upper) if end is not None]
        ends += [] if mark.predicted is None else [mark.predicted - error, mark.predicted + error]
        error = 2 * (mark.crossed_stderr or 0)
        ends += [] if mark.crossed is None else [mark.crossed - error, mark.crossed + error]
    low, high = -min(ends), max(ends)
    room = 0.12 * (low + high) or 1.0
    return low + room, high + room


def _asked_mark(axes: Any, y: int, mark: GoalMark, limit: tuple[float, float]) -> None:
    if mark.lower is None and mark.upper is None:
        return
    lower = -limit[0] if mark.lower is None else mark.lower
    upper = limit[1] if mark.upper is None else mark.upper
    if upper > lower:
        axes.barh(y, upper - lower, left=lower, height=0.5, color=ACCENT, alpha=0.16, linewidth=0)
    for end in {mark.lower, mark.upper} - {None}:
        axes.plot([end, end], [y - 0.25, y + 0.25], color=ACCENT, linewidth=2.2)


def histogram_plot(
    weights: NDArray[np.float32], bounds: Sequence[tuple[float, float]], label: str
) -> Markup:
    """Draw how many units have which weight; the share at each bound is written above it."""
    low, high = float(weights.min()), float(weights.max())
    low, high = (low - 0.5, high + 0.5) if high - low < 1e-9 else (low, high)
    counts, edges = np.histogram(weights, bins=_edges(low, high))
    axes = new_axes(7.2, 2.85, (0.62, 0.2, 0.5, 0.5))
    seen = counts[counts > 0]
    logarithmic = seen.max() > 40 * np.median(seen)
    colours = [UP if left + right > 2 else DOWN for left, right in pairwise(edges)]
    axes.bar(
        edges[:-1], counts, np.diff(edges), align="edge", color=colours, alpha=0.8, linewidth=0
    )
    if logarithmic:
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.7)
        # Powers of ten as plain numbers: the SVG keeps text as text and knows no mathematics.
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
        axes.yaxis.set_minor_formatter(lambda value, _: "")
    axes.axvline(1, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
    for bound, share in bounds:
        side = "left" if bound - low < high - bound else "right"
        height = axes.get_ylim()[1]
        text = f"{percent(share)} at {bound:g}"
        axes.text(bound, height, text, ha=side, va="bottom", color=INK, fontsize=9.5)
    axes.set_xlabel("weight")
    name_y(axes, "units, log scale" if logarithmic else "units", 0.6, points=20 if bounds else 8)
    return finished(axes, "histogram", label)


def _edges(low: float, high: float) -> NDArray[np.float64]:
    """Return the edges of the bins; one of them is 1, so that no bar is of both kinds."""
    width = (high - low) / _BARS
    first, last = math.floor((low - 1) / width + 1e-6), math.ceil((high - 1) / width - 1e-6)
    return np.asarray(1 + width * np.arange(first, last + 1), np.float64)


def heat_plot(heat: HeatMap, label: str) -> Markup:
    """Draw standardised χ, the units sorted by weight, with the weights as a curve above."""
    rows = len(heat.names)
    names = [clip(name, 28).text for name in heat.names]
    left = max(0.85, min(2.5, 0.35 + 0.08 * max(map(len, names))))
    curve = 0.75 if heat.weights is not None else 0.0
    body = max(0.5, (0.3 if rows <= 8 else 0.19) * rows)
    height = body + curve + 0.42
    axes = new_axes(_WIDE, height, (left, 0.1, 0.32, curve + 0.1))
    axes.imshow(_shades(heat.cells), aspect="auto", interpolation="none")
    axes.set_yticks(range(rows), names, color=INK)
    axes.tick_params(axis="y", length=0)
    axes.set_xticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    lead = "sorted by weight, lowest first" if curve else f"sorted by {heat.lead}"
    share = f"; each column the mean of {heat.per_bin}" if heat.per_bin > 1 else ""
    axes.set_xlabel(f"units, {lead}{share}")
    if heat.weights is not None:
        _weight_curve(axes, heat.weights, height, left, body)
    return finished(axes, "heat", label)


def _weight_curve(
    axes: Any, weights: NDArray[np.float64], height: float, left: float, body: float
) -> None:
    box = (left / _WIDE, (0.32 + body + 0.08) / height, 1 - (left + 0.1) / _WIDE, 0.6 / height)
    top = axes.figure.add_axes(box)
    top.patch.set_visible(False)
    x = np.arange(len(weights))
    top.fill_between(
        x, 1, weights, where=weights >= 1, color=UP, alpha=0.35, linewidth=0, step="mid"
    )
    top.fill_between(
        x, 1, weights, where=weights <= 1, color=DOWN, alpha=0.35, linewidth=0, step="mid"
    )
    top.plot(x, weights, color=INK, linewidth=1, drawstyle="steps-mid")
    top.set_xlim(-0.5, len(weights) - 0.5)
    top.set_xticks([])
    top.spines["bottom"].set_visible(False)
    ends = sorted({1.0, float(f"{weights.max():.2g}")})
    top.set_yticks(ends, [f"{end:g}" for end in ends])
    top.set_ylabel("weight", rotation=0, ha="right", va="center")


def _shades(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return colours whose opacity is the size, so that they suit a light and a dark page."""
    scale = float(np.quantile(np.abs(cells), 0.98)) or 1.0
    strength = np.clip(np.abs(cells) / scale, 0, 1)
    warm, cold = np.array([0xDD, 0x74, 0x1F]) / 255, np.array([0x2F, 0x7F, 0xCB]) / 255
    colours = np.where(cells[..., None] > 0, warm, cold)
    return np.concatenate([colours, strength[..., None]], axis=-1)


def trace_plot(traces: Sequence[ChainTrace], index: int, label: str) -> Markup:
    """Draw each chain's loss above the loss at the checkpoint, which is the line at zero."""
    axes = new_axes(5.2, 2.4, (0.62, 0.15, 0.48, 0.32))
    for trace in traces:
        x, y = _thinned(np.asarray(trace.loss, np.float64))
        colour = CHAINS[trace.chain % len(CHAINS)]
        axes.plot(x, y, color=colour, linewidth=0.9, alpha=0.85)
    axes.axhline(0, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.set_xlabel("draw")
    name_y(axes, "mean loss above the checkpoint, nats", 0.6)
    axes.margins(x=0.01)
    return finished(axes, f"trace{index}", label)


def _thinned(values: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return at most some points, spikes kept: of every stretch its lowest and highest."""
    count = len(values)
    if count <= _POINTS:
        return np.arange(count), values
    stretch = math.ceil(count / (_POINTS // 2))
    kept: list[int] = []
    for start in range(0, count, stretch):
        part = values[start : start + stretch]
        if np.isfinite(part).any():
            kept += sorted({start + int(np.nanargmin(part)), start + int(np.nanargmax(part))})
    picked = np.asarray(kept, np.intp)
    return picked, values[picked]
