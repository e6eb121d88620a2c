"""The frontier in the report: two plots, a sentence, and every point as a row."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import frozen
from markupsafe import Markup

from pattern_lang.emit.report.canvas import finished, name_y, new_axes
from pattern_lang.emit.report.svg import ACCENT, CHAINS, INK, MUTED
from pattern_lang.emit.report.words import Clipped, clip, number, percent, with_error
from pattern_lang.ir.solution import Frontier, FrontierPoint, Solution

_LINES = 6
_COLUMNS = 4
# Where a shift is two of its standard errors, and less lies below the noise.
_NOISE = 0.5


@frozen
class PointRow:
    """One point of the frontier, ready to print."""

    dose: str
    ess: str
    objective: str
    shifts: tuple[str, ...]
    chosen: bool


@frozen
class FrontierView:
    """What the section shows. left_out: how many observables the table has no column for."""

    dose: str
    summary: str
    names: tuple[Clipped, ...]
    units: tuple[str, ...]
    rows: tuple[PointRow, ...]
    left_out: int


def frontier_view(solution: Solution) -> FrontierView | None:
    """Return the frontier as text, None without one."""
    frontier = solution.frontier
    if frontier is None or not frontier.points:
        return None
    shown = slice(0, _COLUMNS)
    return FrontierView(
        dose="Dose" if frontier.kind == "dose" else "Share of the goals",
        summary=summary(frontier),
        names=tuple(clip(name, 28) for name in frontier.observables[shown]),
        units=tuple("" if unit == "1" else unit for unit in frontier.units[shown]),
        rows=tuple(
            PointRow(
                dose=dose_text(frontier, point.dose),
                ess=percent(point.ess),
                objective=number(point.objective, 4),
                shifts=tuple(
                    with_error(value, error)
                    for value, error in zip(
                        point.predicted[shown], point.stderr[shown], strict=True
                    )
                ),
                chosen=place == frontier.chosen,
            )
            for place, point in enumerate(frontier.points)
        ),
        left_out=max(0, len(frontier.observables) - _COLUMNS),
    )


def dose_text(frontier: Frontier, dose: float) -> str:
    """Return a dose as it is called: a share of the goals, or a number."""
    return percent(dose) if frontier.kind == "fraction" else number(dose, 4)


def summary(frontier: Frontier) -> str:
    """Return what the path says about the dose that was chosen, in a sentence or two."""
    points, parts = frontier.points, []
    last = points[-1]
    if frontier.chosen is not None:
        here = points[frontier.chosen]
        parts.append(f"The weights keep an effective sample size of {percent(here.ess)}")
        if frontier.chosen + 1 < len(points):
            parts[-1] += f"; {_next(here, points[frontier.chosen + 1])}"
        elif frontier.chosen > 0:
            before = points[frontier.chosen - 1]
            less = percent(1.0 - before.dose / here.dose) if here.dose else ""
            parts[-1] += f"; {less} less of the dose would leave {percent(before.ess)}"
    end = f"with an effective sample size of {percent(last.ess)}"
    if frontier.largest is None:
        parts.append(f"Three times what is asked is feasible, {end}")
    elif frontier.kind == "fraction":
        parts.append(f"At most {percent(frontier.largest)} of what is asked is feasible, {end}")
    return ". ".join(parts) + "."


def _next(here: FrontierPoint, there: FrontierPoint) -> str:
    more = percent(there.dose / here.dose - 1.0) if here.dose else "more"
    return f"{more} more of every goal would leave {percent(there.ess)}"


def frontier_plots(frontier: Frontier) -> tuple[Markup, Markup | None]:
    """Draw dose against effective sample size, and against the standard errors of the shifts."""
    return _cost_plot(frontier), _risk_plot(frontier)


def _doses(frontier: Frontier, points: Sequence[FrontierPoint]) -> list[float]:
    scale = 100.0 if frontier.kind == "fraction" else 1.0
    return [scale * point.dose for point in points]


def _axes(frontier: Frontier, right: float) -> Any:
    axes = new_axes(5.2, 2.7, (0.62, right, 0.5, 0.36))
    axes.set_xlabel("% of what the goals ask for" if frontier.kind == "fraction" else "dose")
    x = _doses(frontier, frontier.points)
    axes.set_xlim(-0.02 * x[-1], 1.04 * x[-1])
    if frontier.kind == "fraction":
        axes.set_xlim(right=max(1.04 * x[-1], 104.0))
        axes.axvline(100, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
    if frontier.largest is not None and frontier.kind == "fraction":
        end = axes.get_xlim()[1]
        axes.axvspan(x[-1], end, color=MUTED, alpha=0.12, linewidth=0)
    return axes


def _cost_plot(frontier: Frontier) -> Markup:
    points = frontier.points
    axes = _axes(frontier, 0.15)
    x, y = _doses(frontier, points), [100 * point.ess for point in points]
    axes.plot(x, y, color=INK, linewidth=1.5, marker="o", markersize=3.2)
    axes.fill_between(x, 0, y, color=ACCENT, alpha=0.12, linewidth=0)
    axes.set_ylim(0, 105)
    if frontier.chosen is not None:
        here = frontier.chosen
        axes.plot([x[here]], [y[here]], "o", color=ACCENT, markersize=9)
        late = x[here] > 0.7 * axes.get_xlim()[1]
        axes.annotate(
            f"these weights, {percent(points[here].ess)}",
            (x[here], y[here]),
            (-10 if late else 10, -14),
            textcoords="offset points",
            ha="right" if late else "left",
            color=INK,
        )
    name_y(axes, "effective sample size, % of the units", 0.6)
    ends = f"from {percent(points[0].ess)} at dose 0 to {percent(points[-1].ess)} at the largest"
    return finished(axes, "frontier-cost", f"Effective sample size against dose: {ends}.")


def _risk_plot(frontier: Frontier) -> Markup | None:
    """Draw the standard error of each shift as a share of it; None where none is known."""
    lines = _risks(frontier)
    if not lines:
        return None
    axes = _axes(frontier, 1.5)
    highest = max(float(np.max(y)) for _, _, y in lines)
    for place, (_, x, y) in enumerate(lines):
        colour = CHAINS[place % len(CHAINS)]
        axes.plot(x, y, color=colour, linewidth=1.6, marker="o", markersize=2.8)
    top = 1.25 * highest
    if highest > 0.4 * 100 * _NOISE:
        top = max(top, 115 * _NOISE)
        axes.axhline(100 * _NOISE, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
        axes.annotate(
            "below the noise",
            (1, 100 * _NOISE),
            (6, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            color=MUTED,
        )
    axes.set_ylim(0, top)
    _name_lines(axes, lines, top)
    name_y(axes, "standard error, % of the predicted shift", 0.6)
    names = ", ".join(name for name, _, _ in lines)
    return finished(axes, "frontier-risk", f"Standard errors of the shifts of {names} by dose.")


def _risks(frontier: Frontier) -> list[tuple[str, list[float], list[float]]]:
    found = []
    for place, name in enumerate(frontier.observables[:_LINES]):
        kept = [
            point
            for point in frontier.points
            if point.dose > 0 and point.predicted[place] and np.isfinite(point.stderr[place])
        ]
        shares = [100 * p.stderr[place] / abs(p.predicted[place]) for p in kept]
        if kept:
            found.append((clip(name, 20).text, _doses(frontier, kept), shares))
    return found


def _name_lines(axes: Any, lines: list[tuple[str, list[float], list[float]]], top: float) -> None:
    """Write the name of each line at its end, with room between them."""
    heights: list[float] = []
    for place, (name, _, y) in sorted(enumerate(lines), key=lambda item: item[1][2][-1]):
        height = max(y[-1], heights[-1] + 0.09 * top) if heights else y[-1]
        heights.append(height)
        axes.annotate(
            name,
            (1, height),
            (6, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            color=CHAINS[place % len(CHAINS)],
        )
