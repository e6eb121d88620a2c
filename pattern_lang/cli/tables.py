"""What `pat compile` prints: the table of goals, where the files are, what would be sampled."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pattern_lang.driver import Compiled
from pattern_lang.ir.program import WeightPattern
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.solution import GoalOutcome

_ABOUT_ONE = 0.995


def print_outcome(compiled: Compiled) -> None:
    """Print the verdict on one pattern: goals, constraints, figures, the path of the report."""
    solution, estimate = compiled.solution, compiled.estimate
    console = Console(highlight=False)
    table = Table(title=_title(compiled), title_justify="left", title_style="bold")
    for heading in ("asked", "requested", "predicted", "in sd", "binds"):
        table.add_column(heading, justify="left" if heading == "asked" else "right")
    for outcome in (*solution.goals, *solution.constraints):
        table.add_row(*(Text(cell) for cell in _row(outcome)))
    console.print(table)
    if solution.weights is not None:
        share = float(1 / (solution.weights.astype(float) ** 2).mean())
        shown = "100" if share > _ABOUT_ONE else f"{100 * share:.0f}"
        console.print(
            Text(
                f"{solution.weights.size:,} weights between {solution.weights.min():.3g} and "
                f"{solution.weights.max():.3g}, effective sample size {shown} %"
            )
        )
    how = f"sampled in {estimate.seconds:.1f} s" if estimate.sampled else "taken from the cache"
    console.print(Text(f"estimate {how}"))
    console.print(Text(f"report: {compiled.folder / 'report.html'}"), soft_wrap=True)


def _title(compiled: Compiled) -> Text:
    solution = compiled.solution
    text = f"{compiled.pattern.name}: {solution.status}"
    if solution.dose is not None and solution.dose != 1:
        text += f", dose {solution.dose:.4g}"
    return Text(text)


def _row(outcome: GoalOutcome) -> tuple[str, str, str, str, str]:
    predicted = "" if outcome.predicted is None else f"{outcome.predicted:.4g}"
    if outcome.predicted is not None and outcome.stderr is not None:
        predicted += f" ± {outcome.stderr:.2g}"
    unit = "" if outcome.unit == "1" else f" {outcome.unit}"
    in_sd = "" if outcome.in_sd is None else f"{outcome.in_sd:+.2f}"
    source = outcome.source
    observable = outcome.observable
    if observable is not None and observable not in source:
        source += f"  ({observable})"
    return source, _limits(outcome) + unit, predicted + unit, in_sd, "●" if outcome.binding else ""


def _limits(outcome: GoalOutcome) -> str:
    low, high = outcome.requested
    if low is None and high is None:
        return "as far as it goes"
    if low is None:
        return f"≤ {high:.4g}"
    if high is None:
        return f"≥ {low:.4g}"
    return f"{low:.4g}" if low == high else f"{low:.4g} … {high:.4g}"


def describe_queries(pattern: WeightPattern) -> str:
    """Say what compiling a pattern would sample, and what that costs, without running anything."""
    queries = pattern.queries
    sampler = queries.sampler
    unit = queries.reweight.unit
    lines = [
        f"pattern {pattern.name}: {len(queries.observables)} observables over the {unit}s of "
        f"`{queries.reweight.data.name}`"
    ]
    for number, query in enumerate(queries.posteriors, start=1):
        part = "all parameters" if query.component is None else "one component"
        lines.append(f"  query {number}: posterior of model `{query.model.name}`, {part}")
        lines += [f"    for `{reason.source}` ({reason.location})" for reason in query.reasons]
    lines += [f"  {line}" for line in _cost(queries)]
    if sampler.kind == "default":
        lines.append("  no `estimate` given: the settings are chosen from the model's size")
    return "\n".join(lines)


def _cost(queries: Queries) -> list[str]:
    sampler = queries.sampler
    if sampler.kind not in ("sgld", "rmsprop_sgld"):
        return []
    steps = sampler.chains * (sampler.burn_in + sampler.draws * sampler.thin)
    count = len(queries.posteriors)
    return [
        f"sampler: {sampler.kind}, {sampler.chains} chains × ({sampler.burn_in} burn-in + "
        f"{sampler.draws} draws × {sampler.thin} steps)",
        f"cost: {count * steps:,} gradient steps of {sampler.batch} rows "
        f"({count * steps * sampler.batch:,} rows), and the loss of every unit and of every row "
        f"that an observable needs at {count * sampler.chains * sampler.draws:,} draws",
    ]
