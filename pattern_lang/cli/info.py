"""`pat info`."""

import json
from typing import Any

import click

from pattern_lang.api import read_file
from pattern_lang.cli.output import Output, format_option, params_option, search_option
from pattern_lang.cli.summary import summary


@click.command()
@click.argument("file", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@params_option
@search_option
@format_option
def info(
    file: str, as_json: bool, params: dict[str, str], search: tuple[str, ...], format_: str
) -> int:
    """Say what a spec declares and what it needs. Runs no user code."""
    spec = read_file(file, params, search)
    document = summary(spec)
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True))
    else:
        click.echo("\n".join(_lines(document)))
    Output(format_).diagnostics(spec.diagnostics)
    return int(spec.has_errors)


def _lines(document: dict[str, Any]) -> list[str]:
    lines = [document["file"]]
    for kind in ("params", "models", "data", "observables", "patterns", "studies"):
        items = document[kind]
        if items:
            lines.append(f"{kind}: " + ", ".join(item["name"] for item in items))
    if document["needs"]:
        lines.append("needs: " + ", ".join(item["file"] for item in document["needs"]))
    return lines
