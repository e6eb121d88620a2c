"""The nβ = 0 control: how much of χ is there without any loss in the posterior.

At nβ = 0 the posterior is the localisation alone, N(θ*, 1/γ), and χ becomes `-∇φ·∇ℓ_j/γ` to first
order: likeness of gradients at the checkpoint, which says nothing about the shape of the posterior.
What counts is the structure beyond it, so the two are compared row by row. The comparison is
blunted by the noise of both: a low correlation between noisy rows proves nothing.
"""

from pathlib import Path

import numpy as np
from attrs import evolve

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.estimates import WrongSetting
from pattern_lang.estimate.ranks import ALONE, Rank
from pattern_lang.estimate.reporter import Reporter
from pattern_lang.estimate.service import estimate
from pattern_lang.estimate.table import Array
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.susceptibility import Estimate, PosteriorDiagnostics

_SAME = 0.95


def with_control(
    queries: Queries,
    answer: Estimate,
    folder: Path,
    *,
    reporter: Reporter,
    fresh: bool = False,
    workers: int | None = None,
    rank: Rank = ALONE,
) -> Estimate:
    """Return `answer` with the correlation of each row of χ with its nβ = 0 control.

    The control is estimated, and cached, as any estimate is. Rows that are zero at nβ = 0, such as
    those of learning coefficients, have none. Raises what `estimate` raises, and WrongSetting
    without localisation.
    """
    bare = without_loss(queries)
    other = estimate(bare, folder, reporter=reporter, fresh=fresh, workers=workers, rank=rank)
    found = _compare(answer, other)
    for name, value in found:
        reporter.message(f"nβ = 0 control: χ of {name} correlates {value:.2f} with it")
    remarks = tuple(
        f"χ of `{name}` is what the nβ = 0 control gives (correlation {value:.3f}): it shows the "
        "gradients at the checkpoint, not the shape of the posterior"
        for name, value in found
        if value > _SAME
    )
    diagnostics = tuple(_reserved(item, remarks) for item in answer.diagnostics)
    return evolve(answer, control=found, diagnostics=diagnostics)


def without_loss(queries: Queries) -> Queries:
    """Return the queries of the control; raises WrongSetting without localisation."""
    sampler = queries.sampler
    if sampler.localization == 0:
        rule = "the control at nβ = 0 has no posterior without it"
        problem = WrongSetting(
            span=sampler.origin,
            setting="localization",
            value="0",
            rule=rule,
            advice="give it a `localization`, or leave `--control` out",
        )
        raise PatternError([problem])
    return evolve(queries, sampler=evolve(sampler, nbeta=0.0))


def _compare(answer: Estimate, control: Estimate) -> tuple[tuple[str, float], ...]:
    rows = zip(
        answer.susceptibility.observables,
        answer.susceptibility.chi.astype(np.float64),
        control.susceptibility.chi.astype(np.float64),
        strict=True,
    )
    return tuple((name, _correlation(a, b)) for name, a, b in rows if a.any() and b.any())


def _correlation(a: Array, b: Array) -> float:
    """Return the correlation of two rows that have mean zero already."""
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def _reserved(item: PosteriorDiagnostics, remarks: tuple[str, ...]) -> PosteriorDiagnostics:
    if not remarks:
        return item
    verdict = "sound, with reservations" if item.sound else item.verdict
    return evolve(item, reasons=(*item.reasons, *remarks), verdict=verdict)
