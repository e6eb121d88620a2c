"""The report's page: gathers what each section shows and fills the template."""

import hashlib
from importlib import resources
from typing import Any

import numpy as np
from attrs import frozen
from markupsafe import Markup

from pattern_lang.emit.canonical import compact_json
from pattern_lang.emit.figures import weight_figures
from pattern_lang.emit.report import canvas, chains, plots
from pattern_lang.emit.report.bounds import shares_at_bounds
from pattern_lang.emit.report.frontier import frontier_plots, frontier_view
from pattern_lang.emit.report.listing import listing
from pattern_lang.emit.report.noise import noise_view
from pattern_lang.emit.report.outcomes import headline, outcome_rows
from pattern_lang.emit.report.prices import price_rows
from pattern_lang.emit.report.profile import extremes, profiles
from pattern_lang.emit.report.spectrum import directions, heat_map
from pattern_lang.emit.report.words import clip, coded, count, fixed, line, number, percent
from pattern_lang.ir.program import WeightPattern
from pattern_lang.ir.solution import GoalOutcome, Solution
from pattern_lang.ir.susceptibility import Estimate

_CODE = ("emit", "emit/report", "emit/templates")


@frozen(eq=False)
class ReportInput:
    """Everything that the report shows. `plan` is the plan without its digest of the report."""

    pattern: WeightPattern
    estimate: Estimate
    solution: Solution
    spec_text: str
    spec_name: str
    plan: dict[str, Any]


def report_fingerprint(subject: ReportInput) -> str:
    """Return a digest of all that the report's bytes depend on, which is cheaper than the report.

    The plan holds the digests of the other files; only what no file holds is added.
    """
    state = hashlib.sha256(compact_json(subject.plan).encode())
    state.update(subject.spec_text.encode("utf-8", "replace"))
    for trace in subject.estimate.traces:
        state.update(np.ascontiguousarray(trace.loss, np.float64).tobytes())
    for name, values in subject.estimate.units.fields.items():
        state.update(name.encode("utf-8", "replace"))
        _add_values(state, values)
    state.update(b"plots" if canvas.plots_expected() else b"no plots")
    state.update(_code_digest())
    return "sha256:" + state.hexdigest()


def _add_values(state: "hashlib._Hash", values: Any) -> None:
    if values.dtype.kind != "O":
        state.update(np.ascontiguousarray(values).tobytes())
        return
    for item in values.tolist():
        state.update(str(item).encode("utf-8", "replace"))
        state.update(b"\0")


def _code_digest() -> bytes:
    """Return a digest of the code and templates that make the report."""
    state = hashlib.sha256()
    for part in _CODE:
        folder = resources.files("pattern_lang").joinpath(part)
        for item in sorted(folder.iterdir(), key=lambda item: item.name):
            if item.name.endswith((".py", ".j2", ".css")):
                state.update(item.read_bytes())
    return state.digest()


def render_report(subject: ReportInput) -> bytes:
    """Return the page; equal input gives equal bytes."""
    page: str = templates().get_template("report.html.j2").render(_context(subject))
    return page.encode("utf-8", "replace")


def templates() -> Any:
    """Return the environment that every page is made in: escaped, strict, and without code."""
    from jinja2 import FunctionLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        loader=FunctionLoader(template_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        coded=coded, count=count, number=number, percent=percent, fixed=fixed, clip=clip
    )
    return environment


def template_text(name: str) -> str:
    """Return a file of the folder of templates."""
    folder = resources.files("pattern_lang").joinpath("emit/templates")
    return folder.joinpath(name).read_text(encoding="utf-8")


