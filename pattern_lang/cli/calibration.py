"""What `pat calibrate` prints: the settings with their verdicts, and the statement to paste."""

from collections.abc import Sequence
from math import isfinite
from textwrap import indent

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pattern_lang.driver import Calibrated
from pattern_lang.ir.calibration import Calibration, Trial

_NARROWEST = 110
_COLUMNS = ("nbeta", "localization", "step", "R-hat", "eff. draws/s", "nβ·excess", "run", "verdict")


def print_calibration(group: Sequence[Calibrated]) -> None:
    """Print what was tried for patterns that share one setting."""
    result = group[0].calibration
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(console.width, _NARROWEST))
    names = ", ".join(item.pattern.name for item in group)
    table = Table(title=Text(names, style="bold"), title_justify="left", box=SIMPLE_HEAD)
    for heading in _COLUMNS:
        table.add_column(heading, justify="left" if heading == "verdict" else "right")
    for trial in result.trials:
        table.add_row(*_cells(trial, result))
    console.print(table)
    console.print(Text(f"kind {_kind(result)}; {_spent(result)}"))
    for remark in result.remarks:
        console.print(Text(f"note: {remark}"))
    if group[0].statement is not None:
        console.print(Text(f"\npaste into the pattern (the whole run takes {_run(result)}):\n"))
        console.print(Text(indent(group[0].statement, "  ")), soft_wrap=True)
    for item in group:
        console.print(Text(f"written: {item.folder / 'calibration.json'}"), soft_wrap=True)
    if group[0].drawn:
        console.print(Text(f"traces:  {group[0].folder / 'calibration.png'}"), soft_wrap=True)
    else:
        console.print(Text("no picture: matplotlib is missing, `pip install pattern-lang[report]`"))


def _cells(trial: Trial, result: Calibration) -> tuple[Text, ...]:
    sampler = trial.sampler
    verdict = "sound" if trial.sound else "; ".join(trial.worst.reasons)
    if trial.what:
        verdict = f"{trial.what}: {verdict}"
    if trial.is_choice(result):
        verdict += ", chosen"
    style = "bold" if trial.is_choice(result) else "" if trial.sound else "dim"
    cells = (
        f"{sampler.nbeta:g}",
        f"{sampler.localization:g}",
        f"{sampler.step:.0e}".replace("e-0", "e-"),
        _short(trial.r_hat, ".3f"),
        _short(trial.rate, ".3g"),
        _short(trial.mean_excess, ".3g"),
        _duration(trial.expected),
        verdict,
    )
    return tuple(Text(cell, style=style) for cell in cells)


def _kind(result: Calibration) -> str:
    sampler = result.trials[0].sampler
    return f"{sampler.kind}, batch {sampler.batch}"


def _spent(result: Calibration) -> str:
    return f"{len(result.trials)} settings in {result.spent:.0f} s"


def _run(result: Calibration) -> str:
    return f"about {_duration(result.seconds)} in one process"


def _duration(seconds: float) -> str:
    if not isfinite(seconds):
        return "-"
    if seconds < 120:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _short(value: float, form: str) -> str:
    return format(value, form) if isfinite(value) else "-"
