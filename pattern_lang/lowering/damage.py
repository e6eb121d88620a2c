"""Which parts of a checked spec are unsound: what stands on them is left out without a word."""

from bisect import bisect_left
from collections.abc import Iterable

from attrs import frozen

from pattern_lang.diagnostics import Severity, SourceFile, Span
from pattern_lang.semantics.check import CheckedSpec


@frozen(eq=False)
class Damage:
    """The places of errors, and of statements that could not be read whole, by source."""

    errors: dict[SourceFile, list[Span]]
    gaps: dict[SourceFile, list[Span]]

    @classmethod
    def of(cls, spec: CheckedSpec) -> "Damage":
        """Return the damage that the check has found."""
        errors = (p.span for p in spec.problems if p.span and p.severity is Severity.ERROR)
        gaps = (gap for module in spec.modules for gap in module.file.gaps)
        return cls(_by_source((*errors, *spec.unknown)), _by_source(gaps))

    def within(self, span: Span) -> bool:
        """Tell whether there is an error within a span, or the span is of a broken statement."""
        if any(gap.encloses(span) for gap in self.gaps.get(span.source, ())):
            return True
        errors = self.errors.get(span.source, [])
        at = bisect_left(errors, span.start, key=lambda error: error.start)
        while at < len(errors) and errors[at].start <= span.end:
            if span.encloses(errors[at]):
                return True
            at += 1
        return False


def _by_source(spans: Iterable[Span]) -> dict[SourceFile, list[Span]]:
    found: dict[SourceFile, list[Span]] = {}
    for span in spans:
        found.setdefault(span.source, []).append(span)
    return {source: sorted(items, key=lambda item: item.start) for source, items in found.items()}