def _context(subject: ReportInput) -> dict[str, Any]:
    pattern, estimate, solution = subject.pattern, subject.estimate, subject.solution
    weights = solution.weights
    figures = None if weights is None else weight_figures(weights)
    unsound = tuple(item.posterior for item in estimate.diagnostics if not item.sound)
    clash = frozenset(solution.conflict)
    shift = len(solution.goals)
    goal_rows = outcome_rows(solution.goals, clash)
    rule_rows = outcome_rows(solution.constraints, frozenset(i - shift for i in clash))
    outcomes = zip((*solution.goals, *solution.constraints), (*goal_rows, *rule_rows), strict=True)
    ends = None if weights is None else extremes(weights, estimate.susceptibility, estimate.units)
    return {
        "css": Markup(template_text("report.css")),  # noqa: S704 - ships with the package
        "name": line(pattern.name, 80),
        "spec_name": line(subject.spec_name, 120),
        "unit": pattern.queries.reweight.unit,
        "head": headline(solution, figures.ess_share if figures else None, unsound),
        "plan": subject.plan,
        "figures": figures,
        "bounds": [] if weights is None else shares_at_bounds(weights, pattern.constraints),
        "goals": goal_rows,
        "constraints": rule_rows,
        "prices": price_rows(pattern, solution),
        "noise": noise_view(solution),
        "frontier": frontier_view(solution),
        "ends": ends,
        "profiles": [] if weights is None else profiles(weights, estimate.units),
        "families": directions(estimate),
        "posteriors": chains.posterior_rows(estimate),
        "listing": listing(subject.spec_text, outcomes),
        "certificate": _flat(subject.plan["certificate"]),
        "sampler": _flat(subject.plan["sampler"]),
        "plots": _plots(subject),
    }


def _flat(document: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return nested figures as readable (name, value) pairs."""
    pairs: list[tuple[str, str]] = []
    for key, value in document.items():
        name = line(f"{prefix}{key}".replace("_", " "), 80)
        if isinstance(value, dict):
            pairs += _flat(value, f"{name} · ")
        elif isinstance(value, float):
            pairs.append((name, number(value, 4)))
        else:
            shown = clip(compact_json(value) if isinstance(value, list) else value, 120)
            pairs.append((name, shown.text))
    return pairs


def _plots(subject: ReportInput) -> dict[str, Any]:
    """Return the plots by name; each is None where there is nothing to draw, or no matplotlib."""
    estimate, solution = subject.estimate, subject.solution
    drawn: dict[str, Any] = {
        "available": canvas.plots_available(),
        "goals": None,
        "histogram": None,
        "heat": None,
        "traces": [],
        "frontier": (),
    }
    if not drawn["available"]:
        return drawn
    lead = next((goal.observable for goal in solution.goals if goal.observable), None)
    heat = heat_map(estimate.susceptibility, solution.weights, lead)
    with canvas.drawing():
        if marks := _marks(subject):
            drawn["goals"] = plots.goals_plot(marks, _goals_label(subject.solution.goals))
        if solution.weights is not None:
            bounds = shares_at_bounds(solution.weights, subject.pattern.constraints)
            label = "Histogram of the weights; the figures beside it say the same in numbers."
            drawn["histogram"] = plots.histogram_plot(solution.weights, bounds, label)
        label = f"Heat map of the standardised susceptibility of {', '.join(heat.names)}."
        drawn["heat"] = plots.heat_plot(heat, line(label, 600))
        drawn["traces"] = chains.trace_plots(estimate)
        if solution.frontier is not None and solution.frontier.points:
            drawn["frontier"] = frontier_plots(solution.frontier)
    drawn["left_out"] = heat.left_out
    return drawn


def _marks(subject: ReportInput) -> list[plots.GoalMark]:
    """Return the goals in posterior standard deviations; those without one are not drawn."""
    table = subject.estimate.susceptibility
    marks = []
    for goal in subject.solution.goals:
        if goal.observable not in table.observables:
            continue
        sd = 1.0 if goal.unit == "sd" else float(table.sd[table.row(goal.observable)])
        if np.isfinite(sd) and sd > 0:
            marks.append(_mark(goal, sd))
    return marks[:24]


def _mark(goal: GoalOutcome, sd: float) -> plots.GoalMark:
    scaled = [
        None if value is None else value / sd
        for value in (
            *goal.requested,
            goal.predicted,
            goal.stderr,
            goal.crossed,
            goal.crossed_stderr,
        )
    ]
    return plots.GoalMark(clip(goal.observable or "", 28).text, *scaled)


def _goals_label(goals: tuple[GoalOutcome, ...]) -> str:
    parts = [
        f"{goal.observable}: {fixed(goal.in_sd, 2, signed=True)} sd"
        for goal in goals
        if goal.observable is not None
    ]
    return line("Predicted shifts. " + "; ".join(parts[:24]), 600)
