"""χ made small enough to look at: standardised rows, binned along the units, and its spectrum."""

from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.emit.report.words import fixed, percent
from pattern_lang.ir.susceptibility import Estimate, Spectrum, Susceptibility
from pattern_lang.ir.variances import blocks

ROWS = 24
BINS = 160
_DIRECTIONS = 3
_STRONG = 0.4


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
    """One principal direction: how it is called, a remark on it, its loadings on the members."""

    name: str
    share: str
    loadings: tuple[str, ...]
    strong: tuple[bool, ...]


@frozen
class Directions:
    """Principal directions of a family of observables, with one loading for each member."""

    caption: str
    members: tuple[str, ...]
    directions: tuple[Direction, ...]


def standardised(susceptibility: Susceptibility, row: int) -> NDArray[np.float32]:
    """Return a row of χ centred and scaled to unit variance, (n,); a zero row stays zero."""
    own = np.nan_to_num(susceptibility.chi[row].astype(np.float32))
    own -= own.mean()
    spread = own.std()
    return np.asarray(own / (spread if spread > 0 else 1), np.float32)


def correlations(susceptibility: Susceptibility, rows: list[int]) -> NDArray[np.float64]:
    """Return those of some rows of χ, (k', k'); a zero row has none with any."""
    n = susceptibility.chi.shape[1]
    centre, spread = np.zeros(len(rows)), np.zeros(len(rows))
    for place, row in enumerate(rows):
        own = np.nan_to_num(susceptibility.chi[row])
        centre[place], spread[place] = own.mean(), own.std()
    scale = np.where(spread > 0, spread, 1)
    total = np.zeros((len(rows), len(rows)))
    for units in blocks(n):
        block = np.nan_to_num(susceptibility.chi[rows, units])
        block = ((block - centre[:, None]) / scale[:, None]).astype(np.float32)
        total += block @ block.T
    return np.asarray(total / n)


def heat_map(
    susceptibility: Susceptibility, weights: NDArray[np.float32] | None, lead: str | None
) -> HeatMap:
    """Return the heat map; without weights the units are sorted by the χ of `lead`."""
    count, n = susceptibility.chi.shape
    chosen = _chosen(susceptibility, weights)
    first = susceptibility.row(lead) if lead in susceptibility.observables else chosen[0]
    by = standardised(susceptibility, first) if weights is None else weights
    order = np.argsort(by, kind="stable")
    bins = min(BINS, n)
    edges = np.linspace(0, n, bins + 1).astype(np.intp)[:-1]
    sizes = np.diff(np.append(edges, n))
    rows = (standardised(susceptibility, row)[order] for row in chosen)
    cells = np.stack([np.add.reduceat(row, edges) / sizes for row in rows])
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
    rows = map(np.nan_to_num, susceptibility.chi)
    moved = np.array(
        [abs(own).max() if weights is None else abs(own @ (weights - 1)) for own in rows]
    )
    sd = np.nan_to_num(susceptibility.sd, nan=1.0)
    order = np.argsort(-moved / np.where(sd > 0, sd, 1), kind="stable")
    return sorted(int(row) for row in order[:ROWS])


def directions(estimate: Estimate) -> list[Directions]:
    """Return the directions that the spec asks for, by family, then those of all observables.

    Of all observables, those that are directions themselves are left out: each is a combination of
    others, and would count these twice.
    """
    families: dict[tuple[str, ...], list[Spectrum]] = {}
    for spectrum in estimate.spectra:
        families.setdefault(spectrum.members, []).append(spectrum)
    found = [_asked(members, own) for members, own in families.items()]
    chi, taken = estimate.susceptibility, {spectrum.observable for spectrum in estimate.spectra}
    rows = [row for row, name in enumerate(chi.observables) if name not in taken]
    names = tuple(chi.observables[row] for row in rows)
    if len(rows) > 1 and names not in families:
        found.append(_of_all(names, correlations(chi, rows)))
    return found


def _asked(members: tuple[str, ...], spectra: list[Spectrum]) -> Directions:
    """Return directions as the estimate has them: their sign is what the spec asks for."""
    own = []
    for spectrum in spectra:
        total = sum(value**2 for value in spectrum.singular_values) or 1.0
        share = percent(spectrum.singular_values[spectrum.k - 1] ** 2 / total)
        own.append(
            _direction(
                spectrum.observable, f"{share}, ± {_degrees(spectrum.turn)}", spectrum.loadings
            )
        )
    caption = (
        "Directions that the spec asks for, of the standardised χ of their family, with their "
        "share of its variance and the angle by which noise may have turned them."
    )
    return Directions(caption, members, tuple(own))


def _of_all(names: tuple[str, ...], correlation: NDArray[np.float64]) -> Directions:
    """Return the first directions of some rows; the largest loading of each is made positive."""
    values, vectors = np.linalg.eigh(correlation)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    total = float(values.sum()) or 1.0
    found = []
    for k in range(min(_DIRECTIONS, len(names))):
        vector = vectors[:, k]
        vector = vector * (1 if vector[np.argmax(np.abs(vector))] > 0 else -1)
        found.append(_direction(str(k + 1), percent(float(values[k]) / total), vector.tolist()))
    caption = (
        "Principal directions of the standardised χ of all observables. The largest loading of "
        "each is made positive."
    )
    return Directions(caption, names, tuple(found))


def _direction(name: str, share: str, loadings: Sequence[float]) -> Direction:
    shown = tuple(fixed(float(item), 2, signed=True) for item in loadings)
    return Direction(name, share, shown, tuple(abs(item) >= _STRONG for item in loadings))


def _degrees(angle: float) -> str:
    return f"{np.degrees(angle):.0f}°"
