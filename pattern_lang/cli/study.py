"""`pat study`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pattern_lang.api import read_file
from pattern_lang.cli.output import Output, format_option, params_option, search_option
from pattern_lang.driver import choose_study, help_study, study_spec

if TYPE_CHECKING:
    from pattern_lang.estimate import Reporter
    from pattern_lang.train.service import Means


@click.command()
@click.argument("file", type=click.Path())
@click.option("--study", "name", metavar="S", help="This study, where the spec has several.")
@click.option(
    "-o", "--out", default="build", show_default=True, metavar="DIR", help="Where to write."
)
@click.option("--resume", is_flag=True, help="Go on with an interrupted study, as always happens.")
@click.option("--fresh", is_flag=True, help="Start over: train every run anew.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Processes that train.")
@click.option("--device", metavar="D", help="torch's name of a device; a GPU where there is one.")
@click.option("--helper", type=int, hidden=True, help="Train what is free for this process.")
@params_option
@search_option
@format_option
def study(
    file: str,
    name: str | None,
    out: str,
    resume: bool,
    fresh: bool,
    jobs: int | None,
    device: str | None,
    helper: int | None,
    params: dict[str, str],
    search: tuple[str, ...],
    format_: str,
) -> int:
    """Train every arm × seed of a study, measure, compare predicted with realised shifts.

    Writes results.parquet, verdicts.json and report.html into DIR/STUDY. Runs that are done are not
    done again; several processes may be given the same command.
    """
    from pattern_lang.train.service import Means

    if resume and fresh:
        raise click.UsageError("--resume goes on, --fresh starts over: give one of them")
    spec = read_file(file, params, search)
    if helper is not None:
        help_study(spec, name, Path(out), Means(_silent(), device=device), helper)
        return 0
    chosen = choose_study(spec, name)
    command = ["study", file, "--study", chosen.name, "-o", out, "--helper", str(os.getpid())]
    command += ["--device", device] if device else []
    command += [word for key, value in params.items() for word in ("-p", f"{key}={value}")]
    command += [word for folder in search for word in ("-I", folder)]
    found = study_spec(spec, name, Path(out), _means(fresh, device), command, jobs=jobs)
    from pattern_lang.cli.training import print_study

    print_study(found)
    said = dict.fromkeys((*spec.diagnostics, *found.diagnostics))
    Output(format_).diagnostics(said)
    return next((d.exit_status for d in said if d.is_error), 0)


def _means(fresh: bool, device: str | None) -> "Means":
    from pattern_lang.cli.progress import TerminalReporter
    from pattern_lang.train.service import Means

    return Means(TerminalReporter.create(), fresh, device)


def _silent() -> "Reporter":
    from pattern_lang.estimate import SilentReporter

    return SilentReporter()
