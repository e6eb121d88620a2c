"""`pat compile`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pattern_lang.api import read_file
from pattern_lang.cli.output import Output, format_option, params_option, search_option
from pattern_lang.diagnostics import Diagnostic
from pattern_lang.driver import CACHE, ReadSpec, choose_patterns, compile_pattern, help_pattern

if TYPE_CHECKING:
    from pattern_lang.estimate.ranks import Rank


@click.command("compile")
@click.argument("file", type=click.Path())
@click.option("--pattern", metavar="P", help="Compile this pattern only.")
@click.option(
    "-o", "--out", default="build", show_default=True, metavar="DIR", help="Where to write."
)
@click.option("--dry-run", is_flag=True, help="Print what would be sampled; run nothing.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run, as always happens.")
@click.option("--fresh", is_flag=True, help="Start over: use no stored estimate and no checkpoint.")
@click.option("--control", is_flag=True, help="Estimate at nβ = 0 too, and compare.")
@click.option("--frontier", is_flag=True, help="Solve at other doses too: dose against cost.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Processes that sample.")
@params_option
@search_option
@format_option
def compile_(
    file: str,
    pattern: str | None,
    out: str,
    dry_run: bool,
    resume: bool,
    fresh: bool,
    control: bool,
    frontier: bool,
    jobs: int | None,
    params: dict[str, str],
    search: tuple[str, ...],
    format_: str,
) -> int:
    """Estimate susceptibilities, solve for the weights, write weights, plan and report.

    Started several times at once, by torchrun, srun or a job array, the processes share the chains.
    """
    if resume and fresh:
        raise click.UsageError("--resume goes on, --fresh starts over: give one of them")
    output = Output(format_)
    spec = read_file(file, params, search)
    names = choose_patterns(spec, pattern)
    if dry_run:
        output.diagnostics(spec.diagnostics)
        return _dry_run(spec, names)
    rank = _rank(fresh)
    if not rank.leads:
        return _help(spec, names, Path(out), rank, jobs=jobs, control=control)
    return _compile_all(
        spec,
        names,
        Path(out),
        output,
        rank,
        fresh=fresh,
        jobs=jobs,
        control=control,
        frontier=frontier,
    )


def _rank(fresh: bool) -> "Rank":
    from pattern_lang.estimate.ranks import rank_here

    rank = rank_here()
    if fresh and rank.count > 1:
        message = "--fresh needs one process; before starting several, remove DIR/.cache"
        raise click.UsageError(message)
    return rank


def _help(
    spec: ReadSpec,
    names: tuple[str, ...],
    out: Path,
    rank: "Rank",
    *,
    jobs: int | None,
    control: bool,
) -> int:
    from pattern_lang.cli.progress import TerminalReporter

    reporter = TerminalReporter.create()
    for name in names:
        help_pattern(spec, name, out, rank, reporter=reporter, workers=jobs or 1, control=control)
    return 0


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
    rank: "Rank",
    *,
    fresh: bool,
    jobs: int | None,
    control: bool,
    frontier: bool,
) -> int:
    from pattern_lang.cli.progress import TerminalReporter
    from pattern_lang.cli.tables import print_outcome
    from pattern_lang.emit.wanted import want

    reporter = TerminalReporter.create()
    found: list[Diagnostic] = list(spec.diagnostics)
    want(out / CACHE, names)
    jobs = jobs or (1 if rank.count > 1 else None)
    for name in names:
        if len(names) > 1:
            reporter.message(f"pattern {name}")
        compiled = compile_pattern(
            spec,
            name,
            out,
            reporter=reporter,
            fresh=fresh,
            workers=jobs,
            control=control,
            frontier=frontier,
            rank=rank,
        )
        print_outcome(compiled)
        found.extend(compiled.diagnostics)
        # One request for a fresh estimate is enough: the patterns of a spec may share it.
    output.diagnostics(dict.fromkeys(found))
    return next((d.exit_status for d in found if d.is_error), 0)
