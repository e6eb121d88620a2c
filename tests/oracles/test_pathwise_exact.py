"""Pathwise derivatives against exact answers: the law of the steps, tilted a little.

Steps of size ε on a quadratic potential have a Gaussian law that is known exactly, for the tilted
potential too, so the derivative that the chains follow is known exactly, discretisation included.
It differs from minus the covariance under the same law by a term of order ε.
"""

import numpy as np
import pytest
from attrs import evolve
from estimate_samples import POLYNOMIAL, World, ask, observable, run, sgld
from numpy.typing import NDArray
from oracle_tools import StepLaw, estimated, jacobian, least
from test_components_exact import MODEL as LINE
from test_components_exact import NBETA, RESIDUALS, START, A, D, X
from test_linear_gaussian import GAMMA, PROBE, TRAIN, Problem
from test_linear_gaussian import NBETA as NBETA_OF_TRAIN
from test_linear_gaussian import setting as regression

from pattern_lang.estimate import SilentReporter, estimate
from pattern_lang.ir.observables import FreeEnergy, LearningCoefficient, Loss, Restricted
from pattern_lang.ir.queries import Sampler
from pattern_lang.ir.sources import ParameterGlob

Floats = NDArray[np.float64]

STEP, TILT = 0.01, 1e-5
GROUPS: list[object] = ["a", "b", "a", "c", "a", "b", "c", "c", "a", "a"]


def pathwise(**settings: object) -> Sampler:
    return evolve(sgld(localization=GAMMA, **settings), estimator="pathwise")


def responses(problem: Problem, tilted: Problem, step: float, nbeta: float) -> Floats:
    """Return d⟨ℓ_j⟩/dt of the rows of a problem for the tilt t of the mean loss of another, (n,)."""
    ends = []
    for sign in (1, -1):
        share = sign * TILT / len(tilted.y)
        precision = nbeta * problem.x.T @ problem.x / len(problem.y) + GAMMA * np.eye(3)
        pull = nbeta * problem.x.T @ problem.y / len(problem.y) + GAMMA * problem.start
        precision = precision + share * tilted.x.T @ tilted.x
        mean = np.linalg.solve(precision, pull + share * tilted.x.T @ tilted.y)
        cov = np.linalg.inv(precision) @ np.linalg.inv(np.eye(3) - step * precision / 4)
        ends.append(problem.losses(problem, mean, cov))
    return (ends[0] - ends[1]) / (2 * TILT)


def assert_agrees(found: Floats, exact: Floats, error: Floats, share: float) -> None:
    z = (found - exact) / error
    assert np.abs(z).max() < 3.5, z
    assert np.sqrt((z**2).mean()) < 1.7, z
    assert np.sqrt((error**2).mean()) < share * np.sqrt((exact**2).mean())


@pytest.mark.parametrize(("kind", "draws"), [("sgld", 400), ("rmsprop_sgld", 800)])
def test_losses_on_probes_and_on_the_data(world: World, kind: str, draws: int) -> None:
    model, train, probe = regression(world)
    kinds = [
        observable("probe", (2.0, Loss(model, probe))),
        observable("own", Loss(model, train)),
        observable("llc", LearningCoefficient(model, train, held=True)),
    ]
    settings = evolve(
        pathwise(nbeta=NBETA_OF_TRAIN, draws=draws, thin=6, burn_in=200, chains=4, step=STEP),
        kind=kind,
    )
    if kind == "rmsprop_sgld":  # a preconditioner that is nearly 1/50
        settings = evolve(settings, step=50 * STEP / 5, stabilizer=50.0)
    found, error = jacobian(ask(train, kinds, settings))
    step = STEP if kind == "sgld" else STEP / 5
    own = responses(TRAIN, TRAIN, step, NBETA_OF_TRAIN)
    exact = [2 * responses(TRAIN, PROBE, step, NBETA_OF_TRAIN), own, NBETA_OF_TRAIN * own]
    for row, expected in enumerate(exact):
        assert_agrees(found[row], expected, error[row], 0.25)


