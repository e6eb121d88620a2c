"""Principal directions of a family's susceptibilities, as linear combinations of its members.

χ of the family is (k, n). Each row is divided by its root mean square over the units (rows are
centred already), because magnitudes of different components are not comparable; a row of zeros
stays one. With the singular value decomposition `Z = U S Vᵀ`, direction k is the observable

    φ_pc = Σ_i u_ik φ_i / rms_i, whose susceptibility is `u_kᵀ Z = s_k v_kᵀ`,

divided by its own posterior standard deviation: it is measured in `sd`, and one `sd` is one
posterior standard deviation of that combination, in which members under different posteriors are
independent.
From then on it is an observable like any other: means, standard errors, replicates and traces are
those of the combination, with the direction taken as given.

Sign: the member with the largest loading |u_ik| has a positive one, the first of them where several
are as large to one part in a million; so more weight where χ of the direction is positive raises
that member. `toward: D` instead takes the sign with which more weight on the units of D raises it.
"""

from collections.abc import Sequence

import numpy as np
from attrs import evolve, frozen

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.components import NoDirection, NotReweighted
from pattern_lang.estimate.assemble import centred, combined, variances
from pattern_lang.estimate.entries import chosen
from pattern_lang.estimate.inputs import Inputs
from pattern_lang.estimate.needs import directions_of
from pattern_lang.estimate.responses import PosteriorResult, jacobian
from pattern_lang.estimate.table import Array
from pattern_lang.ir.observables import Observable, PrincipalDirection
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.sources import DataSource
from pattern_lang.ir.susceptibility import Spectrum, Susceptibility

_ZERO = 1e-6  # of the largest singular value; χ is kept in float32
_TIE = 1e-6


@frozen(eq=False)
class Decomposition:
    """A family's rows, their scales (k,), and `U` (k, r), `S` (r,) and `Vᵀ` (r, n)."""

    rows: tuple[int, ...]
    scales: Array
    left: Array
    values: Array
    right: Array


def combination(
    queries: Queries, inputs: Inputs, results: Sequence[PosteriorResult]
) -> tuple[Array, tuple[Spectrum, ...]]:
    """Return the observables as combinations of those with a posterior, (k, k), and the spectra.

    Raises NoDirection and NotReweighted.
    """
    k = len(queries.observables)
    matrix = np.eye(k)
    asked = list(directions_of(queries))
    if not asked:
        return matrix, ()
    size = inputs.units.table.size
    total = np.zeros((k, len(size)))
    for result in results:
        total += jacobian(result)
    chi = centred(total, size / size.sum())
    spectra: list[Spectrum] = []
    known: dict[tuple[Observable, ...], Decomposition] = {}
    for row, coefficient, direction in asked:
        observable = queries.observables[row]
        if direction.family not in known:
            known[direction.family] = decompose(chi, member_rows(queries, direction))
        parts, number = known[direction.family], direction.k - 1
        rank = int((parts.values > _ZERO * parts.values[0]).sum()) if parts.values[0] > 0 else 0
        if number >= rank:
            problem = NoDirection(
                span=observable.origin, observable=observable.name, rank=rank, k=direction.k
            )
            raise PatternError([problem])
        sign = _sign(queries, inputs, direction, parts, number)
        loadings = sign * parts.left[:, number]
        one = np.zeros((1, k))
        # Members may repeat: of equal ones the first row stands for all.
        np.add.at(one[0], list(parts.rows), _rounded(loadings / parts.scales))
        sd = np.sqrt(variances([combined(result, one) for result in results], 1)[0])
        matrix[row] += coefficient * one[0] / (sd if sd > 0 else 1.0)
        spectra.append(
            Spectrum(
                observable=observable.name,
                k=direction.k,
                singular_values=tuple(_rounded(parts.values).tolist()),
                members=tuple(member.name for member in direction.family),
                loadings=tuple(_rounded(loadings).tolist()),
            )
        )
    return matrix, tuple(spectra)


def with_turns(
    queries: Queries, spectra: tuple[Spectrum, ...], chi: Susceptibility
) -> tuple[Spectrum, ...]:
    """Return the spectra with the angle by which the noise of χ may have turned each of them."""
    asked = [direction for _, _, direction in directions_of(queries)]
    return tuple(
        evolve(spectrum, turn=_turn(chi, member_rows(queries, direction), direction.k - 1))
        for spectrum, direction in zip(spectra, asked, strict=True)
    )


