"""What samplers say about themselves: trajectories refused, directions clipped, uneven weights."""

from collections.abc import Iterator, Sequence
from math import log10

import numpy as np

from pattern_lang.estimate.moments import ChainResult
from pattern_lang.estimate.table import Array

_LOW, _TOO_LOW = 0.5, 0.1
_DIVERGENT = 0.05
_FAR = 1.0
_FEW_PAIRS, _TOO_FEW_PAIRS, _SMALL_SHARE = 100, 20, 0.1
_BAD_TAIL, _ENOUGH_FOR_TAILS = 0.7, 100

Remark = tuple[str, bool]
"""A reason in words, and whether it is grave."""


def summary(chains: Sequence[ChainResult]) -> dict[str, float]:
    """Return each figure averaged over the chains, and divergences summed."""
    names = chains[0].figures if chains else {}
    found = {name: float(np.mean([chain.figures[name] for chain in chains])) for name in names}
    if "divergences" in found:
        found["divergences"] *= len(chains)
    return found


def trajectories(figures: dict[str, float], draws: int) -> Iterator[Remark]:
    """Judge Hamiltonian trajectories: how many left the energy surface or were refused."""
    count, acceptance = figures["divergences"], figures["acceptance"]
    if count:
        text = (
            f"{count:.0f} of {draws} trajectories diverged: the posterior has corners that this "
            "step does not see into; a longer `burn_in` or a larger `localization` helps"
        )
        yield text, count > _DIVERGENT * draws
    if acceptance < _LOW:
        text = (
            f"only {acceptance:.0%} of the trajectories were accepted, where the step aims at "
            "80 %; a longer `burn_in` adapts it better"
        )
        yield text, acceptance < _TOO_LOW


def weights(figures: dict[str, float], pairs: int) -> Iterator[Remark]:
    """Judge importance weights by their tail and by how many pairs they leave.

    A k̂ above 0.7 is unsound; a fit to few weights is told to be uncertain from `1 - 1/log10 S` on
    (Vehtari et al., 1507.02646).
    """
    effective, tail = figures["effective_pairs"], figures.get("pareto_k", 0.0)
    advice = (
        "the posterior is not near the Gaussian that draws come from: a larger `localization` or a "
        "smaller `nbeta` brings it nearer, and `sgld(…)` or `hmc(…)` goes without"
    )
    degenerate = effective < _SMALL_SHARE * pairs
    if tail > _BAD_TAIL:
        text = f"a few weights outweigh all others: their Pareto tail k̂ is {tail:.2f}, above 0.7"
        yield f"{text}; {advice}", True
    elif pairs >= _ENOUGH_FOR_TAILS and tail > 1 - 1 / log10(pairs):
        text = f"the weights' Pareto tail k̂ is {tail:.2f}, much for {pairs} pairs"
        yield f"{text}: errors may be larger than they look", False
    if effective < _TOO_FEW_PAIRS:
        text = f"the weights leave {effective:.0f} of {pairs} pairs; {_TOO_FEW_PAIRS} are the least"
        yield f"{text}: {advice if degenerate else 'write more `draws`'}", True
    elif degenerate or effective < _FEW_PAIRS:
        yield f"few effective pairs: the weights leave {effective:.0f} of {pairs}", False
    if figures["newton"] > _FAR:
        text = (
            f"draws are centred {figures['newton']:.1f} posterior standard deviations from the "
            "checkpoint, where the gradient points"
        )
        yield text, False


def gaussian(figures: dict[str, float]) -> Iterator[Remark]:
    """Judge the Gaussian of the closed form."""
    negative, size, held = (figures[name] for name in ("negative", "parameters", "directions"))
    if negative:
        text = (
            f"the curvature is negative in {negative:.0f} of {held:.0f} directions, which count "
            "as flat: the checkpoint is a saddle there"
        )
        yield text, False
    if held < size:
        text = (
            f"the curvature is known in {held:.0f} of {size:.0f} directions, those of the "
            "gradients; in the others `localization` alone holds the Gaussian"
        )
        yield text, False
    if figures["newton"] > _FAR:
        text = (
            f"the posterior's mode is {figures['newton']:.1f} of its standard deviations away "
            "from the checkpoint, about which the closed form expands"
        )
        yield text, False


def second_order(name: str, trace: Array) -> Iterator[Remark]:
    """Tell where the closed form leaves out as much as it has; `trace` holds antithetic pairs."""
    first, second = trace[..., ::2], trace[..., 1::2]
    odd, even = ((first - second) / 2).var(), ((first + second) / 2).var()
    if even > odd:
        share = even / (odd + even)
        text = (
            f"{share:.0%} of the variance of {name} is of second order, where the closed form "
            "leaves out the posterior's skewness: compare with `hmc`"
        )
        yield text, False