def test_minibatches_of_rows_and_of_probes(world: World) -> None:
    """The probe has more rows than a batch too, so its gradient is a minibatch's."""
    model, train, _ = regression(world)
    probe = Problem(2, 12)
    loss = observable("loss", Loss(model, world.rows("others", probe.dicts())))
    step = 0.001
    settings = pathwise(
        step=step, nbeta=NBETA_OF_TRAIN, draws=160, thin=20, burn_in=500, batch=4, chains=4
    )
    found, error = jacobian(ask(train, [loss], settings))
    exact = responses(TRAIN, probe, step, NBETA_OF_TRAIN)
    # Noise of minibatches widens the law a little; at this step it is within the errors.
    assert_agrees(found[0], exact, error[0], 0.15)


def test_an_anharmonic_well(world: World) -> None:
    """The exact law of finite steps in a quartic well, tilted by its own rows."""
    d, nbeta, step, gamma = 40, 50.0, 0.02, 5.0
    world.write("model.py", POLYNOMIAL)
    coefficients = [0.3, 0.2, 0.1, 0.4, 0.0], [-0.2, 0.4, -0.2, 0.6, 0.0]
    rows = [{"r": r, "coef": list(c)} for r in range(d) for c in coefficients]
    data, model = world.rows("train", rows), world.model(d=d)
    loss = observable("loss", Loss(model, data))
    settings = evolve(
        pathwise(step=step, nbeta=nbeta * d, draws=200, thin=6, burn_in=200, chains=4),
        localization=gamma,
    )
    j, _ = jacobian(ask(data, [loss], settings))
    copies = d * j[0].reshape(d, 2)

    def value(c: list[float], x: Floats) -> Floats:
        return c[0] * x + c[1] * x**2 + c[2] * x**3 + c[3] * x**4

    def slope(c: list[float], x: Floats) -> Floats:
        return c[0] + 2 * c[1] * x + 3 * c[2] * x**2 + 4 * c[3] * x**3

    mean = [(a + b) / 2 for a, b in zip(*coefficients, strict=True)]
    ends = []
    for t in (1e-3, -1e-3):
        law = StepLaw(
            lambda x, t=t: (nbeta + t) * value(mean, x) + gamma * x**2 / 2,
            lambda x, t=t: (nbeta + t) * slope(mean, x) + gamma * x,
            step,
            2.0,
        )
        ends.append(np.array([law.mean(value(c, law.x)) for c in coefficients]))
    exact = (ends[0] - ends[1]) / 2e-3
    error = copies.std(axis=0, ddof=1) / np.sqrt(d)
    assert_agrees(copies.mean(axis=0), exact, error, 0.05)


def test_components_by_both_estimators(world: World) -> None:
    world.write("model.py", LINE)
    rows = [
        {"x": x, "y": y} for x, y in zip(X.tolist(), (X @ START - RESIDUALS).tolist(), strict=True)
    ]
    model, data = world.model(start=tuple(START.tolist())), world.rows("train", rows)
    part, step, gamma = ParameterGlob(model, "a"), 0.002, 5.0
    kinds = [
        observable("exact", Restricted(Loss(model, data), part, "component")),
        observable("published", Restricted(Loss(model, data), part, "two-chain")),
        observable("energy", Restricted(FreeEnergy(model, data), part)),
    ]
    settings = evolve(
        pathwise(step=step, nbeta=NBETA, draws=200, thin=30, burn_in=400, chains=4),
        localization=gamma,
    )
    found, error = jacobian(ask(data, kinds, settings))

    def means(moving: Floats, t: float) -> Floats:
        precision = (NBETA + t) * X[:, moving].T @ X[:, moving] / len(X)
        precision = precision + gamma * np.eye(len(moving))
        cov = np.linalg.inv(precision) @ np.linalg.inv(np.eye(len(moving)) - step * precision / 4)
        inner = np.einsum("ni,ij,nj->n", X[:, moving], cov, X[:, moving])
        return 0.5 * inner  # the law stays centred at θ*, the least-squares solution

    component = (means(A, TILT) - means(A, -TILT)) / (2 * TILT)
    own, whole = means(A, 0.0), means(np.arange(D), 0.0)
    # The covariance with a row's residual part is of first order; at θ* it has zero mean over rows
    # and is no part of the mean loss, so what is left is the second order.
    published = component - own.mean() * (own - whole)
    for row, expected in enumerate([component, published, own + 0.5 * RESIDUALS**2]):
        assert_agrees(found[row], expected, error[row], 0.3)


