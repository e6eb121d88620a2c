"""What `pat compile` prints: the table of goals, where the files are, what would be sampled."""

from math import isfinite

from attrs import frozen
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pattern_lang.driver import Compiled
from pattern_lang.ir.program import WeightPattern
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.solution import Frontier, FrontierPoint, GoalOutcome

_NARROWEST = 100
_FULL_BATCH = {
    "hmc": "{0.chains} chains × ({0.burn_in:,} burn-in + {0.draws:,} draws), full batch",
    "importance": "{0.chains} chains × {0.draws:,} independent draws, no gradient steps",
    "laplace": "the curvature at the checkpoint, and {0.draws:,} draws",
}


@frozen
class Row:
    """One line of the table: a statement and what became of it."""

    asked: str
    requested: str
    predicted: str
    in_sd: str
    binds: str

    def cells(self) -> tuple[Text, ...]:
        """Return the cells; user text is never read as markup."""
        values = (self.asked, self.requested, self.predicted, self.in_sd, self.binds)
        return tuple(Text(value) for value in values)


def print_outcome(compiled: Compiled) -> None:
    """Print the verdict on one pattern: goals, constraints, figures, the path of the report."""
    solution, estimate = compiled.solution, compiled.estimate
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(console.width, _NARROWEST))
    table = Table(title=_title(compiled), title_justify="left", box=SIMPLE_HEAD)
    for heading in ("asked", "requested", "predicted ± se", "in sd", "binds"):
        table.add_column(heading, justify="left" if heading == "asked" else "right")
    for row in _rows((*solution.goals, *solution.constraints)):
        table.add_row(*row.cells())
    console.print(table)
    if solution.weights is not None:
        share = float(1 / (solution.weights.astype(float) ** 2).mean())
        low, high = float(solution.weights.min()), float(solution.weights.max())
        figures = f"{solution.weights.size:,} weights from {_short(low)} to {_short(high)}"
        console.print(Text(f"{figures}, effective sample size {100 * share:.0f} %"))
    if solution.frontier is not None:
        _print_frontier(console, solution.frontier)
    how = f"sampled in {estimate.seconds:.1f} s" if estimate.sampled else "taken from the cache"
    console.print(Text(f"estimate: {how}"))
    console.print(Text(f"report:   {compiled.folder / 'report.html'}"), soft_wrap=True)


def _print_frontier(console: Console, frontier: Frontier) -> None:
    """Print the frontier, a line for each point; the dose of the weights is marked."""
    fraction = frontier.kind == "fraction"
    table = Table(title="frontier", title_justify="left", box=SIMPLE_HEAD)
    headings = ("of the goals" if fraction else "dose", "effective sample size", "objective")
    for heading in (*headings, "se / shift at most", ""):
        table.add_column(heading, justify="right")
    for place, point in enumerate(frontier.points):
        dose = f"{100 * point.dose:.4g} %" if fraction else _short(point.dose)
        risk = _largest_risk(point)
        table.add_row(
            dose,
            f"{100 * point.ess:.1f} %",
            _short(point.objective),
            "" if risk is None else f"{100 * risk:.2g} %",
            "● these weights" if place == frontier.chosen else "",
        )
    console.print(table)
    if fraction and frontier.largest is not None:
        share = f"{100 * frontier.largest:.4g} %"
        console.print(Text(f"at most {share} of what the goals ask for is feasible"))


def _largest_risk(point: FrontierPoint) -> float | None:
    pairs = zip(point.predicted, point.stderr, strict=True)
    shares = [error / abs(value) for value, error in pairs if value and isfinite(error)]
    return max(shares) if shares and point.dose > 0 else None


def _title(compiled: Compiled) -> Text:
    solution = compiled.solution
    text = f"{compiled.pattern.name}: {solution.status}"
    if solution.status == "infeasible":
        part = "no part" if not solution.dose else f"at most {100 * solution.dose:.3g} %"
        text += f", {part} of the targets is feasible"
    elif solution.dose is not None and solution.dose != 1:
        text += f", dose {solution.dose:.4g}"
    return Text(text, style="bold")


