"""`pat calibrate`."""

from pathlib import Path

import click

from pattern_lang.api import read_file
from pattern_lang.cli.output import Output, format_option, params_option, search_option
from pattern_lang.diagnostics import Diagnostic
from pattern_lang.diagnostics.catalogue.estimates import NothingSound
from pattern_lang.driver import Calibrated, calibrate_patterns, choose_patterns


@click.command()
@click.argument("file", type=click.Path())
@click.option("--pattern", metavar="P", help="Calibrate for this pattern only.")
@click.option(
    "-o", "--out", default="build", show_default=True, metavar="DIR", help="Where to write."
)
@params_option
@search_option
@format_option
def calibrate(
    file: str,
    pattern: str | None,
    out: str,
    params: dict[str, str],
    search: tuple[str, ...],
    format_: str,
) -> int:
    """Sweep sampler settings, say which are sound, print the `estimate` statement to paste.

    Writes a picture of the traces and calibration.json below DIR.
    """
    from pattern_lang.cli.calibration import print_calibration
    from pattern_lang.cli.progress import TerminalReporter

    spec = read_file(file, params, search)
    names = choose_patterns(spec, pattern)
    reporter = TerminalReporter.create()
    groups: dict[int, list[Calibrated]] = {}
    for item in calibrate_patterns(spec, names, Path(out), reporter=reporter):
        groups.setdefault(id(item.calibration), []).append(item)
    found: list[Diagnostic] = list(spec.diagnostics)
    for group in groups.values():
        print_calibration(group)
        if group[0].statement is None:
            found.append(_nothing(group[0]))
    Output(format_).diagnostics(dict.fromkeys(found))
    return next((d.exit_status for d in found if d.is_error), 0)


def _nothing(item: Calibrated) -> Diagnostic:
    """Say that no setting was sound, and what came nearest."""
    trials = item.calibration.trials
    nearest = max(trials, key=lambda trial: trial.rate)
    sampler = nearest.sampler
    return NothingSound(
        span=item.pattern.origin,
        tried=len(trials),
        nearest=(
            f"with nbeta {sampler.nbeta:g} and localization {sampler.localization:g}, "
            f"{nearest.worst.reasons[0]}"
        ),
        advice=f"look at the traces in {item.folder}; try `rmsprop_sgld(…)`, a larger batch, or "
        "a checkpoint nearer to a minimum of the loss on these data",
    ).diagnostic()
