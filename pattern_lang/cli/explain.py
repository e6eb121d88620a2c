"""`pat explain`."""

import click
from click.shell_completion import CompletionItem

from pattern_lang.cli.output import format_option
from pattern_lang.diagnostics.catalogue import all_problems
from pattern_lang.diagnostics.explain import explanation
from pattern_lang.diagnostics.suggest import closest


def _codes(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the codes that begin with what is written so far, for the shell."""
    begun = incomplete.upper()
    problems = all_problems().items()
    return [CompletionItem(c, help=p.title) for c, p in problems if c.startswith(begun)]


@click.command()
@click.argument("code", shell_complete=_codes)
@format_option
def explain(code: str, format_: str) -> int:
    """Explain an error code: what it means, a wrong and a corrected example."""
    del format_  # Read by the command line itself for every error.
    wanted = code.strip().upper()
    problems = all_problems()
    if wanted not in problems:
        advice = closest(wanted, problems, "codes look like PAT2001 or PATL001")
        raise click.UsageError(f"there is no code {wanted}; {advice}")
    click.echo(explanation(wanted).rstrip())
    return 0