def _rows(outcomes: tuple[GoalOutcome, ...]) -> list[Row]:
    """Return a row for each statement; the two halves of `a <= x <= b` share one."""
    rows: list[Row] = []
    previous: GoalOutcome | None = None
    for outcome in outcomes:
        row = _row(outcome)
        same = previous is not None and outcome.origin is not None
        if same and previous is not None and _is_other_half(previous, outcome):
            rows[-1] = _joined(rows[-1], row)
        else:
            rows.append(row)
        previous = outcome
    return rows


def _is_other_half(one: GoalOutcome, other: GoalOutcome) -> bool:
    return (one.origin, one.source, one.observable) == (
        other.origin,
        other.source,
        other.observable,
    )


def _joined(one: Row, other: Row) -> Row:
    def both(a: str, b: str) -> str:
        return a if a == b else f"{a}, {b}"

    return Row(
        one.asked,
        both(one.requested, other.requested),
        both(one.predicted, other.predicted),
        one.in_sd,
        one.binds or other.binds,
    )


def _row(outcome: GoalOutcome) -> Row:
    unit = "" if outcome.unit == "1" else f" {outcome.unit}"
    predicted = ""
    if outcome.predicted is not None:
        error = "" if outcome.stderr is None else f" ± {outcome.stderr:.2g}"
        predicted = f"{_short(outcome.predicted)}{error}{unit}"
    source, observable = outcome.source, outcome.observable
    if observable is not None and observable not in source:
        source += f"  ({observable})"
    in_sd = "" if outcome.in_sd is None else f"{outcome.in_sd:+.2f}"
    binds = "soft" if outcome.softened else "●" if outcome.binding else ""
    return Row(source, _limits(outcome) + unit, predicted, in_sd, binds)


def _limits(outcome: GoalOutcome) -> str:
    low, high = outcome.requested
    if low is None:
        return "as far as it goes" if high is None else f"≤ {_short(high)}"
    if high is None:
        return f"≥ {_short(low)}"
    if low == high:
        return _short(low)
    return f"± {_short(high)}" if low == -high else f"{_short(low)} … {_short(high)}"


def _short(number: float) -> str:
    return f"{number + 0.0:.4g}"


def describe_queries(pattern: WeightPattern) -> str:
    """Say what compiling a pattern would sample, and what that costs, without running anything."""
    queries = pattern.queries
    reweight = queries.reweight
    lines = [
        f"pattern {pattern.name}: {len(queries.observables)} observables over the "
        f"{reweight.unit}s of `{reweight.data.name}`"
    ]
    for number, query in enumerate(queries.posteriors, start=1):
        part = "all parameters" if query.component is None else query.component.text
        lines.append(f"  query {number}: posterior of model `{query.model.name}`, {part}")
        lines += [f"    for `{reason.source}` ({reason.location})" for reason in query.reasons]
    return "\n".join([*lines, *(f"  {line}" for line in _cost(queries))])


def _cost(queries: Queries) -> list[str]:
    sampler = queries.sampler
    if sampler.kind == "default":
        return ["no `estimate` given: the settings are chosen from the size of the model"]
    if sampler.kind in _FULL_BATCH:
        return [f"sampler: {sampler.kind}, {_FULL_BATCH[sampler.kind].format(sampler)}"]
    steps = sampler.chains * (sampler.burn_in + sampler.draws * sampler.thin)
    count = len(queries.posteriors)
    draws = count * sampler.chains * sampler.draws
    return [
        f"sampler: {sampler.kind}, {sampler.chains} chains × ({sampler.burn_in:,} burn-in + "
        f"{sampler.draws:,} draws × {sampler.thin} steps)",
        f"cost: {count * steps:,} gradient steps of {sampler.batch} rows, and at each of "
        f"{draws:,} draws the loss of every unit and of every row that an observable needs",
    ]
