"""The report: what it says, that it is one safe file, and that it survives hostile data."""

import json
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import emit_samples as samples
import numpy as np
import pytest
from attrs import evolve

from pattern_lang.emit import emit
from pattern_lang.emit.report import svg
from pattern_lang.emit.report.spectrum import directions
from pattern_lang.ir.noise import noise_of
from pattern_lang.ir.solution import (
    Direction,
    Frontier,
    FrontierPoint,
    Softening,
    Solution,
)
from pattern_lang.ir.susceptibility import Estimate, Spectrum, Susceptibility, UnitTable

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Collects what a browser would load, and checks that the elements close in order."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.scripts = 0
        self.images: list[str] = []
        self.text: list[str] = []
        self.titles: list[str] = []
        self.feed(content.decode())
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self._look(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def _look(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag in {"script", "iframe", "object", "embed", "link", "base"}
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in {"href", "src", "xlink:href", "action", "srcset"}:
                self.links.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)
            if name == "title":
                self.titles.append(value or "")
            if name == "aria-label" and tag == "svg":
                self.images.append(value or "")


def render(folder: Path, estimate: Estimate, solution: Solution, text: str = samples.SPEC) -> bytes:
    emit(samples.pattern(), estimate, solution, folder, text, "steer.pat")
    return (folder / "report.html").read_bytes()


def assert_safe(content: bytes) -> Page:
    page = Page(content)
    assert page.scripts == 0
    assert page.handlers == []
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        assert link.startswith(("#", "data:image/png;base64,"))
    assert all(link[1:] in page.ids for link in page.links if link.startswith("#"))
    for load in (b"url(http", b"@import", b"http://", b"https://", b"file://"):
        assert load not in content
    assert len(content) < 2_000_000
    return page


@pytest.fixture(scope="module")
def content(
    estimate: Estimate, solution: Solution, tmp_path_factory: pytest.TempPathFactory
) -> bytes:
    return render(tmp_path_factory.mktemp("report") / "steer", estimate, solution)


def test_is_one_safe_file(content: bytes) -> None:
    assert_safe(content)
    assert b"default-src 'none'" in content


def test_says_the_outcome_first(content: bytes) -> None:
    text = content.decode()
    lead = text[text.index('class="lead"') :]
    lead = lead[: lead.index("</p>")]
    assert "<code>hard_loss</code> is predicted to fall by 1.00 sd (0.0627 ± 0.0041 nats)" in lead
    assert "both held observables stay in range" in lead
    assert "effective sample size" in lead


def test_plots_have_words_and_follow_the_page(content: bytes) -> None:
    page = Page(content)
    assert len(page.images) == 5
    assert all(page.images)
    body = content[content.index(b"<body") :].lower()
    known = (svg.INK, svg.MUTED, svg.UP, svg.DOWN, svg.ACCENT, *svg.CHAINS)
    assert not [colour for colour in known if colour.encode() in body]
    assert b"prefers-color-scheme: dark" in content


def test_shows_who_gains_and_who_loses(content: bytes) -> None:
    text = content.decode()
    up = text[text.index("Most up-weighted") : text.index("Most down-weighted")]
    assert up.count("disagrees") == 12
    assert "explains 37" in text or "explains" in text


def test_predictions_by_other_draws_stand_beside(content: bytes) -> None:
    rows = content.decode().split("<tr>")
    lower, hold = (next(r for r in rows if f"<code>{kind} " in r) for kind in ("lower", "hold"))
    cell = '<td class="n" data-label="By other draws">'
    assert f"{cell}−0.0588 ± 0.0052 nats" in lower
    assert f"{cell}–" in hold


DIRECTIONS = (
    Direction(0.97, ("hard_loss", "easy_loss"), (0.8, 0.6)),
    Direction(0.11, ("hard_loss", "easy_loss"), (-0.7071, 0.7071)),
)


def rendered(solution: Solution, estimate: Estimate, folder: Path) -> str:
    emit(samples.pattern(), estimate, solution, folder, samples.SPEC, "steer.pat")
    content = (folder / "report.html").read_bytes()
    assert Page(content).text
    return content.decode()


def test_directions_say_what_is_signal(
    estimate: Estimate, solution: Solution, tmp_path: Path
) -> None:
    text = rendered(evolve(solution, directions=DIRECTIONS), estimate, tmp_path)
    noise = text[text.index('id="noise"') : text.index('id="weights"')]
    assert "97 %" in noise
    assert "+0.71 <code><span>hard_loss</span>" in noise
    assert "Goals along it" not in noise
    assert 'id="noise"' not in rendered(solution, estimate, tmp_path / "none")


def test_softened_goals_are_no_failures(
    estimate: Estimate, solution: Solution, tmp_path: Path
) -> None:
    first = evolve(solution.goals[0], predicted=-0.03, in_sd=-0.5, softened=True, reliability=0.3)
    softening = Softening(0.5, "soft", False, DIRECTIONS, 1, (solution.goals[0],))
    given = evolve(solution, goals=(first, *solution.goals[1:]), softening=softening)
    text = rendered(given, estimate, tmp_path)
    assert '<td class="warn" data-label="Outcome">softened</td>' in text
    assert "30 % signal" in text
    remark = (
        "1 of 2 directions of the goals was softened, as <code>hard_loss</code> would lie below"
    )
    assert text.count(remark) == 2
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert plan["goals"][0]["softened"]
    assert plan["goals"][0]["reliability"] == 0.3
    assert plan["softening"]["because"] == "goal below noise"
    assert [d["kept"] for d in plan["softening"]["directions"]] == [True, False]


def frontier(kind: str, chosen: int | None, largest: float | None) -> Frontier:
    doses = np.linspace(0, 1.5, 7)
    points = tuple(
        FrontierPoint(d, 1 / (1 + 0.3 * d**2), 270 * d**2, (-0.06 * d,), (0.004 * d,))
        for d in doses.tolist()
    )
    return Frontier(kind, ("hard_loss",), ("nats",), (0.06,), points, chosen, largest)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (frontier("fraction", 4, 1.5), "25 % more of every goal would leave 68 %"),
        (frontier("fraction", None, 1.5), "At most 150 % of what is asked is feasible"),
        (frontier("fraction", 4, None), "Three times what is asked is feasible"),
        (frontier("dose", 6, 1.5), "17 % less of the dose would leave 68 %"),
    ],
    ids=["further", "infeasible", "open", "dose"],
)
def test_the_frontier_is_drawn(
    estimate: Estimate, solution: Solution, tmp_path: Path, made: Frontier, said: str
) -> None:
    text = rendered(evolve(solution, frontier=made), estimate, tmp_path)
    part = text[text.index('id="frontier"') : text.index('id="weights"')]
    assert said in part
    assert part.count("<svg") == 2
    assert part.count('<td class="binds">these weights</td>') == (made.chosen is not None)
    assert part.count("<tr>") == 8
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert plan["frontier"]["points"][2]["predicted"] == {"hard_loss": pytest.approx(-0.03)}


