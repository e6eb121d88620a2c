"""`pat check`."""

import click

from pattern_lang.api import load
from pattern_lang.cli.output import Output, format_option, params_option, search_option
from pattern_lang.diagnostics import Diagnostic, PatternError


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path())
@params_option
@search_option
@format_option
def check(
    files: tuple[str, ...], params: dict[str, str], search: tuple[str, ...], format_: str
) -> int:
    """Parse, resolve and check names, types, units and convexity. Runs no user code."""
    found: list[Diagnostic] = []
    for file in files:
        try:
            diagnostics = load(file, params, search).diagnostics
        except PatternError as error:
            diagnostics = error.diagnostics
        found.extend(diagnostics)
        if format_ == "text" and not any(d.is_error for d in diagnostics):
            click.echo(f"{file}: no errors")
    Output(format_).diagnostics(found)
    return int(any(d.is_error for d in found))
