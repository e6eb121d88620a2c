"""What is stored, when it is found again, and when it must not be."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import attrs
import numpy as np
import pytest
import torch
from estimate_samples import CLASSIFIER, ROWS, World, ask, classifier, observable, run
from safetensors.torch import save_file

import pattern_lang.estimate
from pattern_lang.estimate import SilentReporter, estimate, plan_cost
from pattern_lang.ir.observables import Loss
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.susceptibility import Estimate


class Listener(SilentReporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


def same(a: Estimate, b: Estimate) -> bool:
    return np.array_equal(a.susceptibility.noise.basis, b.susceptibility.noise.basis)


def with_weights(world: World) -> Queries:
    queries = classifier(world)
    random = torch.Generator().manual_seed(3)
    shapes = {
        "inner.weight": (4, 3),
        "inner.bias": (4,),
        "outer.weight": (2, 4),
        "outer.bias": (2,),
    }
    state = {name: torch.randn(shape, generator=random) for name, shape in shapes.items()}
    save_file(state, world.folder / "w.safetensors")
    model = world.model(weights="w.safetensors")
    train = queries.reweight.data
    return ask(train, [observable("loss", Loss(model, train))], queries.sampler)


def test_a_second_run_samples_nothing_and_is_equal(world: World) -> None:
    queries = classifier(world)
    first, second = run(world, queries), run(world, queries)
    assert first.sampled
    assert not second.sampled
    for part in ("susceptibility", "units"):
        for field in attrs.fields(type(getattr(first, part))):
            a, b = (getattr(getattr(e, part), field.name) for e in (first, second))
            if isinstance(a, np.ndarray):
                assert a.dtype == b.dtype
                assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
            elif field.name == "noise":
                assert np.array_equal(a.loadings, b.loadings)
                assert np.array_equal(a.basis, b.basis)
            elif field.name == "fields":
                assert {k: v.tolist() for k, v in a.items()} == {
                    k: v.tolist() for k, v in b.items()
                }
            else:
                assert a == b
    assert [attrs.asdict(d) for d in first.diagnostics] == [
        attrs.asdict(d) for d in second.diagnostics
    ]
    assert first.digests == second.digests
    for a, b in zip(first.traces, second.traces, strict=True):
        assert (a.posterior, a.chain, a.seed) == (b.posterior, b.chain, b.seed)
        assert np.array_equal(a.loss, b.loss)
        assert np.array_equal(a.observables, b.observables)


def test_the_same_again_gives_the_same_bits(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    queries = classifier(world)
    again = World(tmp_path_factory.mktemp("elsewhere"))
    assert same(run(world, queries), run(again, classifier(again)))
    assert same(run(world, queries, fresh=True), run(world, queries, fresh=True))


def test_fresh_samples_again(world: World) -> None:
    queries = classifier(world)
    run(world, queries)
    assert run(world, queries, fresh=True).sampled


@pytest.mark.parametrize("change", ["step", "seed", "unit"])
def test_other_queries_sample_again(world: World, change: str) -> None:
    queries = classifier(world)
    first = run(world, queries)
    match change:
        case "step":
            queries = attrs.evolve(queries, sampler=attrs.evolve(queries.sampler, step=2e-3))
        case "seed":
            queries = attrs.evolve(queries, sampler=attrs.evolve(queries.sampler, seed=1))
        case "unit":
            reweight = attrs.evolve(queries.reweight, unit="group", group_field="kind")
            queries = attrs.evolve(queries, reweight=reweight)
    second = run(world, queries)
    assert second.sampled
    assert second.digests["queries"] != first.digests["queries"]


def test_one_byte_of_the_weights(world: World) -> None:
    queries = with_weights(world)
    first = run(world, queries)
    assert not run(world, queries).sampled
    path = world.folder / "w.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    second = run(world, queries)
    assert second.sampled
    assert first.digests["model:m"] != second.digests["model:m"]
    assert first.digests["data"] == second.digests["data"]


def test_one_row_of_the_data(world: World) -> None:
    queries = classifier(world)
    first = run(world, queries)
    world.write("data.py", ROWS.replace("0.3 * x[1]", "0.4 * x[1]"))
    second = run(world, queries)
    assert second.sampled
    assert first.digests["data"] != second.digests["data"]


def test_the_code_of_the_model(world: World) -> None:
    queries = classifier(world)
    run(world, queries)
    world.write("model.py", CLASSIFIER.replace("torch.tanh", "torch.relu"))
    assert run(world, queries).sampled


def test_code_that_the_model_imports(world: World) -> None:
    queries = classifier(world)
    world.write("helper.py", "SCALE = 1.0\n")
    world.write(
        "model.py",
        CLASSIFIER.replace(
            "from torch import nn", "from torch import nn\n    from helper import SCALE", 1
        ).replace("torch.tanh(", "torch.tanh(SCALE * "),
    )
    first = run(world, queries)
    assert not run(world, queries).sampled
    world.write("helper.py", "SCALE = 2.0\n")
    second = run(world, queries)
    assert second.sampled
    assert not same(first, second)


def test_a_file_that_user_code_reads(world: World) -> None:
    queries = classifier(world)
    path = world.write("sign.txt", "0.3")
    world.write(
        "data.py",
        ROWS.replace("0.3 * x[1]", "S * x[1]").replace(
            "import random",
            "import random\n    from pathlib import Path\n"
            "    S = float(Path(__file__).with_name('sign.txt').read_text())",
        ),
    )
    run(world, queries)
    assert not run(world, queries).sampled
    path.write_text("0.9")
    assert run(world, queries).sampled


def test_a_touched_file_changes_nothing(world: World) -> None:
    queries = classifier(world)
    run(world, queries)
    os.utime(world.folder / "data.py", ns=(1, 1))
    assert not run(world, queries).sampled


def test_new_data_code_for_the_same_rows(world: World) -> None:
    queries = classifier(world)
    run(world, queries)
    world.write("data.py", ROWS + "\n    # a comment\n")
    assert not run(world, queries).sampled


def test_names_do_not_matter(world: World) -> None:
    queries = classifier(world, draws=8, chains=2)  # so few that reasons name the observables
    first = run(world, queries)
    renamed = attrs.evolve(
        queries,
        observables=tuple(attrs.evolve(o, name=f"new_{o.name}") for o in queries.observables),
    )
    second = run(world, renamed)
    assert not second.sampled
    assert second.susceptibility.observables == ("new_even", "new_gap")
    assert [name for name, _ in second.diagnostics[0].split_half] == ["new_even", "new_gap"]
    assert any("`even`" in reason for reason in first.diagnostics[0].reasons)
    assert any("`new_even`" in reason for reason in second.diagnostics[0].reasons)
    assert not any("`even`" in reason for reason in second.diagnostics[0].reasons)


@pytest.mark.parametrize("damage", ["cut", "flip", "meta", "schema", "gone"])
def test_a_damaged_entry_is_made_again(world: World, damage: str) -> None:
    queries = classifier(world)
    first = run(world, queries)
    (entry,) = (world.store / "estimates").iterdir()
    arrays, meta = entry / "arrays.safetensors", entry / "meta.json"
    match damage:
        case "cut":
            arrays.write_bytes(arrays.read_bytes()[:100])
        case "flip":
            raw = bytearray(arrays.read_bytes())
            raw[-1] ^= 255
            arrays.write_bytes(raw)
        case "meta":
            meta.write_text("{")
        case "schema":
            meta.write_text(json.dumps({**json.loads(meta.read_text()), "schema": 99}))
        case "gone":
            meta.unlink()
    listener = Listener()
    chains = (world.store / "chains").rglob("*.safetensors")
    for path in chains:
        path.write_bytes(path.read_bytes()[:100])
    second = estimate(queries, world.store, reporter=listener, workers=1)
    assert second.sampled
    assert any("ignoring the stored chains" in line for line in listener.lines)
    assert any("ignoring the stored estimate" in line for line in listener.lines)
    assert same(first, second)
    assert not run(world, queries).sampled


def test_patterns_share_the_chains_of_a_posterior(world: World) -> None:
    queries = classifier(world)
    first = run(world, queries)
    backwards = attrs.evolve(queries, observables=queries.observables[::-1])
    second = run(world, backwards)
    assert not second.sampled
    chi, other = first.susceptibility, second.susceptibility
    assert other.observables == chi.observables[::-1]
    assert np.array_equal(other.chi, chi.chi[::-1])
    fewer = run(world, attrs.evolve(queries, observables=queries.observables[:1]))
    assert not fewer.sampled
    assert np.array_equal(fewer.susceptibility.chi, chi.chi[:1])
    more = attrs.evolve(
        queries.observables[0],
        name="twice",
        terms=tuple((2 * c, primitive) for c, primitive in queries.observables[0].terms),
    )
    again = run(world, attrs.evolve(queries, observables=(more,)))
    assert not again.sampled
    assert np.allclose(again.susceptibility.chi, 2 * chi.chi[:1], rtol=1e-6)


def test_an_observable_on_further_data_samples(world: World) -> None:
    queries = classifier(world)
    one = attrs.evolve(queries, observables=queries.observables[:1])
    first = run(world, one)
    both = run(world, queries)
    further = {p.on for o in queries.observables for _, p in o.terms}
    assert both.sampled is (len(further | {queries.reweight.data}) > 2)
    # The draws are the same ones: what is followed does not change where the chains go.
    shared = both.susceptibility.chi[:1]
    assert np.allclose(shared, first.susceptibility.chi, rtol=1e-4, atol=1e-7)


def test_a_file_that_appears_at_an_earlier_place(world: World) -> None:
    queries = classifier(world)
    late = attrs.evolve(
        queries.reweight.data.function.file,  # type: ignore[union-attr]
        candidates=(str(world.folder / "sub" / "data.py"), str(world.folder / "data.py")),
    )
    train = attrs.evolve(
        queries.reweight.data,
        function=attrs.evolve(queries.reweight.data.function, file=late),  # type: ignore[type-var]
    )
    queries = ask(train, [observable("l", Loss(world.model(), train))], queries.sampler)
    run(world, queries)
    assert not run(world, queries).sampled
    world.write("sub/data.py", ROWS.replace("0.3 * x[1]", "0.9 * x[1]"))
    assert run(world, queries).sampled


FAST = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from estimate_samples import World, classifier, run
world = World(Path({folder!r}))
queries = classifier(world)
start = time.perf_counter()
assert not run(world, queries).sampled
seconds = time.perf_counter() - start
heavy = [name for name in ("torch", "pyarrow", "scipy") if name in sys.modules]
assert not heavy, heavy
assert not [name for name in sys.modules if name.startswith("_pattern_user")]
print(seconds)
"""


