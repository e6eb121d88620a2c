"""How draws are cut into segments, and what the spread of segments says about the mean of all.

The moments of segments are the replicates of χ. Their plain standard error, `s/√S`, is too small
for two reasons, and `widening` makes up for both:

- Segments of m draws with autocorrelation time τ are correlated. For an autoregression,
  `ρ = (τ-1)/(τ+1)`, m times the variance of a segment's mean falls short of its limit by the
  factor `1 - (τ - 1/τ)(1 - ρ^m)/(2m)`: 1/τ at m = 1, near 1 for long segments. Draws of χ are
  products `(φ-⟨φ⟩)(ℓ_j-⟨ℓ_j⟩)`, which forget at least as fast as φ in a Gaussian posterior, so the
  τ of φ errs to the safe side.
- s comes from S segments only, so intervals follow Student's law with S - 1 degrees of freedom.
  Its 97.5 % quantile over the normal one is the factor with which `χ ± 1.96 stderr` covers 95 %.

Both are factors on the second moments of the segments, which may as well be streamed. What is left
is that large estimates have large errors: the tail towards zero covers a little more than the
other.
"""

from math import ceil, sqrt

_FEWEST = 32
_PER_CHAIN = 4
_NORMAL = 1.959964


def segment_lengths(chains: int, draws: int) -> tuple[int, ...]:
    """Return the draws in each segment of a chain, equal or off by one.

    Batch means need segments much longer than the autocorrelation time, and enough of them (32 or
    more over all chains) for a standard error of the standard error of 13 %. So a chain is cut as
    seldom as that allows: at least 4 times, or, when there are more than 16 chains, only as often
    as 48 segments need. A number of cuts that divides the draws is preferred.
    """
    wanted = max(_PER_CHAIN, ceil(_FEWEST / chains)) if chains <= 16 else ceil(48 / chains)
    wanted = min(wanted, draws // 2)
    even = [count for count in range(wanted, wanted + wanted // 2 + 1) if draws % count == 0]
    count = even[0] if even else wanted
    short, longer = divmod(draws, count)
    return tuple(short + (1 if number < longer else 0) for number in range(count))


def pair_segments(chains: int, draws: int) -> tuple[int, ...]:
    """Return the draws in each segment of independent pairs: whole pairs, equal or off by one.

    Independent pairs need no long segments, one of a single pair will do; so there are 32 or more
    over all chains wherever there are as many pairs.
    """
    pairs = draws // 2
    wanted = min(max(_PER_CHAIN, ceil(_FEWEST / chains)), pairs)
    short, longer = divmod(pairs, wanted)
    return tuple(2 * (short + (1 if number < longer else 0)) for number in range(wanted))


def widening(tau: float, length: float, count: int) -> float:
    """Return the factor on the plain standard error of the mean of `count` segments.

    tau: autocorrelation time in draws. length: draws of a segment.
    """
    tau = max(tau, 1.0)
    rho = (tau - 1) / (tau + 1)
    short = 1 - (tau - 1 / tau) * (1 - rho**length) / (2 * length)
    return student(count - 1) / _NORMAL / sqrt(short)


def student(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's law, by the expansion of Cornish and Fisher.

    It is right to 1 % from 3 degrees of freedom on (Abramowitz & Stegun, 26.7.5).
    """
    z, v = _NORMAL, max(freedom, 1)
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    )
