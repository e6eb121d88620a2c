"""Judging the chains of a posterior: figures, a verdict, and the reasons for it in words."""

from collections.abc import Iterator, Mapping
from math import inf, isfinite

import numpy as np
from attrs import frozen

from pattern_lang.estimate import conduct
from pattern_lang.estimate.available import round_down
from pattern_lang.estimate.mixing import between_within, effective_draws, r_hat
from pattern_lang.estimate.needs import directions_of
from pattern_lang.estimate.responses import PosteriorResult, combine
from pattern_lang.estimate.reweighing import effective_pairs, pareto_k
from pattern_lang.estimate.table import Array
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.susceptibility import ChainTrace, PosteriorDiagnostics

_BY_CHANCE = 2.6  # χ²/ν of 4 half chains passes this once in twenty
_SHORT_SEGMENT = 5
_HEAVY_TAIL, _SPIKES, _ENOUGH_FOR_TAILS = 0.5, 0.8, 400


@frozen
class Limits:
    """What chains have to reach: R-hat, and effective draws with and without reservations.

    halves: half chains that are short, so that chance alone lets their means differ; 0 to hold
    them to `r_hat` as it is.
    """

    r_hat: float = 1.1
    few: float = 100
    too_few: float = 20
    halves: int = 0

    def worst_r_hat(self, effective: float) -> float:
        """Return the largest R-hat that is still well mixed, given the effective draws."""
        return self.r_hat * float(np.sqrt(1 + _BY_CHANCE * self.halves / effective))


@frozen
class Finding:
    """One reason; a grave one makes the estimate unsound."""

    text: str
    grave: bool


def chain_traces(result: PosteriorResult) -> tuple[ChainTrace, ...]:
    """Return what each chain did, as this posterior's part of every observable."""
    readout = result.readout
    at_anchor = np.where(np.isnan(readout.offset), 0.0, readout.offset)
    return tuple(
        ChainTrace(
            result.name,
            chain.chain,
            chain.seed,
            chain.trace[:, 0],
            combine(readout.spread, chain.trace.T).T + at_anchor,
        )
        for chain in result.chains
    )


