"""The Python interface: load a spec, compile a pattern, look at the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import field, frozen

from pattern_lang.diagnostics import Diagnostic, PatternError, SourceFile
from pattern_lang.diagnostics.catalogue.names import SpecNotFound
from pattern_lang.driver import (
    Calibrated,
    Compiled,
    ReadSpec,
    calibrate_patterns,
    choose_patterns,
    compile_pattern,
    read_spec,
)
from pattern_lang.syntax.bundle import FileBundle

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from pattern_lang.estimate import Reporter
    from pattern_lang.ir.solution import Direction, Frontier, GoalOutcome, Softening
    from pattern_lang.ir.susceptibility import Susceptibility


@frozen(eq=False)
class Run:
    """What compiling one pattern gave."""

    _compiled: Compiled = field(repr=False)

    @property
    def status(self) -> str:
        """Return `optimal`, `infeasible`, `unbounded` or `inaccurate`."""
        return self._compiled.solution.status

    @property
    def weights(self) -> NDArray[np.float32]:
        """Return the weights, shape (n,), mean 1, in unit order.

        Raises PatternError with the reasons when the program has no solution.
        """
        weights = self._compiled.solution.weights
        if weights is None:
            raise PatternError(d for d in self.diagnostics if d.is_error)
        return weights

    @property
    def goals(self) -> tuple[GoalOutcome, ...]:
        """Return what was asked and what is predicted, goal by goal, in source order.

        `predicted` and `stderr` are by all draws; `crossed` and `crossed_stderr` are by draws that
        had no part in choosing the weights, where there are enough replicates of χ.
        """
        return self._compiled.solution.goals

    @property
    def constraints(self) -> tuple[GoalOutcome, ...]:
        """Return the constraints on the weights and what became of them."""
        return self._compiled.solution.constraints

    @property
    def dose(self) -> float | None:
        """Return the t of a `move` without `by`, else 1.

        For an infeasible program: the largest common fraction of the targets that is feasible,
        None when no fraction is.
        """
        return self._compiled.solution.dose

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Return the directions of the goals with their reliability, most reliable first."""
        return self._compiled.solution.directions

    @property
    def softening(self) -> Softening | None:
        """Return what of the goals the weights do not follow; None where they follow all."""
        return self._compiled.solution.softening

    @property
    def frontier(self) -> Frontier | None:
        """Return dose against effective sample size and risk, where it was asked for."""
        return self._compiled.solution.frontier

    def rule(self, chi: ArrayLike, groups: ArrayLike | None = None) -> NDArray[np.float64]:
        """Return weights (m,) for units that were not in the program, from their χ.

        chi: (k, m), a row for each of `susceptibility.observables`, estimated at the same
        posterior and centred as χ is. groups: (m,) the field of `mass(w, across: …)`, where the
        pattern has one. On the units of the program the rule gives their weights. The bounds on w
        hold; what adds up over units (mean, goals) holds for the program's units only. Raises
        PatternError where the weights depend on more than χ.
        """
        from pattern_lang.solve.rules import rule_of

        compiled = self._compiled
        return rule_of(compiled.pattern, compiled.estimate, compiled.solution).weights(chi, groups)

    @property
    def susceptibility(self) -> Susceptibility:
        """Return χ with its noise."""
        return self._compiled.estimate.susceptibility

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Return findings about the estimate and the solution; empty when all is well."""
        return self._compiled.diagnostics

    @property
    def sampled(self) -> bool:
        """Tell whether anything was sampled, or everything came from the cache."""
        return self._compiled.estimate.sampled

    @property
    def folder(self) -> Path:
        """Return the folder that the files are in."""
        return self._compiled.folder


@frozen(eq=False)
class Spec:
    """A spec that has been read and checked."""

    _read: ReadSpec = field(repr=False)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Return what is wrong with the spec, in source order; empty when clean."""
        return self._read.diagnostics

    @property
    def patterns(self) -> tuple[str, ...]:
        """Return the names of the patterns that can be compiled."""
        return tuple(self._read.lowered.patterns)

    def compile(
        self,
        pattern: str | None = None,
        out: str | Path = "build",
        *,
        reporter: Reporter | None = None,
        fresh: bool = False,
        workers: int | None = None,
        frontier: bool = False,
    ) -> Run:
        """Estimate, solve and write one pattern into `out / pattern`.

        Without a name the spec has to have exactly one pattern. `fresh` ignores cached
        estimates, `workers` is the number of processes that sample, `frontier` solves at other
        doses too. An infeasible program is an answer (`run.status`); anything that stops the work
        raises PatternError.
        """
        from pattern_lang.estimate import SilentReporter

        names = choose_patterns(self._read, pattern)
        if len(names) > 1:
            names = choose_patterns(self._read, "")
        compiled = compile_pattern(
            self._read,
            names[0],
            Path(out),
            reporter=reporter or SilentReporter(),
            fresh=fresh,
            workers=workers,
            frontier=frontier,
        )
        return Run(compiled)

    def calibrate(
        self,
        pattern: str | None = None,
        out: str | Path = "build",
        *,
        reporter: Reporter | None = None,
    ) -> tuple[Calibrated, ...]:
        """Find sampler settings for one pattern, or for all; write what was tried into `out`.

        Each result has the `estimate` statement to paste as `.statement`, None when nothing was
        sound. Raises PatternError for anything that stops the work.
        """
        from pattern_lang.estimate import SilentReporter

        names = choose_patterns(self._read, pattern)
        return calibrate_patterns(
            self._read, names, Path(out), reporter=reporter or SilentReporter()
        )


def load(
    path: str | Path,
    params: Mapping[str, str] | None = None,
    search: Sequence[str | Path] = (),
) -> Spec:
    """Read and check a spec file.

    `params` are values of parameters, as text in the language: `{"dose": "2 sd"}`. `search` are
    folders to look for files in, after the spec's own. Mistakes in the spec are in
    `.diagnostics`; PatternError is raised only when the file cannot be read.
    """
    return Spec(read_file(path, params or {}, search))


def read_file(
    path: str | Path, params: Mapping[str, str], search: Sequence[str | Path]
) -> ReadSpec:
    """Read and check a spec file, for the driver."""
    bundle = FileBundle(tuple(str(folder) for folder in search))
    return read_spec(SourceFile(str(path), read_text(str(path))), bundle, params)


def loads(
    text: str,
    params: Mapping[str, str] | None = None,
    search: Sequence[str | Path] = (),
    folder: str | Path = ".",
) -> Spec:
    """Read and check a spec given as text; files it names are relative to `folder`."""
    bundle = FileBundle(tuple(str(place) for place in search))
    source = SourceFile(str(Path(folder) / "<string>"), text)
    return Spec(read_spec(source, bundle, params or {}))


def read_text(path: str) -> str:
    """Return the text of a spec file. Raises PatternError when it cannot be read."""
    try:
        text = FileBundle().read(path)
        reason = "it is a folder" if Path(path).is_dir() else "there is no such file"
    except OSError as error:
        text, reason = None, error.strerror or str(error)
    if text is None:
        raise PatternError([SpecNotFound(path=path, reason=reason)])
    return text
