"""χ of one posterior and its noise, in two passes over the units.

The first adds up what is needed as a whole: the sums of the responses, and the products of the
stack with itself, from which the directions that carry most of the noise follow. The second writes
χ, the squared error of each entry, and the noise on these directions. So nothing of the size of χ
is there beside what comes out.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from attrs import frozen

from pattern_lang.estimate.responses import Block, Pooled
from pattern_lang.estimate.table import Array
from pattern_lang.ir.noise import Noise, Turn, directions
from pattern_lang.ir.variances import Variances, blocks

_NUMBERS = 2**24  # of a basis, 64 MB of float32
_FEWEST = 16
_WIDTH = 4096


def most_directions(n: int) -> int:
    """Return how many directions over n units a basis may have."""
    return max(_FEWEST, _NUMBERS // max(n, 1))


@frozen(eq=False)
class Into:
    """Where results are added: χ (k, n), and the squared errors (k, n) of its entries.

    variances: None where the basis is to hold all of the noise.
    """

    chi: Array
    variances: Variances | None


@frozen(eq=False)
class Sums:
    """Sums over the units: of J (k',), of the stack (R,), of products of stack and share."""

    jacobian: Array
    stack: Array
    gram: Array


def respond(pooled: Pooled, share: Array | None, factors: Array, into: Into) -> tuple[Noise, Array]:
    """Add a posterior's χ and squared errors; return its noise and how its halves agree.

    share: (n,) of each unit in the rows, by which χ is centred; None leaves J as it is. factors:
    (k',) by which errors are larger than the replicates' own. The noise has a row for every
    observable; the correlations of χ from the even and the odd stretches are those present, (k',).
    """
    n = into.chi.shape[1]
    share = np.zeros(n) if share is None else share
    sums = _first(pooled, share)
    count, rows, r = pooled.loadings.shape
    loadings = pooled.loadings - pooled.loadings.mean(axis=0)
    turn = Turn(np.eye(r), np.eye(r), is_whole=True)
    centre = np.column_stack([np.eye(r), -sums.stack])
    if into.variances is not None:
        gram = centre @ sums.gram @ centre.T
        turn = directions(factors[:, None] * loadings, gram, most_directions(n))
    halves = Halves(rows, len(turn.forward))
    basis = np.empty((len(turn.forward), n), dtype=np.float32)
    forward = (turn.forward @ centre).astype(np.float32)
    spread = _with_share(loadings, sums.stack)
    for units in blocks(n, _WIDTH):
        block, own = pooled.block(units), share[units]
        chi = block.jacobian - np.outer(sums.jacobian, own)
        into.chi[pooled.rows, units] += chi.astype(into.chi.dtype)
        stack = np.concatenate([block.stack, own[None].astype(np.float32)])
        basis[:, units] = forward @ stack
        variances = None
        if into.variances is not None:
            variances = _variances(spread, stack, pooled.owns, block)
            into.variances.add(pooled.rows, units, (factors**2)[:, None] * variances)
        halves.add(chi, basis[:, units], variances)
    loadings = loadings @ turn.inverse
    full = np.zeros((count, into.chi.shape[0], loadings.shape[2]))
    full[:, pooled.rows] = factors[:, None] * loadings
    return Noise(full, basis), halves.correlations(loadings)


def _first(pooled: Pooled, share: Array) -> Sums:
    rows, r = pooled.loadings.shape[1:]
    found = Sums(np.zeros(rows), np.zeros(r), np.zeros((r + 1, r + 1)))
    for units in blocks(len(share), _WIDTH):
        block = pooled.block(units)
        # In float64: directions a thousand times smaller than others are a millionth in these.
        stack = np.concatenate([block.stack.astype(np.float64), share[None, units]])
        np.add(found.jacobian, block.jacobian.sum(axis=1), out=found.jacobian)
        np.add(found.stack, stack[:-1].sum(axis=1), out=found.stack)
        np.add(found.gram, stack @ stack.T, out=found.gram)
    return found


def _with_share(loadings: Array, sums: Array) -> Array:
    """Return loadings on the stack and, below it, the share, so that replicates sum to zero."""
    return np.concatenate([loadings, -(loadings @ sums)[:, :, None]], axis=2).astype(np.float32)


def _variances(loadings: Array, stack: Array, owns: Sequence[slice], block: Block) -> Array:
    """Return the squared errors of the mean over the replicates, (k', w)."""
    count = len(loadings)
    total = np.zeros((loadings.shape[1], stack.shape[1]), dtype=np.float32)
    square = np.zeros_like(total)
    for away in _replicates(loadings, stack, owns):
        total += away
        away *= away
        square += away
    total *= total
    found: Array = (square - total / count) / (count * (count - 1) or np.nan)
    return found if block.residual is None else found + block.residual


def _replicates(loadings: Array, stack: Array, owns: Sequence[slice]) -> Iterator[Array]:
    """Yield how far each replicate is from their mean, (k', w).

    Each has a part in few rows of the stack, and much of that in common with its chain's others.
    """
    for own in owns:
        mine = loadings[own]
        common = mine.any(axis=(0, 1)) & (mine == mine[0]).all(axis=(0, 1))
        base = mine[0][:, common] @ stack[common]
        for single in mine:
            alone = single.any(axis=0) & ~common
            yield base + single[:, alone] @ stack[alone]


class Halves:
    """Correlates χ from the even with χ from the odd stretches, per observable.

    What the basis leaves out is as large in one half as in the other, with opposite sign: its
    variance adds to those of the halves and is taken off their covariance. Rows of χ and of the
    basis sum to zero, so products are covariances.
    """

    def __init__(self, rows: int, r: int) -> None:
        self.chi, self.cross, self.gram = np.zeros(rows), np.zeros((rows, r)), np.zeros((r, r))
        self.variance: Array | None = None

    def add(self, chi: Array, basis: Array, variances: Array | None) -> None:
        """Take some units."""
        wide = basis.astype(np.float64)
        self.chi += np.einsum("kn,kn->k", chi, chi)
        self.cross += chi @ wide.T
        self.gram += wide @ wide.T
        if variances is not None:
            before = 0.0 if self.variance is None else self.variance
            self.variance = before + variances.sum(axis=1, dtype=np.float64)

    def correlations(self, loadings: Array) -> Array:
        """Return them, (k',); loadings: (S, k', r) of the replicates as they are."""
        even, odd = (loadings[half::2].mean(axis=0) for half in (0, 1))
        rest = np.zeros(len(self.chi))
        if self.variance is not None:
            scale = len(loadings) * (len(loadings) - 1) or np.nan
            inside = np.einsum("skr,rt,skt->k", loadings, self.gram, loadings, optimize=True)
            rest = np.maximum(self.variance - inside / scale, 0.0)
        spread = np.sqrt((self._product(even, even) + rest) * (self._product(odd, odd) + rest))
        common = self._product(even, odd) - rest
        return np.divide(common, spread, out=np.zeros_like(common), where=spread > 0)

    def _product(self, one: Array, other: Array) -> Array:
        """Return Σ_j of the products of `χ + one @ basis` and `χ + other @ basis`, (k',)."""
        sides = np.einsum("kr,kr->k", one + other, self.cross)
        both = np.einsum("kr,rt,kt->k", one, self.gram, other, optimize=True)
        return np.asarray(self.chi + sides + both)
