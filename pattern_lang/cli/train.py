"""`pat train`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pattern_lang.cli.output import Output, format_option, search_option
from pattern_lang.driver import train_folder

if TYPE_CHECKING:
    from pattern_lang.train.command import TrainedPlan


@click.command()
@click.argument("plan", type=click.Path())
@click.option("--using", metavar="EXPR", help="An optimizer, such as 'adamw(lr: …, steps: …)'.")
@click.option("--study", metavar="S", help="Train as this study of the spec says.")
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="The seed."
)
@click.option("--compare", is_flag=True, help="Train without weights too; show realised shifts.")
@click.option("-o", "--out", metavar="DIR", help="Where to write; `train` beside the plan if not.")
@click.option("--spec", metavar="FILE", help="The spec of the plan, where it is not found.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run, as always happens.")
@click.option("--fresh", is_flag=True, help="Start over: use no checkpoint and no finished run.")
@click.option("--device", metavar="D", help="torch's name of a device; a GPU where there is one.")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads on a processor.")
@search_option
@format_option
def train(
    plan: str,
    using: str | None,
    study: str | None,
    seed: int,
    compare: bool,
    out: str | None,
    spec: str | None,
    resume: bool,
    fresh: bool,
    device: str | None,
    threads: int | None,
    search: tuple[str, ...],
    format_: str,
) -> int:
    """Train a network on the weights of PLAN: a folder that `pat compile` wrote, or its plan.json.

    The weighted objective is Σ w ℓ / Σ w. Equal inputs and seeds give equal bits, also after an
    interruption. Writes model.safetensors, events.jsonl and run.json for each run.
    """
    from pattern_lang.cli.progress import TerminalReporter
    from pattern_lang.train.service import Means

    if resume and fresh:
        raise click.UsageError("--resume goes on, --fresh starts over: give one of them")
    means = Means(TerminalReporter.create(), fresh, device, threads)
    read, trained = train_folder(
        Path(plan),
        Path(out) if out else None,
        means,
        spec_file=Path(spec) if spec else None,
        search=search,
        using=using,
        study=study,
        seed=seed,
        compare=compare,
    )
    _print(trained)
    Output(format_).diagnostics(read.diagnostics)
    return 0


def _print(trained: "TrainedPlan") -> None:
    from pattern_lang.cli.training import print_measures, print_outcomes

    print_measures(trained)
    if trained.outcomes:
        print_outcomes(trained.outcomes)
    click.echo(f"model:    {trained.folder / 'model.safetensors'}")
    click.echo(f"events:   {trained.folder / 'events.jsonl'}")