def diagnose(
    queries: Queries, result: PosteriorResult, halves: Mapping[int, float]
) -> PosteriorDiagnostics:
    """Judge a posterior. `halves` says by row how χ from either half of the stretches agrees."""
    losses = result.trace[:, :, 0]
    figures = conduct.summary(result.chains)
    if result.weights is None:
        effective, excess = effective_draws(losses), queries.sampler.nbeta * float(losses.mean())
        findings = [
            *look_at(queries, result.readout.spread, result.trace),
            *_short_segments(result, losses.size / effective),
            *_large_step(queries, result.stiffness),
            *_conduct(queries, result, figures),
        ]
    else:
        mean = float((result.weights * losses).mean())
        effective, excess = effective_pairs(result.weights), queries.sampler.nbeta * mean
        k = pareto_k(result.weights)
        figures |= {"effective_pairs": effective} | ({"pareto_k": k} if isfinite(k) else {})
        remarks = conduct.weights(figures, losses.size // 2)
        findings = [Finding(text, grave) for text, grave in remarks]
    sound = not any(finding.grave for finding in findings)
    verdict = "unsound" if not sound else "sound, with reservations" if findings else "sound"
    ordered = sorted(findings, key=lambda finding: not finding.grave)
    return PosteriorDiagnostics(
        posterior=result.name,
        r_hat=r_hat(losses),
        effective_draws=effective,
        autocorrelation_time=losses.size / effective if result.weights is None else 1.0,
        anchor_loss=float(result.anchor_means[0]),
        mean_excess=excess,
        split_half=tuple((queries.observables[row].name, halves[row]) for row in sorted(halves)),
        verdict=verdict,
        sound=sound,
        reasons=tuple(finding.text for finding in ordered),
        figures=tuple(figures.items()),
        between_within=between_within(losses),
    )


def look_at(
    queries: Queries, spread: Array, trace: Array, limits: Limits | None = None
) -> Iterator[Finding]:
    """Judge traces alone: the mean loss, and every observable that is not a multiple of it.

    trace: (chains, draws, q) of what is followed, the mean loss first, relative to θ*. spread:
    (k, q), what the observables take of it.
    """
    limits = limits or Limits()
    losses = trace[:, :, 0]
    effective = effective_draws(losses)
    yield from _mixing("the mean loss", r_hat(losses), effective, limits)
    yield from _spikes("the mean loss", losses)
    yield from _observables(queries, spread, trace, limits)
    yield from _drift(losses)
    yield from _below_anchor(losses, queries.sampler.nbeta * float(losses.mean()), effective)


def slowest(queries: Queries, spread: Array, trace: Array) -> float:
    """Return the effective draws of the mean loss or of an observable, whichever has fewest."""
    rows = [trace @ spread[row] for row in _different(queries, spread)]
    return min(effective_draws(part) for part in [trace[:, :, 0], *rows])


def _conduct(
    queries: Queries, result: PosteriorResult, figures: dict[str, float]
) -> Iterator[Finding]:
    remarks: list[conduct.Remark] = []
    if queries.sampler.kind == "hmc":
        remarks += conduct.trajectories(figures, result.trace[:, :, 0].size)
    elif queries.sampler.kind == "laplace":
        remarks += conduct.gaussian(figures)
        for row, observable in enumerate(queries.observables):
            weights = result.readout.slopes[row]
            if weights.any():
                remarks += conduct.second_order(f"`{observable.name}`", result.trace @ weights)
    yield from (Finding(text, grave) for text, grave in remarks)


def _mixing(what: str, rhat: float, effective: float, limits: Limits) -> Iterator[Finding]:
    most, least = limits.worst_r_hat(effective), limits.too_few
    if rhat > most:
        text = f"the chains disagree on {what}: R-hat is {rhat:.3f}, above {most:.3g}"
        yield Finding(text, grave=True)
    if effective < least:
        text = f"only {effective:.0f} effective draws of {what}; {least:g} are the least"
        yield Finding(text, grave=True)
    elif effective < limits.few:
        yield Finding(f"few effective draws of {what}: {effective:.0f}", grave=False)


def _spikes(what: str, trace: Array) -> Iterator[Finding]:
    """Look for a few draws that outweigh all others; ranks, and so R-hat, do not see them.

    The top hundredth carries a tenth of the variance of a Gaussian trace, and two fifths of that
    of a gamma law as skewed as one quartic direction has.
    """
    squares = np.sort((trace - trace.mean()).ravel() ** 2)
    top = squares[-max(1, squares.size // 100) :].sum()
    if squares.size >= _ENOUGH_FOR_TAILS and top > _HEAVY_TAIL * squares.sum():
        share = top / squares.sum()
        text = (
            f"rare spikes: 1 % of the draws carry {share:.0%} of the variance of {what}; a smaller "
            "`step` avoids them"
        )
        yield Finding(text, grave=share > _SPIKES)


def _large_step(queries: Queries, stiffness: float) -> Iterator[Finding]:
    if stiffness > 1:
        wider = 1 / (1 - stiffness / 4) - 1 if stiffness < 4 else inf
        smaller = round_down(queries.sampler.step * 0.4 / stiffness)
        text = (
            f"the step widens the sharpest direction's variance by {wider:.0%}; `step: "
            f"{smaller:g}` would by 11 % at most"
        )
        yield Finding(text, grave=False)


def _observables(
    queries: Queries, spread: Array, trace: Array, limits: Limits
) -> Iterator[Finding]:
    for row in _different(queries, spread):
        part = trace @ spread[row]
        name = f"`{queries.observables[row].name}`"
        yield from _mixing(name, r_hat(part), effective_draws(part), limits)
        yield from _spikes(name, part)


def _different(queries: Queries, spread: Array) -> Iterator[int]:
    """Yield the observables to look at: of those that are multiples of each other, one.

    The mean loss is looked at already. Members of families come before their directions, which in
    one posterior are often multiples of one member.
    """
    directions = {row for row, _, _ in directions_of(queries)}
    seen: list[Array] = []
    for row in sorted(range(len(spread)), key=lambda row: row in directions):
        weights = spread[row]
        if not weights.any() or np.flatnonzero(weights).tolist() == [0]:
            continue
        unit = weights / weights[np.abs(weights).argmax()]
        if not any(np.allclose(unit, other, rtol=0, atol=1e-9) for other in seen):
            seen.append(unit)
            yield row


def _drift(losses: Array) -> Iterator[Finding]:
    """Compare the first with the last half of the draws, in standard errors."""
    half = losses.shape[1] // 2
    early, late = losses[:, :half], losses[:, -half:]
    spread = losses.std()
    if spread == 0:
        return
    error = spread * np.sqrt(1 / effective_draws(early) + 1 / effective_draws(late))
    drift = float(late.mean() - early.mean())
    if abs(drift) > 3 * error:
        way = "rises" if drift > 0 else "falls"
        text = (
            f"the mean loss still {way}: by {abs(drift) / error:.1f} standard errors, "
            f"{abs(drift) / spread:.2f} posterior standard deviations, from the first half of the "
            "draws to the last"
        )
        yield Finding(text, grave=abs(drift) > 4 * error and abs(drift) > spread / 2)


def _below_anchor(losses: Array, excess: float, effective: float) -> Iterator[Finding]:
    if losses.mean() < -3 * losses.std() / np.sqrt(effective):
        text = (
            f"the draws lie below the checkpoint in loss (nβ times the excess is {excess:.3g}): "
            "the checkpoint is not near a minimum of the loss on these data"
        )
        yield Finding(text, grave=False)


def _short_segments(result: PosteriorResult, tau: float) -> Iterator[Finding]:
    shortest = len(result.chains[0].trace) / result.chains[0].stretches
    if shortest < _SHORT_SEGMENT * tau:
        text = (
            f"standard errors may be too small: they come from segments of {shortest:.0f} draws, "
            f"and the autocorrelation time is {tau:.0f}"
        )
        yield Finding(text, grave=False)
