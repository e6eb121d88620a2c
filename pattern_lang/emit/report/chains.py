"""How the chains behaved: one row per posterior, and its traces."""

from attrs import frozen
from markupsafe import Markup

from pattern_lang.emit.report import plots
from pattern_lang.emit.report.words import clip, fixed, line, number
from pattern_lang.ir.susceptibility import Estimate

_TRACES = 8


@frozen
class PosteriorRow:
    """The figures of one posterior, ready to print."""

    name: str
    tone: str
    verdict: str
    r_hat: str
    effective_draws: str
    autocorrelation_time: str
    anchor_loss: str
    mean_excess: str
    chains: int
    draws: int
    split_half: tuple[tuple[str, str], ...]
    reasons: tuple[str, ...]


def posterior_rows(estimate: Estimate) -> list[PosteriorRow]:
    """Return one row per posterior."""
    rows = []
    for item in estimate.diagnostics:
        traces = [trace for trace in estimate.traces if trace.posterior == item.posterior]
        rows.append(
            PosteriorRow(
                name=clip(item.posterior, 60).text,
                tone="bad" if not item.sound else "warn" if item.reasons else "good",
                verdict=line(item.verdict, 80),
                r_hat=fixed(item.r_hat, 3),
                effective_draws=number(item.effective_draws),
                autocorrelation_time=number(item.autocorrelation_time),
                anchor_loss=number(item.anchor_loss, 4),
                mean_excess=number(item.mean_excess, signed=True),
                chains=len(traces),
                draws=max((len(trace.loss) for trace in traces), default=0),
                split_half=tuple(
                    (clip(name, 28).text, fixed(value)) for name, value in item.split_half[:8]
                ),
                reasons=tuple(line(reason) for reason in item.reasons[:12]),
            )
        )
    return rows


def trace_plots(estimate: Estimate) -> list[Markup | None]:
    """Return the traces of each posterior, None for those that did not fit on the page."""
    drawn: list[Markup | None] = []
    for index, item in enumerate(estimate.diagnostics):
        traces = [
            trace
            for trace in estimate.traces
            if trace.posterior == item.posterior and len(trace.loss) > 0
        ]
        if index >= _TRACES or not traces:
            drawn.append(None)
            continue
        label = (
            f"Traces of {len(traces)} chains of {line(item.posterior, 60)}: mean loss "
            f"nβ times the mean excess over the checkpoint is {number(item.mean_excess)}, "
            f"{line(item.verdict, 80)}."
        )
        drawn.append(plots.trace_plot(traces, index, label))
    return drawn
