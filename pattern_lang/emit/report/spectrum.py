"""χ made small enough to look at: standardised rows, binned along the units, and its spectrum."""

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.emit.report.words import fixed, percent
from pattern_lang.ir.susceptibility import Susceptibility

ROWS = 24
BINS = 160
_DIRECTIONS = 3


@frozen(eq=False)
class HeatMap:
    """Mean standardised χ per observable and bin of units; the bins go from low to high weight.

    `weights` is the mean weight of each bin, None without weights.
    """

    names: tuple[str, ...]
    cells: NDArray[np.float64]
    weights: NDArray[np.float64] | None
    per_bin: int
    left_out: int
    lead: str


@frozen
class Direction:
    """One principal direction of the standardised χ with its loadings on the observables."""

    k: int
    share: str
    loadings: tuple[str, ...]
    strengths: tuple[float, ...]


def standardised(susceptibility: Susceptibility) -> NDArray[np.float32]:
    """Return χ with every row centred and scaled to unit variance; a zero row stays zero."""
    chi = np.nan_to_num(susceptibility.chi.astype(np.float32))
    chi -= chi.mean(axis=1, keepdims=True)
    spread = chi.std(axis=1, keepdims=True)
    return np.asarray(chi / np.where(spread > 0, spread, 1), np.float32)


def heat_map(
    susceptibility: Susceptibility, weights: NDArray[np.float32] | None, lead: str | None
) -> HeatMap:
    """Return the heat map; without weights the units are sorted by the χ of `lead`."""
    chi = standardised(susceptibility)
    count, n = chi.shape
    chosen = _chosen(susceptibility, weights)
    first = susceptibility.row(lead) if lead in susceptibility.observables else chosen[0]
    order = np.argsort(chi[first] if weights is None else weights, kind="stable")
    bins = min(BINS, n)
    edges = np.linspace(0, n, bins + 1).astype(np.intp)[:-1]
    sizes = np.diff(np.append(edges, n))
    cells = np.stack([np.add.reduceat(chi[row][order], edges) / sizes for row in chosen])
    binned = None
    if weights is not None:
        binned = np.add.reduceat(weights.astype(np.float64)[order], edges) / sizes
    return HeatMap(
        names=tuple(susceptibility.observables[row] for row in chosen),
        cells=cells.astype(np.float64),
        weights=binned,
        per_bin=max(1, round(n / bins)),
        left_out=count - len(chosen),
        lead=susceptibility.observables[first],
    )


def _chosen(susceptibility: Susceptibility, weights: NDArray[np.float32] | None) -> list[int]:
    """Return the rows to show: all, or those that the weights move most in posterior sd."""
    count = len(susceptibility.observables)
    if count <= ROWS:
        return list(range(count))
    chi = np.nan_to_num(susceptibility.chi)
    moved = np.abs(chi).max(axis=1) if weights is None else np.abs(chi @ (weights - 1))
    sd = np.nan_to_num(susceptibility.sd, nan=1.0)
    order = np.argsort(-moved / np.where(sd > 0, sd, 1), kind="stable")
    return sorted(int(row) for row in order[:ROWS])


def directions(susceptibility: Susceptibility) -> list[Direction]:
    """Return the first principal directions; the largest loading of each is made positive."""
    chi = standardised(susceptibility)
    count, n = chi.shape
    if count < 2:
        return []
    values, vectors = np.linalg.eigh((chi @ chi.T).astype(np.float64) / n)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    total = float(values.sum()) or 1.0
    found = []
    for k in range(min(_DIRECTIONS, count)):
        vector = vectors[:, k]
        vector = vector * (1 if vector[np.argmax(np.abs(vector))] > 0 else -1)
        found.append(
            Direction(
                k=k + 1,
                share=percent(float(values[k]) / total),
                loadings=tuple(fixed(float(item), 2, signed=True) for item in vector),
                strengths=tuple(round(float(item), 3) for item in vector),
            )
        )
    return found
