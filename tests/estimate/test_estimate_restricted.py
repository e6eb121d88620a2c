"""Posteriors over components: what they share, several processes, and users' own observables."""

import shutil

import numpy as np
import pytest
from attrs import evolve
from estimate_samples import World, ask, classifier, observable, only, run

from pattern_lang.diagnostics import PatternError
from pattern_lang.estimate import plan_cost
from pattern_lang.ir.observables import Loss, PrincipalDirection, Restricted, UserObservable
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.sources import ParameterGlob
from pattern_lang.semantics.units import Unit

OWN = """
    import torch

    CALLS = []

    def sure(module, batch, power=1):
        assert not torch.is_grad_enabled()
        assert not module.training
        scores = module.outer(torch.tanh(module.inner(batch["x"])))
        return torch.softmax(scores, dim=1).amax(dim=1) ** power

    def size(module, batch):
        return float(module.inner.weight.norm())
"""


def restricted(world: World, **settings: object) -> Queries:
    """Ask for losses restricted to each layer, a user's observable, and a direction."""
    base = classifier(world, **{"draws": 16, "chains": 2, **settings})
    world.write("own.py", OWN)
    train, model = base.reweight.data, world.model()
    family = [
        observable(f"part[{i}]", Restricted(Loss(model, only(train, "kind", "even")), part))
        for i, part in enumerate(ParameterGlob(model, f"{name}.*") for name in ("inner", "outer"))
    ]
    sure = UserObservable(world.function("own.py:sure"), model, train, (("power", 2),))
    asked = [
        *family,
        observable("sure", sure),
        observable("inside", Restricted(sure, ParameterGlob(model, "inner.*"), "component")),
        observable("pc", PrincipalDirection(tuple(family), 1), unit=Unit.SD),
    ]
    return ask(train, asked, base.sampler)


def test_the_same_bits_from_one_and_from_two(world: World) -> None:
    queries = restricted(world)
    one, two = (run(world, queries, fresh=True, workers=workers) for workers in (1, 2))
    for name in ("chi", "stderr", "mean", "sd"):
        found = [getattr(e.susceptibility, name) for e in (one, two)]
        assert np.array_equal(*found), name
    assert one.spectra == two.spectra


def test_what_is_sampled(world: World) -> None:
    queries = restricted(world)
    estimate = run(world, queries)
    parts = ['m, component("inner.*")', 'm, component("outer.*")']
    assert sorted(d.posterior for d in estimate.diagnostics) == ["m", *parts]
    assert len(list((world.store / "chains").iterdir())) == 3
    seeds = {trace.seed for trace in estimate.traces}
    assert len(seeds) == 3 * queries.sampler.chains
    assert plan_cost(queries).posteriors == 3


def test_the_cache_knows_components(world: World) -> None:
    queries = restricted(world)
    first = run(world, queries)
    assert not run(world, queries).sampled
    # Another way to write the same parameters: the same chains, the same numbers.
    model = world.model()
    loss = Loss(model, only(queries.reweight.data, "kind", "even"))
    again = observable("again", Restricted(loss, ParameterGlob(model, "inn*")))
    spelled = run(world, evolve(queries, observables=(again,), posteriors=()))
    assert not spelled.sampled
    assert np.array_equal(spelled.susceptibility.chi[0], first.susceptibility.chi[0])
    other = observable("other", Restricted(loss, ParameterGlob(model, "inner.weight")))
    assert run(world, evolve(queries, observables=(other,), posteriors=())).sampled
    names = tuple(evolve(o, name=f"new {o.name}") for o in queries.observables)
    members = names[:2]
    pc = evolve(names[4], terms=((1.0, PrincipalDirection(members, 1)),))
    renamed = run(world, evolve(queries, observables=(*names[:4], pc)))
    assert not renamed.sampled
    assert renamed.spectra[0].observable == "new pc"
    assert renamed.spectra[0].members == ("new part[0]", "new part[1]")