def test_prices_are_told_as_what_more_would_cost(content: bytes) -> None:
    text = content.decode()
    part = text[text.index("What a little more would cost") : text.index('id="weights"')]
    assert "Asking more of <code>lower hard_loss by dose</code> by 0.01 sd" in part
    assert "costs" in part


def test_the_source_is_annotated(content: bytes) -> None:
    text = content.decode()
    line = text[text.index('<code class="text">  lower    hard_loss by dose') :]
    assert "−1.00 sd, binds" in line[: line.index("</li>")]


def test_infeasible(estimate: Estimate, tmp_path: Path) -> None:
    content = render(tmp_path / "p", estimate, samples.infeasible())
    page = assert_safe(content)
    text = " ".join("".join(page.text).split())
    assert "lower hard_loss by dose and require ess(w) >= 50 % cannot hold together" in text
    assert "The largest feasible dose is 62 % of what was asked." in text
    assert "clashes" in text
    assert "Most up-weighted" not in text


@pytest.mark.parametrize("status", ["unbounded", "inaccurate", "infeasible"])
def test_every_status_has_a_page(
    estimate: Estimate, solution: Solution, tmp_path: Path, status: str
) -> None:
    kept = solution.weights if status == "inaccurate" else None
    answer = evolve(solution, status=status, weights=kept, dose=None)
    assert_safe(render(tmp_path / "p", estimate, answer))


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></svg><script src=//evil>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1) https" + "://evil.example/x",
    "null \0 bell \a escape \x1b[31m delete \x7f",
    "right to left \u202e and zero \u200b width \ufeff",
    "lone \ud800 surrogate",
    "$\\frac{1}{2}$ $unclosed",
    "]]> &amp; &lt; <!-- --!>",
    "x" * 1_000_000,
]


