"""`pat explain`."""

import click

from pattern_lang.diagnostics.catalogue import all_problems
from pattern_lang.diagnostics.explain import explanation
from pattern_lang.diagnostics.suggest import closest


@click.command()
@click.argument("code")
def explain(code: str) -> int:
    """Explain an error code: what it means, a wrong and a corrected example."""
    wanted = code.strip().upper()
    problems = all_problems()
    if wanted not in problems:
        advice = closest(wanted, problems, "codes look like PAT2001 or PATL001")
        raise click.UsageError(f"there is no code {wanted}; {advice}")
    click.echo(explanation(wanted).rstrip())
    return 0
