"""Options that every verb shares, and how diagnostics leave the process."""

import sys
from collections.abc import Callable, Iterable
from typing import Any

import click
from attrs import frozen

from pattern_lang import __version__
from pattern_lang.diagnostics import Diagnostic
from pattern_lang.diagnostics.formats import FORMATS, as_github, as_json, as_sarif
from pattern_lang.diagnostics.render import render_all

Command = Callable[..., Any]


def format_option(command: Command) -> Command:
    """Add `--format`."""
    return click.option(
        "--format",
        "format_",
        type=click.Choice(FORMATS),
        default="text",
        show_default=True,
        help="How diagnostics are written (to standard error).",
    )(command)


def search_option(command: Command) -> Command:
    """Add `-I`."""
    return click.option(
        "-I",
        "search",
        multiple=True,
        metavar="DIR",
        help="A folder to look for files in, after the spec's own. May be repeated.",
    )(command)


def params_option(command: Command) -> Command:
    """Add `-p`."""
    return click.option(
        "-p",
        "params",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_params,
        help="Set a parameter of the spec, such as -p 'dose=2 sd'. May be repeated.",
    )(command)


def _params(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    found = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", context, parameter)
        found[name.strip()] = value.strip()
    return found


@frozen
class Output:
    """Writes diagnostics to standard error in the format asked for."""

    format: str = "text"

    @classmethod
    def of(cls, arguments: list[str]) -> "Output":
        """Return the output for a command line that may not have been read to its end."""
        for name, value in zip(arguments, [*arguments[1:], ""], strict=True):
            text = value if name == "--format" else name.removeprefix("--format=")
            if name.startswith("--format") and text in FORMATS:
                return cls(text)
        return cls()

    def diagnostics(self, found: Iterable[Diagnostic]) -> None:
        """Write diagnostics; the machine formats write a document even when there are none."""
        diagnostics = list(found)
        match self.format:
            case "json":
                text = as_json(diagnostics)
            case "github":
                text = as_github(diagnostics)
            case "sarif":
                text = as_sarif(diagnostics, __version__)
            case _:
                text = render_all(diagnostics, colour=sys.stderr.isatty())
        sys.stderr.write(text)
        sys.stderr.flush()
