"""How the draws of a chain are cut into segments, whose moments become the replicates of χ."""

from math import ceil

_FEWEST = 32
_PER_CHAIN = 4


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
