"""Calibration of every kind of query: samplers, units, components, several posteriors.

What is promised is that the settings it chooses pass the diagnostics of a whole run, so that is
what most of these tests look at.
"""

import random

import pytest
from attrs import evolve
from estimate_samples import ROWS, World, ask, classifier, observable, only, run, sgld
from test_estimate_restricted import restricted
from token_samples import CAT, MODEL, WORDS, lines, ready

from pattern_lang.diagnostics import PatternError
from pattern_lang.estimate import SilentReporter
from pattern_lang.estimate.calibrate import calibrate
from pattern_lang.ir.calibration import Calibration
from pattern_lang.ir.observables import LearningCoefficient, Loss, Restricted
from pattern_lang.ir.queries import Queries, Sampler
from pattern_lang.ir.sources import ParameterGlob

SECONDS = 0.5  # of a run that is never too long: small, so that the sweep is short


def calibrated(queries: Queries) -> Calibration:
    return calibrate(queries, reporter=SilentReporter(), affordable=SECONDS)


def chosen_and_sound(world: World, queries: Queries) -> Sampler:
    """Calibrate, run what was chosen, and return it if every posterior of the run is sound."""
    chosen = calibrated(queries).chosen
    assert chosen is not None
    found = run(world, evolve(queries, sampler=chosen))
    assert [d.reasons for d in found.diagnostics if not d.sound] == []
    return chosen


def many_rows(world: World) -> None:
    """Give the classifier more rows than a calibration looks at, one of them of its own kind."""
    kind = '"even" if i % 2 == 0 else "odd"'
    rare = ROWS.replace("count=24", "count=200").replace(kind, f'"rare" if i == 77 else {kind}')
    world.write("data.py", rare)


def test_preconditioned_steps(world: World) -> None:
    queries = classifier(world, kind="rmsprop_sgld", step=1e-4, decay=0.95, stabilizer=0.2)
    chosen = chosen_and_sound(world, queries)
    written = queries.sampler
    for name in ("kind", "batch", "chains", "nbeta", "decay", "stabilizer", "seed"):
        assert getattr(chosen, name) == getattr(written, name), name
    assert chosen.step != written.step


def test_slow_chains_are_waited_for(world: World) -> None:
    """Preconditioned chains relax more slowly than their scale at θ* says; later ones are longer.

    They used to be given up for having too few effective draws, the step being blameless.
    """
    found = calibrated(classifier(world, kind="rmsprop_sgld", step=1e-4))
    assert len(found.trials) > 1
    reasons = [reason for trial in found.trials for reason in trial.worst.reasons]
    assert not [reason for reason in reasons if "effective draws" in reason]


def test_a_language_model(world: World) -> None:
    """More rows than are looked at, re-weighted tokens that a predicate picks, and a component."""
    pick = random.Random(0)
    texts = [" ".join(pick.choices(WORDS[1:], k=pick.randint(3, 9))) for _ in range(120)]
    world.write("model.py", MODEL)
    model, data = world.model(), lines(world, texts, context=6)
    part = evolve(data, name="part", where=(CAT,))
    embedding = Restricted(Loss(model, part), ParameterGlob(model, "embed.*"), "component")
    seen = [observable("whole", Loss(model, data)), observable("embedding", embedding)]
    settings = sgld(step=1e-3, nbeta=30.0, localization=300.0, batch=16, draws=64)
    found = calibrated(ask(part, seen, settings, unit="token"))
    names = {posterior.posterior for posterior in found.trials[0].posteriors}
    assert names == {"m", 'm, component("embed.*")'}
    assert found.chosen is not None


def test_weights_of_tokens(world: World) -> None:
    _, _, queries = ready(world)
    chosen_and_sound(world, queries)