def test_a_users_observable_is_cached_by_its_code(world: World) -> None:
    queries = restricted(world)
    first = run(world, queries)
    path = world.write("own.py", OWN.replace("** power", "** power + 1"))
    second = run(world, queries)
    assert second.sampled
    shift = second.susceptibility.mean[2] - first.susceptibility.mean[2]
    assert shift == pytest.approx(1)
    assert second.susceptibility.chi[2] == pytest.approx(first.susceptibility.chi[2], abs=1e-6)
    path.unlink()
    shutil.rmtree(world.folder / "__pycache__", ignore_errors=True)
    assert codes(world, queries) == ["PAT4001"]


def test_a_number_is_an_observable(world: World) -> None:
    queries = restricted(world)
    size = UserObservable(world.function("own.py:size"), world.model(), queries.reweight.data)
    estimate = run(world, evolve(queries, observables=(observable("size", size),)))
    assert estimate.susceptibility.sd[0] > 0


def codes(world: World, queries: Queries) -> list[str]:
    with pytest.raises(PatternError) as caught:
        run(world, queries)
    return [found.code for found in caught.value.diagnostics]


WRONG = {
    "return batch['x']": "PAT4066",
    "return 'sure'": "PAT4066",
    "return None": "PAT4066",
    "return float('nan')": "PAT4066",
    "raise ValueError('no')": "PAT4004",
    "return batch['nothing']": "PAT4004",
}


@pytest.mark.parametrize("body", WRONG)
def test_wrong_observables(world: World, body: str) -> None:
    queries = restricted(world)
    world.write("wrong.py", f"def f(module, batch):\n    {body}\n")
    wrong = UserObservable(world.function("wrong.py:f"), world.model(), queries.reweight.data)
    assert codes(world, evolve(queries, observables=(observable("f", wrong),))) == [WRONG[body]]


def test_an_observable_that_fails_on_the_way(world: World) -> None:
    queries = restricted(world)
    text = """
        CALLS = []

        def f(module, batch):
            CALLS.append(1)
            if len(CALLS) > 5:
                raise ValueError("enough")
            return 1.0
    """
    world.write("wrong.py", text)
    wrong = UserObservable(world.function("wrong.py:f"), world.model(), queries.reweight.data)
    wrong_queries = evolve(queries, observables=(observable("f", wrong),))
    assert codes(world, wrong_queries) == ["PAT4004"]
    with pytest.raises(PatternError) as caught:
        run(world, wrong_queries, workers=2)
    assert "wrong.py:7" in caught.value.diagnostics[0].message


def test_incomplete_observables(world: World) -> None:
    queries = restricted(world)
    alone = UserObservable(world.function("own.py:sure"), None, None)
    assert codes(world, evolve(queries, observables=(observable("f", alone),))) == ["PAT4067"]
    data = UserObservable(world.function("own.py:sure"), world.model(), None)
    assert codes(world, evolve(queries, observables=(observable("f", data),))) == ["PAT4067"]


def test_nested_restrictions(world: World) -> None:
    queries = restricted(world)
    ((_, part),) = queries.observables[0].terms
    assert isinstance(part, Restricted)
    twice = observable("f", Restricted(part, part.component))  # type: ignore[arg-type]
    assert codes(world, evolve(queries, observables=(twice,))) == ["PAT4068"]


def test_every_mistake_at_once(world: World) -> None:
    queries = restricted(world)
    model = world.model()
    loss = Loss(model, queries.reweight.data)
    missing = UserObservable(world.function("none.py:f"), model, queries.reweight.data)
    asked = [
        observable("a", Restricted(loss, ParameterGlob(model, "iner.*"))),
        observable("b", Restricted(loss, ParameterGlob(model, "zzz"))),
        observable("c", missing),
    ]
    found = codes(world, evolve(queries, observables=tuple(asked)))
    assert sorted(found) == ["PAT4001", "PAT4061", "PAT4061"]
