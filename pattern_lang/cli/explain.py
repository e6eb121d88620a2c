"""`pat explain`."""

import click

from pattern_lang.diagnostics.catalogue import all_problems
from pattern_lang.diagnostics.suggest import closest
from pattern_lang.resources import explain_file


@click.command()
@click.argument("code")
def explain(code: str) -> int:
    """Explain an error code: what it means, a wrong and a corrected example."""
    wanted = code.strip().upper()
    problems = all_problems()
    if wanted not in problems:
        advice = closest(wanted, problems, "codes look like PAT2001 or PATL001")
        raise click.UsageError(f"there is no code {wanted}; {advice}")
    page = explain_file(wanted)
    if page.is_file():
        click.echo(page.read_text(encoding="utf-8").rstrip())
        return 0
    problem = problems[wanted]
    click.echo(f"# {wanted}: {problem.title}\n\n{(problem.__doc__ or '').strip()}")
    return 0