def test_components(world: World) -> None:
    """One setting serves the whole network, its parts, a direction and users' observables."""
    found = calibrated(restricted(world, localization=100.0))
    parts = ['m, component("inner.*")', 'm, component("outer.*")']
    for trial in found.trials:
        assert sorted(posterior.posterior for posterior in trial.posteriors) == ["m", *parts]
    assert found.chosen is not None


def test_groups(world: World) -> None:
    """A group of one row among two hundred, which the rows looked at may miss."""
    queries = classifier(world)
    many_rows(world)
    groups = evolve(queries.reweight, unit="group", group_field="kind")
    queries = evolve(queries, reweight=groups)
    chosen = chosen_and_sound(world, queries)
    found = run(world, evolve(queries, sampler=chosen))
    assert sorted(found.units.fields["kind"].tolist()) == ["even", "odd", "rare"]


def test_a_coefficient_on_rows_that_are_not_looked_at(world: World) -> None:
    queries = classifier(world)
    many_rows(world)
    model, data = world.model(), queries.reweight.data
    rare = only(data, "kind", "rare")
    seen = [
        observable("own", LearningCoefficient(model, rare, held=False)),
        observable("held", LearningCoefficient(model, rare, held=True)),
    ]
    assert calibrated(ask(data, seen, queries.sampler)).chosen is not None


def test_several_posteriors_with_other_data(world: World) -> None:
    """One setting for a narrow and a wide network, each observed on rows of its own."""
    queries = classifier(world)
    wide = world.model(name="wide", width=9)
    other = world.data(name="other", seed=3, count=30)
    seen = [*queries.observables, observable("elsewhere", Loss(wide, other))]
    queries = ask(queries.reweight.data, seen, queries.sampler)
    found = calibrated(queries)
    assert found.chosen is not None
    for trial in found.trials:
        assert [posterior.posterior for posterior in trial.posteriors] == ["m", "wide"]
        assert trial.sound == all(posterior.sound for posterior in trial.posteriors)
    # The step is the largest, to one digit, that is accurate for both.
    (choice,) = (trial for trial in found.trials if trial.is_choice(found))
    shares = [max(p.stiffness / 0.4, p.minibatch / 0.1) for p in choice.posteriors]
    assert 0.5 < max(shares) <= 1


def test_coefficients_are_followed_before_an_nbeta_is_known(world: World) -> None:
    """nβ scales a coefficient, and so says nothing of how it mixes."""
    queries = classifier(world, nbeta=0.0)
    model, data = world.model(), queries.reweight.data
    probe = only(world.data("data.py:probe", "probe"), "kind", "even")
    slowest = [
        calibrated(ask(data, [observable("o", primitive)], queries.sampler)).trials[0]
        for primitive in (Loss(model, probe), LearningCoefficient(model, probe, held=True))
    ]
    loss, coefficient = (trial.posteriors[0].autocorrelation for trial in slowest)
    assert loss == pytest.approx(coefficient)


def test_settings_that_are_sound_save_the_search(world: World) -> None:
    """What is held closer than sound settings says less, and is not tried."""
    queries = classifier(world)
    first, *others = calibrated(queries).trials
    assert (first.what, first.sound) == ("as written", True)
    assert first.sampler == queries.sampler
    assert others
    for trial in others:
        assert trial.sampler.localization < queries.sampler.localization
        assert trial.sampler.nbeta == queries.sampler.nbeta


def test_settings_that_diverge_do_not_stop_the_search(world: World) -> None:
    found = calibrated(classifier(world, step=0.09))
    assert not found.trials[0].sound
    assert found.chosen is not None
    assert found.chosen.step < 0.09


@pytest.mark.parametrize("kind", ["hmc", "laplace"])
def test_samplers_that_have_no_step(world: World, kind: str) -> None:
    with pytest.raises(PatternError) as caught:
        calibrated(classifier(world, kind=kind))
    (found,) = caught.value.diagnostics
    assert found.code == "PAT4095"
    assert f"`{kind}`" in found.message
    assert "sgld" in str(found.help)
