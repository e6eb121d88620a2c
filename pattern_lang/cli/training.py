"""What training gave, as tables on a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from pattern_lang.driver import Studied
    from pattern_lang.ir.findings import Spread
    from pattern_lang.train.command import TrainedPlan
    from pattern_lang.train.goals import Outcome

_NARROWEST = 100


def _console() -> Console:
    console = Console(highlight=False, markup=False)
    if console.is_terminal:
        return console
    return Console(highlight=False, markup=False, width=max(console.width, _NARROWEST))


def print_measures(trained: "TrainedPlan") -> None:
    """Print what was measured at the end, with the weights and without."""
    table = Table(
        title=f"{trained.run['name']}, seed {trained.run['seed']}, at the end",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    table.add_column("measure")
    table.add_column("with the weights", justify="right")
    if trained.base is not None:
        table.add_column("without", justify="right")
    for name, value in trained.run["measures"].items():
        cells = [name, _short(value)]
        if trained.base is not None:
            cells.append(_short(trained.base["measures"].get(name)))
        table.add_row(*cells)
    if table.row_count:
        _console().print(table)


def print_outcomes(outcomes: Sequence["Outcome"]) -> None:
    """Print what was predicted of the goals, and what happened."""
    table = Table(title="predicted and realised", title_justify="left", box=SIMPLE_HEAD)
    for heading in ("asked", "of", "predicted ± se", "realised"):
        table.add_column(heading, justify="left" if heading in ("asked", "of") else "right")
    for item in outcomes:
        predicted = f"{_short(item.predicted)} ± {_short(item.stderr)}"
        realised = "not measurable" if item.realised is None else _short(item.realised)
        table.add_row(item.source, item.observable, f"{predicted} {item.unit}", realised)
    _console().print(table)


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def print_study(studied: "Studied") -> None:
    """Print the verdicts of a study, and where its report is."""
    findings, console = studied.findings, _console()
    title = f"{findings.name}: {len(findings.arms)} arms × {len(findings.seeds)} seeds"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for heading in ("arm", "of", "predicted", "realised", "over shuffled", "p", "verdict"):
        left = heading in ("arm", "of", "verdict")
        table.add_column(heading, justify="left" if left else "right", overflow="fold")
    for item in findings.verdicts:
        cells = (_short(item.predicted), _spread(item.realised), _spread(item.over_shuffled))
        p = "–" if item.p is None else f"{item.p:.2g}"
        table.add_row(item.arm, f"{item.kind} {item.observable}", *cells, p, item.verdict)
    console.print(table)
    for line in findings.lines:
        if line.slope is not None:
            slope = _spread(line.slope)
            console.print(f"{line.observable}: realised = ({slope}) × predicted")
    click.echo(f"report:   {studied.folder / 'report.html'}")


def _spread(found: "Spread | None") -> str:
    if found is None:
        return "–"
    if found.low is None or found.high is None:
        return _short(found.mean)
    return f"{found.mean:.3g} ± {(found.high - found.low) / 2:.2g}"
