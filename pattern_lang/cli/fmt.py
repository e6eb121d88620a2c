"""`pat fmt`."""

import difflib
import sys
from pathlib import Path

import click

from pattern_lang.api import read_text
from pattern_lang.cli.output import Output, format_option
from pattern_lang.diagnostics import Diagnostic, PatternError, SourceFile
from pattern_lang.diagnostics.catalogue.names import CannotWrite
from pattern_lang.files import write_atomically
from pattern_lang.syntax.formatting import format_source
from pattern_lang.syntax.recover import parse


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path())
@click.option("--check", "only_check", is_flag=True, help="Change nothing; exit 1 if it would.")
@click.option("--diff", is_flag=True, help="Change nothing; print what would change.")
@format_option
def fmt(files: tuple[str, ...], only_check: bool, diff: bool, format_: str) -> int:
    """Rewrite specs in the one canonical layout; `-` reads standard input and prints.

    The result is proven to have the same meaning and the same comments before it is written.
    """
    found: list[Diagnostic] = []
    changed = 0
    for file in files:
        try:
            changed += _format(file, only_check=only_check, diff=diff)
        except PatternError as error:
            found.extend(error.diagnostics)
    if found or format_ != "text":
        Output(format_).diagnostics(found)
    return int(bool(found) or (only_check and changed > 0))


def _format(file: str, *, only_check: bool, diff: bool) -> bool:
    """Format one file; tell whether it was not in the canonical layout."""
    text = sys.stdin.read() if file == "-" else read_text(file)
    name = "<stdin>" if file == "-" else file
    _, problems = parse(SourceFile(name, text))
    if problems:
        raise PatternError(problems)
    formatted = format_source(text, name)
    if diff:
        lines = text.splitlines(keepends=True), formatted.splitlines(keepends=True)
        sys.stdout.writelines(difflib.unified_diff(*lines, name, f"{name} (formatted)"))
    elif only_check:
        if formatted != text:
            click.echo(f"{name}: would be reformatted")
    elif file == "-":
        click.echo(formatted, nl=False)
    elif formatted != text:
        _write(file, formatted)
        click.echo(f"{name}: reformatted")
    return formatted != text


def _write(file: str, text: str) -> None:
    try:
        write_atomically(Path(file).resolve(), text.encode())
    except OSError as error:
        reason = error.strerror or str(error)
        raise PatternError([CannotWrite(path=file, reason=reason)]) from None
