"""Whether an estimate may be built upon: the verdicts of its chains as diagnostics."""

from collections.abc import Iterator
from math import degrees

from pattern_lang.diagnostics import Diagnostic
from pattern_lang.diagnostics.catalogue.components import NearDegenerate
from pattern_lang.diagnostics.catalogue.estimates import UnsoundEstimate
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.susceptibility import Estimate

_TURNED = 0.3  # radians; a third of what rows agree on is then the neighbours'

_ADVICE_ON_WEIGHTS = (
    "raise `localization`, lower `nbeta` or write more `draws`, as the reason says; or sample with "
    "`sgld(…)` or `hmc(…)`, which need no weights"
)
_ADVICE = (
    "run more draws, or a longer `burn_in`; look at the traces in the report: a drift upwards asks "
    "for a larger `localization` or a smaller `nbeta`, spikes for a smaller `step`"
)


def soundness(queries: Queries, estimate: Estimate) -> tuple[Diagnostic, ...]:
    """Return an error with exit status 4 for each posterior that was not sampled well.

    Also a warning for each principal direction that is hardly told from another.
    """
    return (*_unsound(queries, estimate), *_degenerate(queries, estimate))


def _degenerate(queries: Queries, estimate: Estimate) -> Iterator[Diagnostic]:
    spans = {observable.name: observable.origin for observable in queries.observables}
    for spectrum in estimate.spectra:
        nearest, gap = spectrum.gap
        if spectrum.turn > _TURNED:
            yield NearDegenerate(
                span=spans.get(spectrum.observable),
                observable=spectrum.observable,
                value=f"{spectrum.singular_values[spectrum.k - 1]:.4g}",
                other=f"{nearest:.4g}",
                gap=f"{gap:.1%}",
                turn=f"{degrees(spectrum.turn):.0f}",
            ).diagnostic()


def _unsound(queries: Queries, estimate: Estimate) -> tuple[Diagnostic, ...]:
    return tuple(
        UnsoundEstimate(
            span=queries.sampler.origin,
            model=diagnostics.posterior,
            first=diagnostics.reasons[0] if diagnostics.reasons else diagnostics.verdict,
            advice=_ADVICE_ON_WEIGHTS if queries.sampler.kind == "importance" else _ADVICE,
            others=diagnostics.reasons[1:],
        ).diagnostic()
        for diagnostics in estimate.diagnostics
        if not diagnostics.sound
    )
