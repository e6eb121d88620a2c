"""χ made small enough to look at: standardised rows, binned along the units, and its spectrum."""

from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from pattern_lang.emit.report.words import fixed, percent
from pattern_lang.ir.susceptibility import Estimate, Spectrum, Susceptibility

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
        found.append(_of_all(names, standardised(chi)[rows]))
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


def _of_all(names: tuple[str, ...], chi: NDArray[np.float32]) -> Directions:
    """Return the first directions of some rows; the largest loading of each is made positive."""
    values, vectors = np.linalg.eigh((chi @ chi.T).astype(np.float64) / chi.shape[1])
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
