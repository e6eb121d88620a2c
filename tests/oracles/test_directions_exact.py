"""Principal directions: known decompositions, the sign rule, and what a direction's row means."""

import numpy as np
import pytest
from attrs import evolve
from estimate_samples import POLYNOMIAL, World, ask, observable, only, run, sgld
from numpy.typing import NDArray

from pattern_lang.diagnostics import PatternError
from pattern_lang.estimate.directions import decompose
from pattern_lang.estimate.soundness import soundness
from pattern_lang.ir.observables import Loss, Observable, PrincipalDirection
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.sources import DataSource
from pattern_lang.semantics.units import Unit

Floats = NDArray[np.float64]

# Rows of ±1: orthogonal, of mean 0 and root mean square 1.
WALSH = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]], dtype=float)


def test_a_known_decomposition() -> None:
    """χ = diag(scale) U S Vᵀ with rows of length √n after standardising."""
    angle = 0.3
    family = np.array(
        [
            np.cos(angle) * WALSH[0] + np.sin(angle) * WALSH[1],
            -np.cos(angle) * WALSH[0] + np.sin(angle) * WALSH[1],
        ]
    )
    found = decompose(np.array([[100.0], [0.01]]) * family, (0, 1))
    assert found.values == pytest.approx([np.cos(angle) * 8**0.5, np.sin(angle) * 8**0.5])
    # Both loadings of each direction are as large: the first is the positive one.
    half = 0.5**0.5
    assert np.allclose(found.left, [[half, half], [-half, half]], atol=1e-12)
    assert found.right == pytest.approx(WALSH[:2] / 2)
    assert found.scales == pytest.approx([100, 0.01])


def test_the_largest_loading_is_positive() -> None:
    mixes = np.array([[1, 0.2, 0.1], [-3, 1, 0], [0.3, 0, 1]])
    family = mixes @ WALSH
    found = decompose(family, (0, 1, 2))
    lead = np.abs(found.left).argmax(axis=0)
    assert (found.left[lead, range(3)] > 0).all()
    rebuilt = found.left * found.values @ found.right
    assert rebuilt == pytest.approx(family / np.sqrt((family**2).mean(axis=1, keepdims=True)))


def test_a_row_of_zeros_stays_one() -> None:
    found = decompose(np.array([WALSH[0], 0 * WALSH[0]]), (0, 1))
    assert found.left[:, 0].tolist() == [1.0, 0.0]
    assert found.values[1] == 0


# d scalars with rows L = ½ h x² of known curvatures: every covariance is known, and losses on
# probes that mix the scalars have a known matrix of susceptibilities.
CURVATURES = (1.0, 1.0, 1.0, 1.0)
NBETA, STEP = 80.0, 0.02


def family_of(world: World, mixes: Floats) -> tuple[list[Observable], DataSource]:
    """Return losses on probes: member i is the mean of rows `4 · mixes[i, r] · ½ x_r²`."""
    world.write("model.py", POLYNOMIAL)
    rows = [{"r": r, "coef": [0.0, h / 2, 0.0, 0.0, 0.0]} for r, h in enumerate(CURVATURES)]
    data, model = world.rows("train", rows), world.model(d=4)
    probes = [
        {"i": i, "r": r, "coef": [0.0, 2 * mix, 0.0, 0.0, 0.0]}
        for i, mixed in enumerate(mixes.tolist())
        for r, mix in enumerate(mixed)
    ]
    probe = world.rows("probe", probes)
    return [
        observable(f"f[{i}]", Loss(model, only(probe, "i", i))) for i in range(len(mixes))
    ], data


def direction(family: list[Observable], k: int, toward: DataSource | None = None) -> Observable:
    return observable(f"pc{k}", PrincipalDirection(tuple(family), k, toward), unit=Unit.SD)


SETTINGS = sgld(step=STEP, nbeta=NBETA, localization=0.0, draws=4000, thin=5, chains=4)
# For what is so whatever the noise: signs by definition, mistakes, and values that are equal.
FEW = evolve(SETTINGS, draws=400)
MIXES = np.array([[3.0, 1, 1, 1], [3.0, 1, 1, 1.5], [0.2, 3, 0.2, 0.4], [0.3, 3, 0.2, 0.2]])


def exact_family(mixes: Floats) -> Floats:
    """Return χ of the family: a variance of ½ h x² is ½ / nβ_r², nβ_r = nβ/4, bias included."""
    curvature = NBETA / 4
    variance = 0.5 / (curvature * (1 - STEP * curvature / 4)) ** 2
    chi = -variance * mixes
    return np.asarray(chi - chi.mean(axis=1, keepdims=True))


