"""`pat compile`."""

from pathlib import Path

import click

from pattern_lang.api import read_file
from pattern_lang.cli.output import Output, format_option, params_option, search_option
from pattern_lang.diagnostics import Diagnostic
from pattern_lang.driver import ReadSpec, choose_patterns, compile_pattern


@click.command("compile")
@click.argument("file", type=click.Path())
@click.option("--pattern", metavar="P", help="Compile this pattern only.")
@click.option(
    "-o", "--out", default="build", show_default=True, metavar="DIR", help="Where to write."
)
@click.option("--dry-run", is_flag=True, help="Print what would be sampled; run nothing.")
@click.option("--fresh", is_flag=True, help="Estimate again even where the cache has an answer.")
@click.option("--control", is_flag=True, help="Estimate at nβ = 0 too, and compare.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Processes that sample.")
@params_option
@search_option
@format_option
def compile_(
    file: str,
    pattern: str | None,
    out: str,
    dry_run: bool,
    fresh: bool,
    control: bool,
    jobs: int | None,
    params: dict[str, str],
    search: tuple[str, ...],
    format_: str,
) -> int:
    """Estimate susceptibilities, solve for the weights, write weights, plan and report."""
    output = Output(format_)
    spec = read_file(file, params, search)
    names = choose_patterns(spec, pattern)
    if dry_run:
        output.diagnostics(spec.diagnostics)
        return _dry_run(spec, names)
    return _compile_all(spec, names, Path(out), output, fresh=fresh, jobs=jobs, control=control)


def _dry_run(spec: ReadSpec, names: tuple[str, ...]) -> int:
    from pattern_lang.cli.tables import describe_queries

    for name in names:
        click.echo(describe_queries(spec.lowered.patterns[name]))
    return 0


def _compile_all(
    spec: ReadSpec,
    names: tuple[str, ...],
    out: Path,
    output: Output,
    *,
    fresh: bool,
    jobs: int | None,
    control: bool,
) -> int:
    from pattern_lang.cli.progress import TerminalReporter
    from pattern_lang.cli.tables import print_outcome

    reporter = TerminalReporter.create()
    found: list[Diagnostic] = list(spec.diagnostics)
    for name in names:
        if len(names) > 1:
            reporter.message(f"pattern {name}")
        compiled = compile_pattern(
            spec, name, out, reporter=reporter, fresh=fresh, workers=jobs, control=control
        )
        print_outcome(compiled)
        found.extend(compiled.diagnostics)
        # One request for a fresh estimate is enough: the patterns of a spec may share it.
    output.diagnostics(dict.fromkeys(found))
    return next((d.exit_status for d in found if d.is_error), 0)
