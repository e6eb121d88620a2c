"""Noise of low rank: exact where it can be, and never too small where it cannot."""

import numpy as np
import pytest

from pattern_lang.ir.noise import Noise, no_noise, noise_of, scaled

S, K, N = 8, 3, 200
RNG = np.random.default_rng(0)
REPLICATES = RNG.normal(size=(S, K, N)) * np.array([1.0, 100.0, 1e-3])[None, :, None]
# Errors that units share, as those of chains are.
SHARED = REPLICATES + 3 * RNG.normal(size=(S, K, 1)) * np.linspace(-1, 1, N)
X = RNG.normal(size=N)
ROUNDED = 2.0**-9  # what a standard error loses when its variance is kept in bfloat16


def direct(replicates: np.ndarray, coefficients: np.ndarray, x: np.ndarray) -> float:
    """The standard error by its definition."""
    shifts = replicates @ x @ coefficients
    return float(shifts.std(ddof=1) / np.sqrt(len(shifts)))


@pytest.mark.parametrize("coefficients", [(1, 0, 0), (0, 0, 1), (2, -1, 30)])
@pytest.mark.parametrize("rank", [None, S * K, 10 * S * K])
def test_exact_when_the_basis_is_large_enough(
    coefficients: tuple[float, ...], rank: int | None
) -> None:
    noise = noise_of(SHARED, rank)
    assert noise.residual is None
    c = np.array(coefficients, dtype=float)
    assert noise.stderr(c, X) == pytest.approx(direct(SHARED, c, X), rel=1e-5)


def test_few_units() -> None:
    few = SHARED[:, :, :5]
    noise = noise_of(few)
    assert len(noise.basis) <= 5
    c = np.array([1.0, 1.0, 0.0])
    assert noise.stderr(c, X[:5]) == pytest.approx(direct(few, c, X[:5]), rel=1e-5)


def test_entries() -> None:
    expected = SHARED.std(axis=0, ddof=1) / np.sqrt(S)
    assert noise_of(SHARED).entries() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("rank", [1, 4, 12])
def test_entries_stay_right_when_directions_are_left_out(rank: int) -> None:
    noise = noise_of(SHARED, rank)
    assert len(noise.basis) == rank
    assert noise.residual is not None
    expected = SHARED.std(axis=0, ddof=1) / np.sqrt(S)
    found = noise.entries()
    assert np.all(found > (0.999 - ROUNDED) * expected)
    assert np.median(found / expected) == pytest.approx(1, abs=0.05)
    inside = noise.residual.of(slice(None)) > 0
    assert found[inside] == pytest.approx(expected[inside], rel=1e-3 + ROUNDED)


def test_the_directions_kept_are_those_that_units_share() -> None:
    noise = noise_of(SHARED, 3)
    common = np.linspace(-1, 1, N)
    c = np.array([1.0, 0.0, 0.0])
    assert noise.stderr(c, common) == pytest.approx(direct(SHARED, c, common), rel=0.05)


def test_compression_in_steps() -> None:
    whole = noise_of(SHARED)
    once = whole.compressed(5)
    assert once.compressed(5).entries() == pytest.approx(once.entries(), rel=1e-4)


def test_sums_and_combinations() -> None:
    other = RNG.normal(size=(S, K, N))
    both = noise_of(SHARED) + noise_of(other)
    c = np.array([1.0, -1.0, 0.5])
    assert both.stderr(c, X) == pytest.approx(direct(SHARED + other, c, X), rel=1e-5)
    matrix = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0]])
    made = both.combined(matrix)
    expected = direct(np.einsum("mk,skn->smn", matrix, SHARED + other), np.array([1.0, 1.0]), X)
    assert made.stderr(np.array([1.0, 1.0]), X) == pytest.approx(expected, rel=1e-5)


def test_factors_have_the_norm_of_the_error() -> None:
    noise = noise_of(SHARED)
    length = float(np.linalg.norm(noise.factor(1) @ (noise.basis @ X)))
    assert length == pytest.approx(noise.stderr(np.array([0.0, 1.0, 0.0]), X), rel=1e-6)


def test_scales_and_nothing() -> None:
    c = np.ones(K)
    assert scaled(noise_of(SHARED), -2.0).stderr(c, X) == pytest.approx(
        2 * noise_of(SHARED).stderr(c, X)
    )
    assert no_noise(K, N).stderr(c, X) == 0
    one = Noise(np.zeros((1, K, 1)), np.zeros((1, N), dtype=np.float32))
    assert np.isnan(one.stderr(c, X))
