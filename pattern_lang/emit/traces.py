"""The picture of a calibration: a small plot of traces for each setting and posterior."""

import io
from textwrap import wrap
from typing import Any

import numpy as np

from pattern_lang.emit.report.canvas import drawing
from pattern_lang.emit.report.svg import ACCENT, CHAINS, INK, MUTED
from pattern_lang.emit.report.words import visible
from pattern_lang.ir.calibration import Calibration, PosteriorTrial, Trial

_WORDS, _WIDTH, _HEIGHT = 2.5, 3.5, 1.5
_MOST = 6
_LEGEND = (
    "A line is a chain. Solid: the loss at θ*. Dashed: the level. Shaded: left out of all figures."
)
_GOOD, _BAD = ACCENT, "#a8322d"


def draw_traces(calibration: Calibration) -> bytes:
    """Return a PNG: a row for each setting, a column for each posterior (the first few).

    The mean loss above that at θ*, against steps. What every figure leaves out is shaded.
    """
    trials = calibration.trials
    columns = min(max((len(trial.posteriors) for trial in trials), default=1), _MOST)
    rows = max(len(trials), 1)
    with drawing():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        size = (_WORDS + _WIDTH * columns, _HEIGHT * rows + 0.6)
        figure = Figure(figsize=size, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        shares = [_WORDS] + [_WIDTH] * columns
        grid = figure.subplots(rows, columns + 1, squeeze=False, width_ratios=shares)
        for row, trial in zip(grid, trials, strict=False):
            _say(row[0], trial, calibration)
            for axes, item in zip(row[1:], trial.posteriors, strict=False):
                _traces(axes, item, len(CHAINS))
        for axes, item in zip(grid[0][1:], trials[0].posteriors if trials else (), strict=False):
            axes.set_title(_clipped(f"{item.posterior}: mean loss - that at θ*, nats"), fontsize=9)
        for axes in grid[-1][1:]:
            axes.set_xlabel("gradient steps")
        figure.supxlabel(_LEGEND, fontsize=8.5, color=MUTED, x=0.01, ha="left")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    return buffer.getvalue()


def _say(axes: Any, trial: Trial, calibration: Calibration) -> None:
    """Write settings and verdict beside their plots."""
    sampler = trial.sampler
    axes.set_axis_off()
    chosen = trial.is_choice(calibration)
    mark = "chosen" if chosen else trial.what
    head = f"nβ {sampler.nbeta:g},  γ {sampler.localization:g},  step {sampler.step:g}"
    colour = _GOOD if trial.sound else _BAD
    verdict = "sound" if trial.sound else "; ".join(trial.worst.reasons)
    if mark:
        verdict = f"{mark}: {verdict}"
    lines = wrap(visible(verdict), 36)[:3]
    weight = "bold" if chosen else "normal"
    figures = f"R-hat {trial.r_hat:.3f},  nβ·excess {trial.mean_excess:.3g}"
    places = ((1.0, head, INK), (0.8, figures, MUTED), (0.6, "\n".join(lines), colour))
    for height, text, shade in places:
        axes.text(0, height, text, va="top", color=shade, weight=weight, transform=axes.transAxes)
        weight = "normal"


def _traces(axes: Any, item: PosteriorTrial, colours: int) -> None:
    """Draw the chains of one posterior; a cross marks where one diverged."""
    for number, chain in enumerate(item.loss):
        there = np.isfinite(chain)
        colour = CHAINS[number % colours]
        axes.plot(item.steps[there], chain[there], color=colour, linewidth=0.8)
    kept = item.loss[:, item.skipped :]
    if item.skipped:
        axes.axvspan(0, item.steps[item.skipped - 1], color=MUTED, alpha=0.12, linewidth=0)
    if np.isfinite(kept).all():
        axes.axhline(float(kept.mean()), color=INK, linewidth=0.8, linestyle=(0, (5, 3)))
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.set_xlim(0, item.steps[-1])
    axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    axes.locator_params(axis="y", nbins=4)
    axes.locator_params(axis="x", nbins=4)
    if not item.sound:
        for side in ("left", "bottom"):
            axes.spines[side].set_color(_BAD)


def _clipped(text: str) -> str:
    text = visible(text)
    return text if len(text) <= 52 else text[:51] + "…"
