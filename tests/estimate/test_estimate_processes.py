"""Several processes: the same bits, errors that come back, nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from estimate_samples import CLASSIFIER, World, ask, classifier, observable, run

from pattern_lang.diagnostics import PatternError
from pattern_lang.ir.observables import FreeEnergy, Loss
from pattern_lang.ir.queries import Queries

TESTS = str(Path(__file__).parent)


def two_models(world: World) -> Queries:
    queries = classifier(world, chains=3, draws=12)
    train, wide = queries.reweight.data, world.model(name="wide", width=7)
    narrow = world.model()
    observables = [
        *queries.observables,
        observable("f", FreeEnergy(narrow, train), (-1.0, FreeEnergy(wide, train))),
        observable("l", (2.0, Loss(wide, train))),
    ]
    return ask(train, observables, queries.sampler, unit="group", field="kind")


def test_the_same_bits_from_one_and_from_two(world: World) -> None:
    queries = two_models(world)
    threads = torch.get_num_threads()
    one, two = (run(world, queries, fresh=True, workers=workers) for workers in (1, 2))
    assert torch.get_num_threads() == threads
    assert one.sampled
    assert two.sampled
    for name in ("chi", "stderr", "mean", "sd"):
        a, b = (getattr(estimate.susceptibility, name) for estimate in (one, two))
        assert np.array_equal(a, b, equal_nan=True), name
    assert np.array_equal(one.susceptibility.noise.basis, two.susceptibility.noise.basis)
    for a, b in zip(one.traces, two.traces, strict=True):
        assert np.array_equal(a.loss, b.loss)
        assert a.seed == b.seed
    seeds = [trace.seed for trace in one.traces]
    assert len(set(seeds)) == len(seeds) == 6


def test_divergence_comes_back_from_a_process(world: World) -> None:
    queries = classifier(world, step=4.0, localization=0.0)
    with pytest.raises(PatternError) as caught:
        run(world, queries, workers=2)
    (error,) = caught.value.diagnostics
    assert error.code == "PAT4051"
    assert caught.value.exit_status == 4


def test_late_exceptions_come_back(world: World) -> None:
    """The loss fails only after a while, in this process or in another."""
    queries = classifier(world, draws=2000)
    line = 'Net.calls = getattr(Net, "calls", 0) + 1; assert Net.calls < 3000, "too much"'
    world.write("model.py", CLASSIFIER.replace("scores =", f"{line}\n            scores =", 1))
    for workers in (1, 2):
        with pytest.raises(PatternError) as caught:
            run(world, queries, workers=workers)
        (error,) = caught.value.diagnostics
        assert error.code == "PAT4004"
        assert "sampling model `m` failed at model.py:13: AssertionError: too much" in error.message


def test_a_process_that_is_killed(world: World) -> None:
    queries = classifier(world)
    line = 'import os, sys; "pattern_lang.estimate.worker" in sys.orig_argv and os._exit(9)'
    world.write("model.py", CLASSIFIER.replace("scores =", f"{line}\n            scores =", 1))
    with pytest.raises(PatternError) as caught:
        run(world, queries, workers=2)
    (error,) = caught.value.diagnostics
    assert error.code == "PAT4053"
    assert "status 9" in error.message


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from estimate_samples import World, classifier, run
print("started")
world = World(Path({folder!r}))
run(world, classifier(world, draws={draws}), workers=2)
print("done")
"""


def script(world: World, draws: int) -> str:
    classifier(world)
    # A test run in the background of a shell ignores Ctrl-C, and its children inherit that.
    heed = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    text = heed + SCRIPT.format(tests=TESTS, folder=str(world.folder), draws=draws)
    return str(world.write("script.py", text))


def test_a_script_without_a_main_guard(world: World) -> None:
    done = subprocess.run(
        [sys.executable, script(world, 8)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["started", "done"]


def test_interrupting_leaves_no_process(world: World) -> None:
    """Ctrl-C reaches the parent alone here; its children have to go with it, quietly."""
    process = subprocess.Popen(
        [sys.executable, script(world, 10**7)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    children: list[int] = []
    deadline = time.time() + 60
    try:
        while len(children) < 2 and time.time() < deadline:
            time.sleep(0.1)
            children = children_of(process.pid)
        time.sleep(1.0)
        os.kill(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    finally:
        process.kill()
    assert len(children) == 2
    assert "KeyboardInterrupt" in stderr
    assert not [pid for pid in children if is_alive(pid)]
    # What is there is to go on from: no estimate, and no chain that counts as finished.
    assert not [path for path in world.store.rglob("*.json") if "running" not in path.parts]


def children_of(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