def test_groups_are_aggregated_samples(world: World) -> None:
    """On the same draws, ℓ_g = (G/N) Σ ℓ_i holds exactly for every derivative."""
    model, train, probe = regression(world, g=GROUPS)
    loss = observable("loss", Loss(model, probe))
    settings = pathwise(step=STEP, nbeta=NBETA_OF_TRAIN, draws=20, burn_in=10, chains=2)
    samples, _ = jacobian(ask(train, [loss], settings))
    groups, _ = jacobian(ask(train, [loss], settings, unit="group", field="g"))
    names = np.array(GROUPS)
    totals = [samples[0, names == name].sum() * 3 / 10 for name in ("a", "b", "c")]
    assert np.allclose(groups[0], totals, rtol=1e-5)


def test_what_two_observables_share_is_the_same(world: World) -> None:
    """A chain does not depend on what is differentiated along it."""
    model, train, probe = regression(world)
    one, other = observable("p", Loss(model, probe)), observable("t", Loss(model, train))
    settings = pathwise(step=STEP, nbeta=NBETA_OF_TRAIN, draws=20, burn_in=10, batch=3, chains=2)
    alone = run(world, ask(train, [one], settings)).susceptibility
    both = run(world, ask(train, [one, other], settings)).susceptibility
    assert alone.mean[0] == both.mean[0]
    assert np.array_equal(alone.chi[0], both.chi[0])


def test_processes_do_not_matter(world: World) -> None:
    model, train, probe = regression(world)
    queries = ask(
        train,
        [observable("p", Loss(model, probe)), observable("t", Loss(model, train))],
        pathwise(step=STEP, nbeta=NBETA_OF_TRAIN, draws=20, burn_in=10, batch=3, chains=2),
    )
    found = [
        estimate(queries, world.folder / f"on-{n}", reporter=SilentReporter(), workers=n)
        for n in (1, 2)
    ]
    assert np.array_equal(*(item.susceptibility.chi for item in found))


def test_many_directions_make_little_noise(world: World) -> None:
    """In 400 directions, covariances of the same draws have ten times the standard error."""
    d = 400
    world.write("model.py", POLYNOMIAL)
    random = np.random.default_rng(0)
    rows = [{"r": r, "coef": [0.0, 0.5 + random.random(), 0.0, 0.0, 0.0]} for r in range(d)]
    data, model = world.rows("train", rows), world.model(d=d)
    settings = pathwise(step=0.05, nbeta=10.0 * d, draws=100, thin=2, burn_in=60, chains=2)
    loss = observable("loss", Loss(model, data))
    errors = [
        np.sqrt((run(world, ask(data, [loss], s)).susceptibility.stderr ** 2).mean())
        for s in (settings, evolve(settings, estimator="covariance"))
    ]
    assert errors[0] < 0.1 * errors[1], errors


def coverage(world: World, repeats: int, settings: Sampler) -> tuple[float, float]:
    """Return how often 95 % intervals hold χ, and a predicted shift."""
    model, train, probe = regression(world)
    queries = ask(train, [observable("loss", Loss(model, probe))], settings)
    raw = responses(TRAIN, PROBE, settings.step, NBETA_OF_TRAIN)
    chi, tilt = raw - raw.mean(), np.linspace(-1, 1, 10)
    hits = []
    for repeat in range(repeats):
        found = estimated(queries, 10, f"coverage {repeat}")
        shifts = found.replicates(0) @ tilt
        error = shifts.std(ddof=1) / np.sqrt(len(shifts))
        inside = np.mean(np.abs(found.chi[0] - chi) < 1.96 * found.stderr[0])
        hits.append((inside, abs(shifts.mean() - chi @ tilt) < 1.96 * error))
    own, shift = np.mean(hits, axis=0)
    return float(own), float(shift)


def test_intervals_cover(world: World) -> None:
    """Thirty repeats tell 95 % from 75 %; the slow test below is closer."""
    settings = pathwise(step=0.03, nbeta=NBETA_OF_TRAIN, draws=100, burn_in=20, chains=4)
    found = coverage(world, 30, settings)
    assert 0.89 <= found[0] <= 0.99, found
    assert found[1] >= least(30), found


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "settings",
    [{"step": 0.01, "draws": 120, "thin": 3}, {"step": 0.03, "draws": 200, "thin": 2}],
)
def test_intervals_cover_closely(world: World, settings: dict[str, object]) -> None:
    chains = pathwise(nbeta=NBETA_OF_TRAIN, burn_in=30, chains=4, **settings)
    found = coverage(world, 200, chains)
    assert all(0.90 <= share <= 0.98 for share in found), found
