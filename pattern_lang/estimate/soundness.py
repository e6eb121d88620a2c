"""Whether an estimate may be built upon: the verdicts of its chains as diagnostics."""

from pattern_lang.diagnostics import Diagnostic
from pattern_lang.diagnostics.catalogue.estimates import UnsoundEstimate
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.susceptibility import Estimate

_ADVICE = (
    "run more draws, or a longer `burn_in`; look at the traces in the report: a drift upwards asks "
    "for a larger `localization` or a smaller `nbeta`, spikes for a smaller `step`"
)


def soundness(queries: Queries, estimate: Estimate) -> tuple[Diagnostic, ...]:
    """Return an error with exit status 4 for each posterior that was not sampled well."""
    return tuple(
        UnsoundEstimate(
            span=queries.sampler.origin,
            model=diagnostics.posterior,
            first=diagnostics.reasons[0] if diagnostics.reasons else diagnostics.verdict,
            advice=_ADVICE,
            others=diagnostics.reasons[1:],
        ).diagnostic()
        for diagnostics in estimate.diagnostics
        if not diagnostics.sound
    )