def _turn(chi: Susceptibility, rows: tuple[int, ...], number: int) -> float:
    """Return the standard error of a direction's angle, in radians, to first order.

    An error E of Z turns u_k towards u_l by `(s_k u_lᵀE v_k + s_l u_kᵀE v_l) / (s_k² - s_l²)`;
    replicates of χ give the spread of these, and so the noise that rows and units share.
    """
    parts = decompose(chi.chi.astype(np.float64), rows)
    values, own = parts.values, parts.values[number]
    gaps = own**2 - values**2
    others = np.arange(len(values)) != number
    # E v_l for every replicate, member and direction, (S, f, m), members in units of their scale.
    noise = chi.noise
    along = noise.loadings[:, list(rows)] @ (noise.basis @ parts.right.T)
    along /= parts.scales[:, None]
    towards = np.einsum("fl,sf->sl", parts.left, along[:, :, number])
    back = np.einsum("f,sfl->sl", parts.left[:, number], along)
    mixed = (own * towards + values * back)[:, others]
    turns = mixed / np.where(gaps == 0, np.finfo(float).tiny, gaps)[others]
    variance = np.var(turns, axis=0, ddof=1) / len(turns)
    return float(f"{min(np.sqrt(variance.sum()), np.pi / 2):.3g}")


def member_rows(queries: Queries, direction: PrincipalDirection) -> tuple[int, ...]:
    """Return the rows of a family's members; lowering has given each of them one."""
    rows = {(o.terms, o.constant): i for i, o in reversed(list(enumerate(queries.observables)))}
    return tuple(rows[member.terms, member.constant] for member in direction.family)


def decompose(chi: Array, rows: tuple[int, ...]) -> Decomposition:
    """Decompose the standardised rows of χ, (k, n); signs are as documented above."""
    family = chi[list(rows)]
    rms = np.sqrt((family**2).mean(axis=1))
    scales = np.where(rms > 0, rms, np.inf)
    left, values, right = np.linalg.svd(family / scales[:, None], full_matrices=False)
    for number in range(len(values)):
        size = np.abs(left[:, number])
        lead = int(np.flatnonzero(size >= size.max() * (1 - _TIE))[0])
        if left[lead, number] < 0:
            left[:, number] *= -1
            right[number] *= -1
    return Decomposition(rows, scales, left, values, right)


def _sign(
    queries: Queries,
    inputs: Inputs,
    direction: PrincipalDirection,
    parts: Decomposition,
    number: int,
) -> float:
    if direction.toward is None:
        return 1.0
    share = share_of_units(queries, inputs, direction.toward)
    return 1.0 if float(parts.right[number] @ share) >= 0 else -1.0


def share_of_units(queries: Queries, inputs: Inputs, data: DataSource) -> Array:
    """Return how much of each unit is in a data set, (n,) from 0 to 1. Raises NotReweighted."""
    reweighted, units = queries.reweight.data, inputs.units
    own = inputs.kept[reweighted]
    entries = next((found[reweighted.base] for found in inputs.entries.values()), None)
    mine = chosen(entries, own)
    inside = np.zeros(len(own.rows) if mine is None else int(mine.sum()))
    if data.base == reweighted.base:
        theirs = inputs.kept[data]
        if mine is None or entries is None:
            inside = np.isin(own.rows, theirs.rows).astype(np.float64)
        else:
            there = np.zeros(entries.shape, dtype=bool)
            there[theirs.rows] = chosen(entries, theirs)
            inside = there[own.rows][mine].astype(np.float64)
    if not inside.any():
        problem = NotReweighted(span=data.origin, data=data.name, reweighted=reweighted.name)
        raise PatternError([problem])
    if units.unit_of_row is None:
        return inside
    return np.bincount(units.unit_of_row, inside, units.count) / units.table.size


def _rounded(values: Array) -> Array:
    """Return ten digits of each number: a library's decomposition may round its last ones so or so.

    Equal estimates have to have equal bits.
    """
    return np.array([float(f"{value:.10g}") for value in values.tolist()])
