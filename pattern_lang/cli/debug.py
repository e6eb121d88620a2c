"""`pat debug`."""

from collections.abc import Iterator
from typing import Any

import click
from attrs import fields, has

from pattern_lang.api import read_file
from pattern_lang.cli.output import Output, format_option, params_option, search_option
from pattern_lang.driver import ReadSpec

STAGES = ("tree", "program", "queries", "goals")


@click.command()
@click.argument("stage", type=click.Choice(STAGES))
@click.argument("file", type=click.Path())
@params_option
@search_option
@format_option
def debug(
    stage: str, file: str, params: dict[str, str], search: tuple[str, ...], format_: str
) -> int:
    """Print what the compiler has after one of its first stages. Runs no user code."""
    spec = read_file(file, params, search)
    for line in _lines(stage, spec):
        click.echo(line)
    Output(format_).diagnostics(spec.diagnostics)
    return int(spec.has_errors)


def _lines(stage: str, spec: ReadSpec) -> Iterator[str]:
    if stage == "tree":
        for declaration in spec.checked.main.file.declarations:
            yield from outline(declaration, 0)
    elif stage == "program":
        for symbol, type_ in spec.checked.types.items():
            yield f"{symbol.module.name}: {symbol.name}: {type_}"
    for pattern in spec.lowered.patterns.values():
        if stage == "queries":
            yield from outline(pattern.queries, 0)
        elif stage == "goals":
            yield f"pattern {pattern.name}"
            for item in (*pattern.goals, *pattern.constraints, pattern.objective):
                yield from outline(item, 1)


def outline(value: Any, depth: int, label: str = "") -> Iterator[str]:
    """Return a value of attrs classes and tuples as an indented outline."""
    pad = "  " * depth + (f"{label}: " if label else "")
    if has(type(value)):
        yield f"{pad}{type(value).__name__}"
        for attribute in fields(type(value)):
            inner = getattr(value, attribute.name)
            if attribute.name not in ("span", "origin", "module_span") and inner not in (None, ()):
                yield from outline(inner, depth + 1, attribute.name)
    elif isinstance(value, tuple) and any(has(type(v)) or isinstance(v, tuple) for v in value):
        yield pad.rstrip()
        for item in value:
            yield from outline(item, depth + 1)
    else:
        yield f"{pad}{value!r}"