def test_hostile_strings_are_escaped_and_clipped(tmp_path: Path) -> None:
    n = 600
    values = np.array([HOSTILE[i % len(HOSTILE)] for i in range(n)], dtype=object)
    mixed = np.array([None, 3, "a", b"bytes", ("t",), 2.5] * (n // 6), dtype=object)
    fields = {"note": values, '<b onclick="x">': mixed, "$name$\0": np.arange(n) % 5}
    table = UnitTable("sample", np.arange(n), np.ones(n), fields)
    given = samples.estimate(n, table=table)
    name = HOSTILE[0] + HOSTILE[6] + "$x"
    bad = evolve(given.susceptibility, observables=(name, HOSTILE[8], HOSTILE[9]))
    diagnostics = tuple(
        evolve(item, posterior=HOSTILE[2], verdict=HOSTILE[1], reasons=tuple(HOSTILE))
        for item in given.diagnostics
    )
    traces = tuple(evolve(trace, posterior=HOSTILE[2]) for trace in given.traces)
    given = evolve(given, susceptibility=bad, diagnostics=diagnostics, traces=traces)
    answer = samples.solution(given)
    goals = tuple(evolve(goal, source=name, observable=name) for goal in answer.goals)
    answer = evolve(answer, goals=goals, certificate={name: HOSTILE})
    content = render(tmp_path / "p", given, answer, samples.SPEC + "\n# " + "\n# ".join(HOSTILE))
    page = Page(content)
    assert (page.scripts, page.handlers) == (0, [])
    assert len(content) < 2_000_000
    for char in ("\0", "\x1b", "\u202e", "\u200b", "\a"):
        assert char not in content.decode()
    assert all(len(title) < 600 for title in page.titles)
    assert any("1 000 000 characters" in title for title in page.titles)


def test_is_small_at_many_units(tmp_path: Path) -> None:
    given = samples.estimate(100_000)
    assert_safe(render(tmp_path / "p", given, samples.solution(given)))


def test_many_observables_and_posteriors(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    k, n = 300, 400
    names = tuple(f"head[{i // 8},{i % 8}]" for i in range(k))
    chi = rng.standard_normal((k, n)).astype(np.float32)
    many = Susceptibility(
        names, ("nats",) * k, chi, np.zeros(k), np.ones(k), noise_of(np.stack([chi, -chi])), 30.0
    )
    base = samples.estimate(n)
    diagnostics = tuple(evolve(base.diagnostics[0], posterior=name) for name in names[:40])
    traces = tuple(evolve(base.traces[i % 7], posterior=names[i]) for i in range(40))
    given = evolve(base, susceptibility=many, diagnostics=diagnostics, traces=traces)
    template = samples.solution(base).goals[0]
    goals = tuple(evolve(template, observable=name, predicted=-0.1) for name in names)
    answer = evolve(samples.solution(base), goals=goals)
    assert_safe(render(tmp_path / "p", given, answer))


@pytest.mark.parametrize("n", [1, 2, 7])
def test_few_units(tmp_path: Path, n: int) -> None:
    given = samples.estimate(n)
    answer = evolve(samples.solution(given), weights=np.ones(n, np.float32))
    assert_safe(render(tmp_path / "p", given, answer))


def test_what_is_not_a_number_is_a_dash(estimate: Estimate, tmp_path: Path) -> None:
    nan = float("nan")
    table = estimate.susceptibility
    broken = evolve(
        table,
        sd=np.array([nan, 0.0, 1.0]),
        mean=np.full(3, nan),
        chi=np.where(np.arange(900) < 3, np.nan, table.chi).astype(np.float32),
    )
    diagnostics = tuple(
        evolve(item, r_hat=nan, effective_draws=nan, mean_excess=float("inf"), sound=False)
        for item in estimate.diagnostics
    )
    traces = (
        *(evolve(trace, loss=np.full(5, nan)) for trace in estimate.traces[:2]),
        *(evolve(trace, loss=np.array([])) for trace in estimate.traces[2:]),
    )
    given = evolve(estimate, susceptibility=broken, diagnostics=diagnostics, traces=traces)
    answer = samples.solution(estimate)
    goals = tuple(evolve(goal, stderr=nan, in_sd=nan, dual=nan) for goal in answer.goals)
    content = render(tmp_path / "p", given, evolve(answer, goals=goals, certificate={"gap": nan}))
    assert "nan" not in "".join(assert_safe(content).text).lower().replace("nanos", "")


def test_without_matplotlib_it_is_still_written(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['matplotlib'] = None; sys.path.insert(0, sys.argv[1])\n"
        "import emit_samples as s\n"
        "from pathlib import Path\n"
        "from pattern_lang.emit import emit\n"
        "e = s.estimate()\n"
        "emit(s.pattern(), e, s.solution(e), Path(sys.argv[2]), s.SPEC, 'steer.pat')\n"
    )
    here = Path(__file__).parent
    subprocess.run(
        [sys.executable, "-c", script, str(here), str(tmp_path / "p")],
        check=True,
        env={**os.environ, "PYTHONPATH": str(here.parent.parent)},
    )
    page = assert_safe((tmp_path / "p" / "report.html").read_bytes())
    assert page.images == []
    assert "pip install 'pattern-lang[report]'" in "".join(page.text)


def test_the_users_matplotlib_settings_do_not_matter(
    content: bytes, estimate: Estimate, solution: Solution, tmp_path: Path
) -> None:
    import matplotlib as mpl

    with mpl.rc_context({"font.size": 30, "axes.grid": True, "svg.fonttype": "path"}):
        assert render(tmp_path / "p", estimate, solution) == content
        assert mpl.rcParams["font.size"] == 30


def spectrum(estimate: Estimate, name: str, k: int, loadings: tuple[float, ...]) -> Spectrum:
    members = estimate.susceptibility.observables[: len(loadings)]
    return Spectrum(name, k, (2.0, 1.0), members, loadings, 0.1)


def test_directions_are_those_that_were_asked_for(estimate: Estimate) -> None:
    """A row that is a direction counts its members twice among all observables: it is left out."""
    first, second, third = estimate.susceptibility.observables
    asked = (spectrum(estimate, third, 2, (0.6, -0.8)),)
    (plain,) = directions(estimate)
    assert plain.members == (first, second, third)
    (family,) = directions(evolve(estimate, spectra=asked))  # of the other two, it says all
    assert family.members == (first, second)
    (direction,) = family.directions
    assert (direction.name, direction.share) == (third, "20 %, ± 6°")
    assert direction.loadings == ("+0.60", "−0.80")
    assert direction.strong == (True, True)
    alone = (spectrum(estimate, third, 1, (1.0,)),)
    family, others = directions(evolve(estimate, spectra=alone))
    assert family.members == (first,)
    assert others.members == (first, second)
    assert [item.name for item in others.directions] == ["1", "2"]
