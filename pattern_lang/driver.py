"""The compiler on one page: from the text of a spec to a folder of weights.

=====  =============  ==========================================  ==================
stage  room           in → out                                    needs
=====  =============  ==========================================  ==================
1      `syntax`       text → syntax tree with spans               lark
2      `semantics`    tree → checked spec: names, types, units,
                      curvature
3      `lowering`     checked spec → queries (what to sample)
                      and goals (what to ask of the weights)
4      `estimate`     queries, model, data → susceptibility χ     torch
5      `solve`        goals, χ → weights, or why there are none   scipy, clarabel
6      `emit`         solution → weights, plan, report            pyarrow, jinja2
7      `train`        plan → runs: realised against predicted     torch
=====  =============  ==========================================  ==================

`read_spec` is stages 1-3: pure, quick, runs no user code. `compile_pattern` is stages 4-6,
`calibrate_patterns` looks for settings of stage 4, `train_folder` is stage 7. The command line and
the Python interface are thin over these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from pattern_lang.diagnostics import Diagnostic, PatternError, Problem, SourceFile
from pattern_lang.diagnostics.catalogue.goals import NothingToCompile
from pattern_lang.diagnostics.catalogue.names import UnknownPattern
from pattern_lang.diagnostics.suggest import closest
from pattern_lang.ir.program import WeightPattern
from pattern_lang.lowering.lower import LoweredSpec, lower
from pattern_lang.semantics.check import CheckedSpec, check
from pattern_lang.syntax.bundle import Bundle, FileBundle

if TYPE_CHECKING:
    # Only compiling needs numpy, torch and the rest; checking has to start at once.
    from pattern_lang.estimate import Reporter
    from pattern_lang.estimate.ranks import Rank
    from pattern_lang.ir.calibration import Calibration
    from pattern_lang.ir.findings import StudyFindings
    from pattern_lang.ir.solution import Solution
    from pattern_lang.ir.susceptibility import Estimate
    from pattern_lang.ir.training import Study
    from pattern_lang.train.command import TrainedPlan
    from pattern_lang.train.plans import Plan
    from pattern_lang.train.service import Means

CACHE = ".cache"


@frozen(eq=False)
class ReadSpec:
    """A spec after the front end. Patterns may be compiled when no diagnostic is an error."""

    source: SourceFile
    checked: CheckedSpec
    lowered: LoweredSpec
    diagnostics: tuple[Diagnostic, ...]

    @property
    def has_errors(self) -> bool:
        """Tell whether anything stands in the way of compiling."""
        return any(diagnostic.is_error for diagnostic in self.diagnostics)

    @property
    def parents(self) -> dict[str, str]:
        """Return the digests of the other files that the spec uses, by name."""
        used = (m for m in self.checked.modules if m is not self.checked.main)
        return {m.name: _digest(m.file.span.source.text) for m in used}

    @property
    def parameters(self) -> dict[str, str]:
        """Return the parameters that were set from outside, as written."""
        return {name: value.span.text for name, value in self.checked.overrides.items()}


@frozen(eq=False)
class Compiled:
    """One pattern after all stages."""

    pattern: WeightPattern
    estimate: Estimate
    solution: Solution
    folder: Path
    diagnostics: tuple[Diagnostic, ...]


@frozen(eq=False)
class Calibrated:
    """A pattern with sampler settings that were found for it.

    statement: the `estimate` statement to paste, None when nothing was sound. drawn: whether there
    is a picture of the traces beside the figures in `folder`.
    """

    pattern: WeightPattern
    calibration: Calibration
    statement: str | None
    folder: Path
    drawn: bool


def read_spec(
    source: SourceFile, bundle: Bundle, overrides: Mapping[str, str], using: str | None = None
) -> ReadSpec:
    """Stages 1-3: parse, check and lower a spec, collecting every problem.

    `using` is an optimizer to train with, in the language.
    """
    checked = check(source, bundle, overrides, using)
    lowered = lower(checked, bundle)
    order = {module.file.span.source: number for number, module in enumerate(checked.modules)}
    problems = _in_source_order((*checked.problems, *lowered.problems), order)
    return ReadSpec(source, checked, lowered, tuple(p.diagnostic() for p in problems))


def compile_pattern(
    spec: ReadSpec,
    name: str | WeightPattern,
    out: Path,
    *,
    reporter: Reporter,
    fresh: bool = False,
    workers: int | None = None,
    control: bool = False,
    frontier: bool = False,
    rank: Rank | None = None,
) -> Compiled:
    """Stages 4-6: estimate, solve and write one pattern into `out / name`.

    Patterns that have no name of their own in the spec are given as they are. With `control`, χ is
    also estimated at nβ = 0, and compared; with `frontier`, the program is solved at other doses
    too. `rank` is given where other processes help with `help_pattern`, and is the first of them.
    What an interrupted run left is gone on from, unless `fresh`.

    An infeasible or unbounded program and an unsound estimate are answers: they are written too,
    and their diagnostics are errors. Raises PatternError for anything that stops the work before.
    """
    from pattern_lang.emit import check_targets, emit
    from pattern_lang.emit.wanted import want, written
    from pattern_lang.estimate import estimate
    from pattern_lang.estimate.control import with_control
    from pattern_lang.estimate.defaults import with_sampler
    from pattern_lang.estimate.ranks import ALONE
    from pattern_lang.estimate.soundness import soundness
    from pattern_lang.solve import solve_pattern, verdicts, with_cross_fit

    pattern = name if isinstance(name, WeightPattern) else spec.lowered.patterns[name]
    name = pattern.name
    check_targets(pattern)
    queries, chosen = with_sampler(pattern.queries)
    if chosen is not None:
        reporter.message(chosen)
        pattern = evolve(pattern, queries=queries)
    cache, rank = out / CACHE, rank or ALONE
    want(cache, [name])
    answer = estimate(
        pattern.queries, cache, reporter=reporter, fresh=fresh, workers=workers, rank=rank
    )
    if control:
        answer = with_control(
            pattern.queries,
            answer,
            cache,
            reporter=reporter,
            fresh=fresh,
            workers=workers,
            rank=rank,
        )
    solution = with_cross_fit(pattern, answer, solve_pattern(pattern, answer))
    findings = (*soundness(pattern.queries, answer), *verdicts(pattern, answer, solution))
    if frontier:
        solution, more = _traded(pattern, answer, solution, reporter)
        findings = (*findings, *more)
    text, source = spec.source.text, spec.source.name
    emit(pattern, answer, solution, out / name, text, source, spec.parents, spec.parameters)
    written(cache, name)
    return Compiled(pattern, answer, solution, out / name, findings)


def _traded(
    pattern: WeightPattern, answer: Estimate, solution: Solution, reporter: Reporter
) -> tuple[Solution, tuple[Diagnostic, ...]]:
    """Return the solution with its frontier, or why there is none."""
    from pattern_lang.solve import with_frontier
    from pattern_lang.solve.frontier import MOST_POINTS

    with reporter.progress(MOST_POINTS, "frontier") as task:
        try:
            return with_frontier(pattern, answer, solution, lambda: task.advance(1)), ()
        except PatternError as error:
            return solution, error.diagnostics


def calibrate_patterns(
    spec: ReadSpec, names: Sequence[str], out: Path, *, reporter: Reporter
) -> tuple[Calibrated, ...]:
    """Find sampler settings for some patterns, and write what was tried into `out / name`.

    Patterns that re-weight the same data and start from the same settings get one setting. Where
    the goals of a pattern need less noise than a run of ordinary length has, it is made longer.
    Raises PatternError for anything that stops the work.
    """
    from pattern_lang.emit.calibration import emit_calibration
    from pattern_lang.estimate.calibrate import calibrate, merged, statement

    found = []
    patterns = [spec.lowered.patterns[name] for name in names]
    for group, queries in merged(patterns):
        result = _rehearsed(calibrate(queries, reporter=reporter), group, reporter)
        line = statement(result.chosen) if result.chosen else None
        for pattern in group:
            folder = out / pattern.name
            drawn = emit_calibration(result, pattern.name, line, folder)
            found.append(Calibrated(pattern, result, line, folder, drawn))
    return tuple(found)


def _rehearsed(
    calibration: Calibration, patterns: Sequence[WeightPattern], reporter: Reporter
) -> Calibration:
    """Run a quarter of what was chosen, solve, and make the run as long as the goals need."""
    from pattern_lang.estimate import estimate
    from pattern_lang.estimate.calibrate import longer, rehearsal
    from pattern_lang.solve import draws_wanted, solve_pattern

    if calibration.chosen is None or not any(pattern.goals for pattern in patterns):
        return calibration
    short = rehearsal(calibration.chosen)
    reporter.message("rehearsing a quarter of the run, to see the noise of the goals")
    with TemporaryDirectory(prefix="pat-calibrate-") as cache:
        for pattern in patterns:
            trial = evolve(pattern, queries=evolve(pattern.queries, sampler=short))
            answer = estimate(trial.queries, Path(cache), reporter=reporter)
            times = draws_wanted(solve_pattern(trial, answer))
            if times is None:
                remark = f"the goals of `{pattern.name}` were not feasible in the rehearsal"
                calibration = evolve(calibration, remarks=(*calibration.remarks, remark))
            else:
                calibration = longer(calibration, short, times)
    return calibration


def help_pattern(
    spec: ReadSpec,
    name: str,
    out: Path,
    rank: Rank,
    *,
    reporter: Reporter,
    workers: int | None = None,
    control: bool = False,
) -> None:
    """Sample for a pattern that another process compiles into the same `out`.

    Returns when every chain is finished or in other hands; raises as `compile_pattern` does.
    """
    from pattern_lang.emit import check_targets
    from pattern_lang.estimate import help_estimate
    from pattern_lang.estimate.control import without_loss
    from pattern_lang.estimate.defaults import with_sampler

    pattern = spec.lowered.patterns[name]
    check_targets(pattern)
    queries, _ = with_sampler(pattern.queries)
    for asked in (queries, without_loss(queries)) if control else (queries,):
        help_estimate(asked, out / CACHE, rank, reporter=reporter, workers=workers)


def train_folder(
    path: Path,
    out: Path | None,
    means: Means,
    *,
    spec_file: Path | None = None,
    search: Sequence[str] = (),
    using: str | None = None,
    study: str | None = None,
    seed: int = 0,
    compare: bool = False,
) -> tuple[ReadSpec, TrainedPlan]:
    """Stage 7 for one plan: train on its weights, into `train` in its folder unless `out` is given.

    The spec is found by the plan, which says by its digest whether it is the one. `using` is an
    optimizer in the language, else that of the pattern's study. Raises PatternError.
    """
    from pattern_lang.train.command import train_plan
    from pattern_lang.train.plans import find_spec, open_plan

    plan = open_plan(path)
    file = find_spec(plan, spec_file)
    text = FileBundle().read(str(file))
    assert text is not None  # it was found by its digest
    source = SourceFile(str(file), text)
    spec = read_spec(source, FileBundle(tuple(search)), plan.parameters, using)
    choose_patterns(spec, plan.pattern)
    into = out or plan.folder / "train"
    return spec, train_plan(
        plan, spec.lowered, into, means, study=study, seed=seed, compare=compare
    )


@frozen(eq=False)
class Studied:
    """A study after its runs: what was found, its folder, and findings about its patterns."""

    findings: StudyFindings
    folder: Path
    diagnostics: tuple[Diagnostic, ...]


def study_spec(
    spec: ReadSpec,
    name: str | None,
    out: Path,
    means: Means,
    command: Sequence[str] | None,
    *,
    jobs: int | None = None,
) -> Studied:
    """Stage 7 for a study: compile its patterns into `out`, train every arm × seed, compare.

    `command` starts another process of the same study; without one there is none. An unsound
    estimate and an arm that diverges are answers: the study goes on, and their diagnostics are
    errors. Raises PatternError, also where a pattern has no weights.
    """
    from pattern_lang.emit.study import emit_study
    from pattern_lang.train.plans import is_sound
    from pattern_lang.train.registration import register, registration
    from pattern_lang.train.study import Workshop, design, optimizer_of, patterns_of
    from pattern_lang.train.studying import WithoutBars, diverged_arms, findings, forget, run_all

    study = choose_study(spec, name)
    optimizer = optimizer_of(study, spec.lowered.optimizer)
    said: list[Diagnostic] = []
    for pattern in patterns_of(study).values():
        compiled = compile_pattern(spec, pattern, out, reporter=means.reporter)
        said.extend(compiled.diagnostics)
        if compiled.solution.weights is None:
            raise PatternError(said)
    plans = _plans(study, out)
    for pattern_name, solved in plans.items():
        if not is_sound(solved):
            means.reporter.message(
                f"the estimate of `{pattern_name}` is unsound; the study goes on, and says so"
            )
    plan = design(study, optimizer, plans, out / study.name)
    register(plan.folder, registration(study, optimizer, plans), fresh=means.fresh)
    if means.fresh:
        forget(plan)
    shop = Workshop(plan, evolve(means, fresh=False, reporter=WithoutBars(means.reporter)))
    run_all(shop, means, command, jobs)
    found = findings(shop)
    emit_study(found, plan.folder)
    return Studied(found, plan.folder, (*said, *diverged_arms(shop, found)))


def help_study(spec: ReadSpec, name: str | None, out: Path, means: Means, leader: int) -> None:
    """Train runs of a study that process `leader` works on, until none is free or it is gone."""
    from pattern_lang.train.study import Workshop, design, optimizer_of
    from pattern_lang.train.studying import run_here

    study = choose_study(spec, name)
    optimizer = optimizer_of(study, spec.lowered.optimizer)
    run_here(
        Workshop(design(study, optimizer, _plans(study, out), out / study.name), means), leader
    )


def _plans(study: Study, out: Path) -> dict[str, Plan]:
    from pattern_lang.train.plans import open_plan
    from pattern_lang.train.study import patterns_of

    return {name: open_plan(out / name) for name in patterns_of(study)}


def choose_study(spec: ReadSpec, name: str | None) -> Study:
    """Return the named study, or the only one. Raises PatternError, also for a spec with errors."""
    from pattern_lang.diagnostics.catalogue.training import NoStudy

    if spec.has_errors:
        raise PatternError(spec.diagnostics)
    known = spec.lowered.studies
    if name in known:
        return known[name]
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    file, listed = spec.source.name, ", ".join(known) or "none"
    if name is not None:
        fact = f"{file} has no study `{name}`"
        advice = closest(name, known, f"it has {listed}")
    else:
        fact = f"{file} has {len(known) or 'no'} {'studies' if known else 'study'}"
        advice = f"name one: `--study {next(iter(known))}`" if known else "write `study NAME { … }`"
    raise PatternError([NoStudy(fact=fact, advice=advice)])


def choose_patterns(spec: ReadSpec, name: str | None) -> tuple[str, ...]:
    """Return the patterns to compile: the named one, or all that need no arguments.

    Raises PatternError when the spec has errors, or nothing of that name can be compiled.
    """
    if spec.has_errors:
        raise PatternError(spec.diagnostics)
    known, needy = spec.lowered.patterns, spec.lowered.open_patterns
    if name is None and known:
        return tuple(known)
    if name in known:
        return (name,)
    if name is None:
        advice = (
            f"give `{needy[0]}` its arguments: `pattern NAME = {needy[0]}(…)`"
            if needy
            else "declare one with `pattern NAME { … }`"
        )
        raise PatternError([NothingToCompile(file=spec.source.name, advice=advice)])
    advice = (
        f"`{name}` needs arguments: `pattern NAME = {name}(…)`"
        if name in needy
        else closest(name, known, f"it has {', '.join(known) or 'none'}")
    )
    raise PatternError([UnknownPattern(name=name, advice=advice)])


def _digest(text: str) -> str:
    return "sha256:" + sha256(text.encode()).hexdigest()


def _in_source_order(problems: Iterable[Problem], order: Mapping[SourceFile, int]) -> list[Problem]:
    def key(problem: Problem) -> tuple[int, int, str]:
        span = problem.span
        if span is None:
            return len(order), 0, problem.code
        return order.get(span.source, len(order)), span.start, problem.code

    return sorted(dict.fromkeys(problems), key=key)