def test_directions_of_a_known_family(world: World) -> None:
    family, data = family_of(world, MIXES)
    asked = [direction(family, 1), direction(family, 2), *family]
    estimate = run(world, ask(data, asked, SETTINGS))
    chi = estimate.susceptibility
    exact = decompose(exact_family(MIXES), (0, 1, 2, 3))
    for row in range(2):
        spectrum = estimate.spectra[row]
        assert (spectrum.observable, spectrum.k) == (f"pc{row + 1}", row + 1)
        assert spectrum.members == tuple(f"f[{i}]" for i in range(4))
        loadings = np.array(spectrum.loadings)
        assert np.linalg.norm(loadings) == pytest.approx(1)
        # A vector with a relative error r is at an angle of about r: within three of them.
        noise = np.linalg.norm(chi.stderr[row]) / np.linalg.norm(chi.chi[row])
        assert noise < 0.1
        assert 0 < spectrum.turn < 0.1
        # The largest loading is positive, and which is the largest may be a matter of noise.
        assert loadings[np.abs(loadings).argmax()] > 0
        sign = np.sign(loadings @ exact.left[:, row])
        assert sign * loadings @ exact.left[:, row] > 1 - (3 * noise) ** 2 / 2
        alike = sign * chi.chi[row] @ exact.right[row] / np.linalg.norm(chi.chi[row])
        assert alike > 1 - (3 * noise) ** 2 / 2
        # The row of a direction is the combination of standardised rows that its loadings say,
        # in units of its standard deviation.
        scales = np.sqrt((chi.chi[2:].astype(float) ** 2).mean(axis=1))
        combined = loadings / scales @ chi.chi[2:]
        factor = np.linalg.norm(combined) / np.linalg.norm(chi.chi[row])
        assert chi.chi[row] == pytest.approx(combined / factor, abs=1e-4 * np.abs(combined).max())
        trace = np.concatenate([t.observables for t in estimate.traces])
        assert factor == pytest.approx((trace[:, 2:] @ (loadings / scales)).std(), rel=1e-4)
        assert chi.mean[row] == pytest.approx(chi.mean[2:] @ (loadings / scales) / factor, rel=1e-4)
        assert trace[:, row] == pytest.approx(trace[:, 2:] @ (loadings / scales) / factor, abs=1e-5)
        followed = np.stack([chi.replicates(i) for i in range(2, len(chi.chi))], axis=1)
        replicates = np.einsum("i,sin->sn", loadings / scales, followed) / factor
        assert chi.replicates(row) == pytest.approx(replicates, abs=1e-3 * np.abs(replicates).max())
        assert chi.chi[row] == pytest.approx(chi.replicates(row).mean(axis=0), rel=1e-3, abs=1e-6)
    assert chi.sd[:2] == pytest.approx(1.0)
    assert chi.observable_units[:2] == ("sd", "sd")
    assert not soundness(ask(data, asked, SETTINGS), estimate)


def test_toward_chooses_the_sign(world: World) -> None:
    family, data = family_of(world, MIXES)
    for unit in range(4):
        part = only(data, "r", unit)
        asked = [direction(family, 1), direction(family, 1, part), *family]
        chi = run(world, ask(data, asked, FEW)).susceptibility.chi
        assert chi[1, unit] > 0
        assert np.array_equal(np.abs(chi[0]), np.abs(chi[1]))


def test_groups_have_a_sign_too(world: World) -> None:
    family, data = family_of(world, MIXES)
    part = only(data, "r", 1, "<=")
    asked = [direction(family, 1, part), *family]
    queries = ask(data, asked, FEW, unit="group", field="r")
    assert run(world, queries).susceptibility.chi[0, :2].sum() > 0


def test_equal_singular_values_are_told(world: World) -> None:
    mixes = np.array([[3.0, 1, 2, 2], [2.0, 2, 3, 1]])
    family, data = family_of(world, mixes)
    asked = [direction(family, 1), *family]
    queries = ask(data, asked, FEW)
    estimate = run(world, queries)
    (warning,) = [d for d in soundness(queries, estimate) if d.code == "PAT4071"]
    assert not warning.is_error
    nearest, gap = estimate.spectra[0].gap
    assert nearest == estimate.spectra[0].singular_values[1]
    assert 0 < gap < 0.5
    assert estimate.spectra[0].turn > 0.3
    assert f"{gap:.1%}" in warning.message
    again = run(world, queries)
    assert not again.sampled
    assert again.spectra == estimate.spectra


def problem_of(world: World, queries: Queries) -> str:
    with pytest.raises(PatternError) as caught:
        run(world, queries)
    (found,) = caught.value.diagnostics
    return found.code


def test_directions_that_do_not_exist(world: World) -> None:
    family, data = family_of(world, MIXES[:1])
    twice = [*family, observable("same", (2.0, family[0].terms[0][1]))]
    asked = [direction(twice, 2), *twice]
    assert problem_of(world, ask(data, asked, FEW)) == "PAT4069"
    elsewhere = world.rows("elsewhere", [{"r": 0, "coef": [0.0] * 5}])
    asked = [direction(family, 1, elsewhere), *family]
    assert problem_of(world, ask(data, asked, FEW)) == "PAT4070"
    nested = observable("nested", PrincipalDirection((direction(family, 1),), 1), unit=Unit.SD)
    assert problem_of(world, ask(data, [nested, *family], FEW)) == "PAT4068"
