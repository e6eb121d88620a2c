"""Weights per token: which units there are, on how many processes, and what they depend on."""

import attrs
import numpy as np
import pytest
import torch
from estimate_samples import World, ask, observable, run
from token_samples import CAT, read, ready

from pattern_lang.estimate.journal import Journal
from pattern_lang.estimate.models import load_model
from pattern_lang.estimate.user_code import UserCode
from pattern_lang.ir.observables import LearningCoefficient, Loss


def test_token_units(world: World) -> None:
    model, data, queries = ready(world)
    found = run(world, queries)
    units = found.units
    assert found.susceptibility.chi.shape == (2, 11)
    assert units.fields["sample_id"].tolist() == [0, 0, 0, 1, 2, 2, 3, 4, 4, 4, 5]
    assert units.fields["position"].tolist() == [0, 1, 2, 0, 0, 1, 0, 0, 1, 2, 0]
    assert units.fields["kind"].tolist() == list("xxxxyyyyyyy")
    assert units.tokens is not None
    line, position = units.places()
    words = [
        units.tokens.text_of(units.tokens.ids[r, t + 1 : t + 2])[0]
        for r, t in zip(line, position, strict=True)
    ]
    assert words == "cat sat on mat cat sat dog mat sat on mat".split()
    assert units.holds(CAT).tolist() == [word in ("cat", "mat") for word in words]
    # The mean of the part is that of the entries that the predicate picks.
    table = read(data)
    network = load_model(model, UserCode(Journal())).network
    with torch.no_grad():
        losses = network.unit_loss(
            {n: torch.from_numpy(c) for n, c in table.numbers.items()}
        ).numpy()
    chosen = losses[units.fields["sample_id"], units.fields["position"]]
    anchor = found.diagnostics[0].anchor_loss
    assert anchor == pytest.approx(np.nanmean(losses))
    part = chosen[units.holds(CAT)].mean()
    trace = np.concatenate([t.observables[:, 1] for t in found.traces]).mean()
    assert found.susceptibility.mean[1] == pytest.approx(trace, rel=1e-6)
    assert abs(found.susceptibility.mean[1] - part) < 10 * found.susceptibility.sd[1]
    again = run(world, queries)
    assert not again.sampled
    for name, column in units.fields.items():
        assert again.units.fields[name].tolist() == column.tolist()
        assert again.units.fields[name].dtype.kind == column.dtype.kind
    assert again.units.holds(CAT).tolist() == units.holds(CAT).tolist()


def test_a_part_of_the_tokens_is_reweighted(world: World) -> None:
    """The whole of the rows is evaluated for the other observable; units are the part's alone."""
    model, data, queries = ready(world)
    part = attrs.evolve(data, name="part", where=(CAT,))
    seen = [
        observable("whole", Loss(model, data)),
        observable("b", LearningCoefficient(model, part, held=False)),
    ]
    found = run(world, attrs.evolve(ask(part, seen, queries.sampler, unit="token")))
    assert found.units.fields["position"].tolist() == [0, 0, 0, 0, 0]
    assert found.units.fields["sample_id"].tolist() == [0, 1, 2, 4, 5]
    assert found.susceptibility.chi.shape == (2, 5)
    assert found.susceptibility.mean[0] != pytest.approx(found.diagnostics[0].anchor_loss, rel=1e-3)


@pytest.mark.parametrize("unit", ["token", pytest.param("sample", marks=pytest.mark.slow)])
def test_processes_agree(world: World, unit: str) -> None:
    _, data, queries = ready(world, unit)
    part = attrs.evolve(data, where=(CAT,))
    queries = attrs.evolve(queries, reweight=attrs.evolve(queries.reweight, data=part))
    alone = run(world, queries)
    together = run(world, queries, workers=2, fresh=True)
    assert np.array_equal(alone.susceptibility.chi, together.susceptibility.chi)


def test_full_batches_are_minibatches_of_everything(world: World) -> None:
    """The mean of row losses over all rows is the mean over tokens, ragged as they are."""
    from pattern_lang.estimate.inputs import load_inputs
    from pattern_lang.estimate.sampling import prepare_posteriors

    _, _, queries = ready(world)
    code = UserCode(Journal())
    (posterior,) = prepare_posteriors(queries, load_inputs(queries, code), code)
    setting = posterior.setting
    network, rows = setting.network, setting.rows
    block = {n: t[: rows.reweighted] for n, t in rows.blocks[0].items()}
    assert float(network.gradient(dict(block)).mean()) == pytest.approx(
        float(setting.anchor[:11].mean())
    )
    assert torch.isfinite(network.grad).all()
    assert network.grad.any()


def test_the_tokenizer_counts(world: World) -> None:
    """Other texts for the same numbers are other data; a predicate and the context count too."""
    _, data, queries = ready(world)
    first = run(world, queries)
    path = world.folder / "tokenizer.json"
    path.write_text(path.read_text().replace('"dog"', '"hog"').replace('"a"', '"an"'))
    assert run(world, queries).digests["data"] != first.digests["data"]
    wider = attrs.evolve(data, arguments=(("context", 5),))
    seen = [observable("l", Loss(world.model(), wider))]
    assert (
        run(world, ask(wider, seen, queries.sampler, unit="token")).digests["data"]
        != first.digests["data"]
    )
