"""Covariances of stretches, gathered one by one: exact while they fit, and honest beyond."""

from functools import partial
from io import FileIO

import numpy as np
import pytest
import torch

from pattern_lang.estimate import series, stretches
from pattern_lang.estimate.moments import Accumulator, Averager, StretchSums
from pattern_lang.estimate.series import Series
from pattern_lang.estimate.stretches import Stretches
from pattern_lang.ir.variances import blocks, narrowed, widened

S, Q, N = 8, 3, 400
RANDOM = np.random.default_rng(0)
# A signal, noise that units share in three directions, and a little of their own.
SHARED = RANDOM.normal(size=(S, Q, 3)) @ RANDOM.normal(size=(3, N))
MATRICES = 5 * RANDOM.normal(size=(Q, N)) + SHARED + 0.1 * RANDOM.normal(size=(S, Q, N))


def columns_of(matrix: torch.Tensor, units: slice) -> torch.Tensor:
    return matrix[:, units]


def gathered(rank: int | None, monkeypatch: pytest.MonkeyPatch, stop: int | None = None):  # type: ignore[no-untyped-def]
    if rank is not None:
        monkeypatch.setattr(stretches, "_NUMBERS", rank * N)
        monkeypatch.setattr(stretches, "_FEWEST", 2)
    found = Stretches(S, Q, N)
    assert found.exact == (rank is None)
    for number, matrix in enumerate(MATRICES):
        if number == stop:
            state = {name: part.clone() for name, part in found.state().items()}
            found = Stretches(S, Q, N)
            found.restore(state)
        found.add(partial(columns_of, torch.from_numpy(matrix).float()))
    return found.result()


def test_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    mean, noise = gathered(None, monkeypatch)
    assert mean == pytest.approx(MATRICES.mean(axis=0), rel=1e-5, abs=1e-5)
    for row in range(Q):
        expected = MATRICES[:, row] - MATRICES[:, row].mean(axis=0)
        assert noise.replicates(row) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("rank", [4, 6, 11])
def test_beyond_what_fits(rank: int, monkeypatch: pytest.MonkeyPatch) -> None:
    mean, noise = gathered(rank, monkeypatch)
    assert len(noise.basis) <= rank
    assert mean == pytest.approx(MATRICES.mean(axis=0), rel=1e-5, abs=1e-5)
    expected = MATRICES.std(axis=0, ddof=1) / np.sqrt(S)
    assert np.median(noise.entries() / expected) == pytest.approx(1, abs=0.1)
    # The shared directions are kept, so errors of sums over units are right.
    x = RANDOM.normal(size=N)
    for row in range(Q):
        c = np.eye(Q)[row]
        true = float((MATRICES[:, row] @ x).std(ddof=1) / np.sqrt(S))
        assert noise.stderr(c, x) == pytest.approx(true, rel=0.1)


@pytest.mark.parametrize("rank", [None, 4])
@pytest.mark.parametrize("stop", [0, 1, 5])
def test_going_on(rank: int | None, stop: int, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = gathered(rank, monkeypatch), gathered(rank, monkeypatch, stop)
    assert np.array_equal(one[0], other[0])
    assert np.array_equal(one[1].loadings, other[1].loadings)
    assert np.array_equal(one[1].basis, other[1].basis)


@pytest.mark.parametrize("filed", [False, True])
@pytest.mark.parametrize("more", [0, 6])
def test_a_chain_goes_on_after_any_block(
    more: int, filed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where draws of a stretch are fewer than data sets, and so kept as they are."""
    if filed:
        monkeypatch.setattr(series, "_NUMBERS", 0)
    members = (torch.arange(6), torch.tensor([0, 2, 7]), *torch.arange(more)[:, None])
    averager = Averager(members, torch.ones(1, 6, dtype=torch.bool), None, 6, 8)
    assert len(StretchSums.empty(averager, 7).held) == (7 if more else 0)
    draws = torch.from_numpy(RANDOM.normal(size=(20, 8)))

    def run(stop: int | None) -> Accumulator:
        moments, at = Accumulator(averager, (7, 7, 6)), 0
        while moments.room:
            if at == stop:
                matrices = moments.matrices().items()
                state = {name: torch.from_numpy(np.array(part)) for name, part in matrices}
                state |= {name: part.clone() for name, part in moments.state().items()}
                moments = Accumulator(averager, (7, 7, 6))
                moments.restore(state)
            count = min(2, moments.room)
            moments.add(draws[at : at + count])
            at += count
        return moments

    whole = run(None).result(0, 0, {})
    for stop in (2, 7, 9, 14, 16):
        found = run(stop).result(0, 0, {})
        for name in ("trace", "means", "rows", "cross"):
            assert np.array_equal(getattr(found, name), getattr(whole, name)), (stop, name)
        assert np.array_equal(found.noise.basis, whole.noise.basis)
    part = draws[:7, :6].numpy()
    first = (part.mean(1) - part.mean()) @ (part - part.mean(0)) / 7
    assert whole.cross[0] + whole.noise.replicates(0)[0] == pytest.approx(first, abs=1e-6)


@pytest.mark.parametrize("full", [0, 3, 7, 12])
def test_a_series_goes_on_in_memory_where_the_disk_is_full(
    full: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "_NUMBERS", 0)
    write, done = series._write, []

    def refuse(file: FileIO, offset: int, values: object) -> None:
        if len(done) == full:
            raise OSError("no space left on device")
        done.append(offset)
        write(file, offset, values)  # type: ignore[arg-type]

    monkeypatch.setattr(series, "_write", refuse)
    rows, found = RANDOM.normal(size=(4, 10)).astype(np.float32), Series(4, 10)
    for place, row in enumerate(rows):
        for units in blocks(10, 4):
            found.put(place, units, row[units])
            assert np.array_equal(np.asarray(found.first(place)), rows[:place])
    assert np.array_equal(np.asarray(found.first(4)), rows)
    assert np.array_equal(found.first(3)[:, 2:7], rows[:3, 2:7])


def test_narrowed_numbers_have_three_digits() -> None:
    numbers = np.concatenate([10.0 ** RANDOM.uniform(-37, 37, 1000), [0.0, 1.0, 3.0]])
    numbers = numbers.astype(np.float32)
    found = widened(narrowed(numbers))
    assert (np.abs(found - numbers) <= 2.0**-8 * numbers).all()
    assert np.array_equal(found[-3:], [0.0, 1.0, 3.0])
