"""The page of a study: pictures of the goals, verdicts, courses, then every measure."""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen
from markupsafe import Markup

from pattern_lang.emit.report.canvas import drawing, plots_available
from pattern_lang.emit.report.page import template_text, templates
from pattern_lang.emit.report.svg import CHAINS, MUTED
from pattern_lang.emit.report.words import line, number, with_error
from pattern_lang.emit.study.courses import courses
from pattern_lang.emit.study.pictures import colour, course_picture, goal_picture, line_picture
from pattern_lang.ir.findings import Spread, StudyFindings, Verdict

_TONES = {
    "moved as asked": "good",
    "held": "good",
    "moved the wrong way": "bad",
    "not held": "bad",
    "diverged": "bad",
    "within noise": "warn",
}
_MOST_COURSES = 12
_NO_SETTINGS = frozenset({"is", "arguments", "network", "function"})


@frozen
class Row:
    """One verdict as the page shows it."""

    arm: str
    control: bool
    goal: str
    observable: str
    asked: str
    predicted: str
    realised: str
    over_shuffled: str
    p: str
    word: str
    tone: str
    remarks: str


def render_study(findings: StudyFindings) -> bytes:
    """Return the page; equal findings give equal bytes."""
    page: str = templates().get_template("study.html.j2").render(_context(findings))
    return page.encode("utf-8", "replace")


def _context(findings: StudyFindings) -> dict[str, Any]:
    own = [v for v in findings.verdicts if not v.control]
    return {
        "css": Markup(template_text("report.css")),  # noqa: S704 - ships with the package
        "name": line(findings.name, 80),
        "sentence": _sentence(own),
        "findings": findings,
        "rows": [_row(verdict) for verdict in findings.verdicts],
        "measures": [
            {
                "arm": item.arm,
                "measure": item.measure,
                "value": spread_text(item.value, signed=False),
                "over": spread_text(item.over_base),
            }
            for item in findings.comparisons
        ],
        "slopes": [
            (item.observable, spread_text(item.slope, signed=False)) for item in findings.lines
        ],
        "legend": [(arm, _variable(place)) for place, arm in enumerate(findings.arms)],
        "plots": _plots(findings),
        "optimizer": _settings(findings.registration.get("optimizer")),
    }


def _sentence(verdicts: Sequence[Verdict]) -> str:
    """Return what came out, in one sentence, of the arms with a pattern's own weights."""
    if not verdicts:
        return "No arm has a goal."
    counts: dict[str, int] = {}
    for verdict in verdicts:
        counts[verdict.verdict] = counts.get(verdict.verdict, 0) + 1
    told = ", ".join(f"{count} {word}" for word, count in counts.items())
    goals = "goal" if len(verdicts) == 1 else "goals"
    return f"{len(verdicts)} {goals} over the arms with a pattern's weights: {told}."


def _row(verdict: Verdict) -> Row:
    return Row(
        arm=line(verdict.arm, 80),
        control=verdict.control,
        goal=line(verdict.goal, 120),
        observable=line(verdict.observable, 80),
        asked=_asked(verdict),
        predicted=with_error(verdict.predicted, verdict.stderr),
        realised=spread_text(verdict.realised),
        over_shuffled=spread_text(verdict.over_shuffled),
        p="–" if verdict.p is None else ("< 0.001" if verdict.p < 0.001 else f"{verdict.p:.3f}"),
        word=verdict.verdict,
        tone=_TONES.get(verdict.verdict, "quiet"),
        remarks=line("; ".join(verdict.remarks), 80),
    )


def _asked(verdict: Verdict) -> str:
    low, high = verdict.lower, verdict.upper
    if low is not None and high is not None:
        same = number(high, signed=True) if low == high else f"{number(low)} to {number(high)}"
        if low == -high and high > 0:
            same = f"± {number(high)}"
        return f"{same} {verdict.unit}"
    end, sign = (high, "≤") if low is None else (low, "≥")
    return f"{sign} {number(end)} {verdict.unit}"


def spread_text(found: Spread | None, signed: bool = True) -> str:
    """Return `mean [low, high]`, or a dash."""
    if found is None:
        return "–"
    mean = number(found.mean, signed=signed)
    if found.low is None or found.high is None:
        return mean
    return f"{mean} [{number(found.low)}, {number(found.high)}]"


def _variable(place: int) -> str:
    drawn = colour(place)
    return "var(--muted)" if drawn == MUTED else f"var(--chain-{CHAINS.index(drawn)})"


def _settings(optimizer: object) -> list[tuple[str, str]]:
    if not isinstance(optimizer, Mapping):
        return []
    own = {
        k: v for k, v in optimizer.items() if k not in ("is", "arguments", "network", "function")
    }
    given = {str(name): value for name, value in optimizer.get("arguments", [])}
    return [(name, line(str(value), 80)) for name, value in {**own, **given}.items() if value]


def _plots(findings: StudyFindings) -> dict[str, list[Markup]]:
    if not plots_available():
        return {"goals": [], "courses": [], "lines": []}
    with drawing():
        return {
            "goals": _goal_plots(findings),
            "courses": _course_plots(findings),
            "lines": [
                line_picture(
                    item,
                    findings.arms,
                    f"line-{number}",
                    f"Realised against predicted shifts of {item.observable}",
                )
                for number, item in enumerate(findings.lines)
                if len(item.points) > 1
            ],
        }


def _goal_plots(findings: StudyFindings) -> list[Markup]:
    goals: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in findings.verdicts:
        if verdict.realised is not None:
            goals.setdefault((verdict.goal, verdict.observable), []).append(verdict)
    return [
        goal_picture(own, findings.arms, f"goal-{place}", f"Realised shifts for {goal}")
        for place, ((goal, _), own) in enumerate(goals.items())
    ]


def _course_plots(findings: StudyFindings) -> list[Markup]:
    found = courses(findings.points, findings.arms)
    longer = {m: own for m, own in found.items() if any(len(c.steps) > 2 for c in own)}
    shown = list(longer.items())[:_MOST_COURSES]
    return [
        course_picture(own, measure, f"course-{place}", f"{measure} over training")
        for place, (measure, own) in enumerate(shown)
    ]
