"""Reliability of directions: the share of `χ χᵀ` that is not noise."""

import attrs
import numpy as np
import pytest
from solve_samples import estimate, response

from pattern_lang.ir.noise import no_noise, noise_of
from pattern_lang.ir.susceptibility import Susceptibility
from pattern_lang.solve.reliability import directions, noise_gram

RNG = np.random.default_rng


def measured(noise: float, seed: int = 0, n: int = 400, draws: int = 40) -> Susceptibility:
    """Rows of three sizes whose means over the replicates carry noise of a known share."""
    rng = RNG(seed)
    truth = response(rng, 3, n, scales=[1.0, 100.0, 0.01])
    size = np.array([1.0, 100.0, 0.01])[None, :, None]
    replicates = truth + noise * draws**0.5 * size * rng.normal(size=(draws, 3, n))
    chi = replicates.mean(axis=0).astype(np.float32)
    found = estimate(chi).susceptibility
    return attrs.evolve(found, noise=noise_of(replicates))


@pytest.mark.parametrize("noise", [0.1, 0.5, 1.0])
def test_the_share_of_signal(noise: float) -> None:
    found = directions(measured(noise), ("a", "b", "c"))
    expected = 1.0 / (1.0 + noise**2)
    assert [d.reliability for d in found] == pytest.approx([expected] * 3, abs=0.08)
    assert all(np.linalg.norm(d.loadings) == pytest.approx(1.0) for d in found)


def test_sizes_do_not_matter() -> None:
    chi = measured(0.5)
    scale = np.array([1e3, 1.0, 1e-2])
    wide = attrs.evolve(
        chi,
        chi=(scale[:, None] * chi.chi).astype(np.float32),
        noise=attrs.evolve(chi.noise, loadings=scale[None, :, None] * chi.noise.loadings),
    )
    one, other = (directions(c, ("a", "b", "c")) for c in (chi, wide))
    for d, e in zip(one, other, strict=True):
        assert d.reliability == pytest.approx(e.reliability, abs=1e-5)


def test_a_difference_of_equal_rows_is_noise() -> None:
    rng = RNG(1)
    chi = measured(0.1)
    truth = response(rng, 1, 400)[0]
    replicates = truth + 0.1 * 40**0.5 * rng.normal(size=(40, 3, 400))
    same = attrs.evolve(
        chi, chi=replicates.mean(axis=0).astype(np.float32), noise=noise_of(replicates)
    )
    found = directions(same, ("a", "b", "c"))
    assert found[0].reliability > 0.98
    assert found[-1].reliability < 0.1
    assert abs(sum(found[-1].loadings)) < 0.05


def test_repeated_rows_and_rows_of_zeros_are_no_directions() -> None:
    chi = measured(0.3)
    assert len(directions(chi, ("a", "a"))) == 1
    empty = attrs.evolve(chi, chi=np.zeros_like(chi.chi), noise=no_noise(3, 400))
    assert all(d.reliability == 1.0 for d in directions(empty, ("a", "b")))


def test_what_is_known_exactly_is_reliable() -> None:
    chi = attrs.evolve(measured(0.3), noise=no_noise(3, 400))
    assert [d.reliability for d in directions(chi, ("a", "c"))] == [1.0, 1.0]


def test_without_noise_nothing_is_said() -> None:
    chi = measured(0.3)
    alone = attrs.evolve(
        chi, noise=attrs.evolve(chi.noise, loadings=chi.noise.loadings[:1], residual=None)
    )
    assert directions(alone, ("a",)) == ()
    assert directions(chi, ()) == ()


def test_intervals_may_be_wider_than_the_noise() -> None:
    chi = measured(0.3)
    factors = np.array([1.5, 1.2, 1.0])
    wide = attrs.evolve(chi, noise=chi.noise.widened(factors), widening=factors)
    assert noise_gram(wide) == pytest.approx(noise_gram(chi), rel=1e-6)