def test_the_fast_path_loads_no_torch(world: World) -> None:
    queries = classifier(world)
    run(world, queries)
    for path in world.folder.glob("*.py"):  # as old as files usually are
        os.utime(path, (time.time() - 100, time.time() - 100))
    run(world, queries)
    code = FAST.format(tests=str(Path(__file__).parent), folder=str(world.folder))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.3


def test_importing_the_package_loads_no_torch() -> None:
    code = "import sys, pattern_lang.estimate.cache; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


AT_ONCE = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from estimate_samples import World, classifier, run
world = World(Path({folder!r}))
queries = classifier(world)
assert run(world, queries, fresh=True).susceptibility.chi.shape == (2, 24)
"""


def test_two_processes_at_once(world: World) -> None:
    queries = classifier(world)
    code = AT_ONCE.format(tests=str(Path(__file__).parent), folder=str(world.folder))
    runs = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait() for process in runs] == [0, 0]
    assert not run(world, queries).sampled
    assert not list(world.store.rglob(".draft-*"))


def test_the_cost_is_counted(world: World) -> None:
    queries = classifier(world)
    cost = plan_cost(queries, world.store)
    assert (cost.posteriors, cost.chains, cost.steps, cost.draws) == (1, 4, 90, 40)
    assert cost.losses == 24 + 10
    assert cost.gradient_steps == 4 * 90
    assert cost.unit_losses == 4 * 40 * 34
    assert 0 < cost.seconds < 60
    assert "4 chains × 90 steps, 34 losses at each of 40 draws" in str(cost)
    run(world, queries)
    assert plan_cost(queries, world.store).cached


def test_a_folder_that_cannot_be_written(world: World) -> None:
    queries = classifier(world)
    world.store.write_text("a file where the folder should be")
    listener = Listener()
    assert estimate(queries, world.store, reporter=listener, workers=1).sampled
    assert any("could not be stored" in line for line in listener.lines)


def test_the_map_of_the_room_is_whole() -> None:
    folder = Path(pattern_lang.estimate.__file__).parent
    named = set(re.findall(r"`(\w+)`", pattern_lang.estimate.__doc__ or "")) - {"estimate"}
    folders = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert named - folders == {path.stem for path in folder.glob("*.py")} - {"__init__"}
