"""Runs that are killed, interrupted or short of space go on to the same bits."""

import errno
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import killed
import numpy as np
import pytest
from estimate_samples import World, classifier, run

from pattern_lang.estimate import SilentReporter, estimate, keeping
from pattern_lang.estimate.running import look
from pattern_lang.ir.queries import Queries
from pattern_lang.ir.susceptibility import Estimate


class Interrupter(SilentReporter):
    """Shows nothing, keeps what it is told, and presses Ctrl-C when chains have gone so far."""

    def __init__(self, steps: int = 10**9) -> None:
        self.steps, self.told = steps, list[str]()

    def message(self, text: str) -> None:
        self.told.append(text)

    @contextmanager
    def progress(self, total: int, description: str) -> Iterator["Interrupter"]:
        self.total = total
        yield self

    def advance(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise KeyboardInterrupt


def same(one: Estimate, two: Estimate) -> bool:
    a, b = one.susceptibility, two.susceptibility
    fields = ("chi", "stderr", "mean", "sd")
    return (
        all(np.array_equal(getattr(a, f), getattr(b, f), equal_nan=True) for f in fields)
        and np.array_equal(a.noise.basis, b.noise.basis)
        and all(np.array_equal(s.loss, t.loss) for s, t in zip(one.traces, two.traces, strict=True))
        and [d.figures for d in one.diagnostics] == [d.figures for d in two.diagnostics]
    )


def interrupt(world: World, queries: Queries, steps: int) -> Interrupter:
    reporter = Interrupter(steps)
    with pytest.raises(KeyboardInterrupt):
        estimate(queries, world.store, reporter=reporter, workers=1)
    return reporter


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every step or block."""
    monkeypatch.setenv("PAT_CHECKPOINT_SECONDS", "0")
    monkeypatch.setattr(keeping, "_SHARE", 1e9)
    monkeypatch.setattr("pattern_lang.estimate.chain._REPORT_SECONDS", 0.0)
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.mark.parametrize(
    ("kind", "estimator"),
    [
        *(
            (kind, "covariance")
            for kind in ("sgld", "rmsprop_sgld", "hmc", "laplace", "importance")
        ),
        *((kind, "pathwise") for kind in ("sgld", "rmsprop_sgld")),
    ],
)
@pytest.mark.usefixtures("often")
def test_every_sampler_goes_on(world: World, kind: str, estimator: str) -> None:
    """Stopped in burn-in, within a block, between blocks, in the second chain: same bits."""
    burn_in = 0 if kind == "importance" else 24
    settings = {"step": 2e-4, "chains": 2, "draws": 300, "thin": 1, "batch": 7}
    queries = classifier(world, kind=kind, estimator=estimator, burn_in=burn_in, **settings)
    whole = run(world, queries)
    world.store = world.folder / "again"
    total = 2 * (300 + burn_in)
    places = (5, 40, 100, 250) if kind != "laplace" else (301,)
    for steps in places:
        interrupt(world, queries, steps)
    reporter = Interrupter()
    again = estimate(queries, world.store, reporter=reporter, workers=1)
    assert same(whole, again)
    if kind != "laplace":
        assert reporter.told[0].startswith("going on from what is there: 1 of 2 chains")
        left = total - sum(places)  # only what is left is counted
        blocks = 20 * len(places) if kind == "importance" else 0  # draws count by blocks of pairs
        assert left <= reporter.total <= left + blocks
    assert not list(world.store.glob("running/*"))  # what is stored needs no checkpoint


@pytest.mark.usefixtures("often")
def test_finished_chains_are_not_run_again(world: World) -> None:
    queries = classifier(world, chains=3, draws=60, burn_in=10)
    interrupt(world, queries, 100)  # in the second chain
    (kept,) = look(world.store)
    assert kept.finished == (True, False, False)
    assert kept.done[0] == 70
    assert 0 < kept.done[1] < 70
    assert kept.owned == (False, False, False)
    reporter = Interrupter()
    estimate(queries, world.store, reporter=reporter, workers=1)
    assert "1 of 3 chains are finished" in reporter.told[0]
    assert reporter.total == 140 - kept.done[1]


def damage_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def damage_flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-100] ^= 1
    path.write_bytes(raw)


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_foreign(path: Path) -> None:
    other = path.with_name("chain-1.safetensors")
    path.write_bytes(other.read_bytes())  # whole, and of another chain


def damage_text(path: Path) -> None:
    path.write_text("not a checkpoint at all, and longer than a seal is")


@pytest.mark.parametrize(
    "damage", [damage_cut, damage_flip, damage_empty, damage_foreign, damage_text]
)
@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.usefixtures("often")
def test_checkpoints_that_are_no_use(world: World, damage: object, finished: bool) -> None:
    """They are refused with a word, and the chain starts again."""
    queries = classifier(world, chains=2, draws=60, burn_in=10)
    whole = run(world, queries)
    world.store = world.folder / "again"
    interrupt(world, queries, 100)
    first, second = sorted(world.store.glob("running/*/chain-*.safetensors"))
    path = first if finished else second
    if not finished and damage is damage_foreign:
        path.write_bytes(first.read_bytes())
    else:
        damage(path)  # type: ignore[operator]
    reporter = Interrupter()
    again = estimate(queries, world.store, reporter=reporter, workers=1)
    assert same(whole, again)
    chain = 0 if finished else 1
    assert reporter.told[0].startswith(f"the checkpoint of chain {chain} of model `m` is refused")
    assert reporter.told[0].endswith("the chain starts again")


@pytest.mark.usefixtures("often")
def test_the_state_of_another_posterior_is_refused(world: World) -> None:
    queries = classifier(world, chains=2, draws=60)
    other = classifier(world, chains=2, draws=60, step=2e-3)
    interrupt(world, other, 40)
    (theirs,) = world.store.glob("running/*/chain-0.safetensors")
    raw = theirs.read_bytes()
    interrupt(world, queries, 20)
    (ours,) = (p for p in world.store.glob("running/*/chain-0.safetensors") if p != theirs)
    ours.write_bytes(raw)
    reporter = Interrupter()
    again = estimate(queries, world.store, reporter=reporter, workers=1)
    assert "of another posterior" in reporter.told[0]
    world.store = world.folder / "whole"
    assert same(run(world, queries), again)


@pytest.mark.usefixtures("often")
def test_fresh_starts_over(world: World) -> None:
    queries = classifier(world, chains=2, draws=60)
    interrupt(world, queries, 40)
    reporter = Interrupter()
    estimate(queries, world.store, reporter=reporter, workers=1, fresh=True)
    assert reporter.total == 2 * 110
    assert "going on" not in reporter.told[0]


@pytest.mark.parametrize("workers", [1, 2])
def test_no_space_costs_the_checkpoints_alone(
    world: World, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """Here as in processes of their own: these write below a folder that is a file."""
    queries = classifier(world, chains=2, draws=60)
    whole = run(world, queries)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    world.store = world.folder / "full"
    if workers == 1:
        monkeypatch.setattr(keeping, "write_checkpoint", full)
    else:
        world.store.mkdir()
        (world.store / "running").write_text("in the way")
    reporter = Interrupter()
    again = estimate(queries, world.store, reporter=reporter, workers=workers)
    assert same(whole, again)
    assert any("cannot be kept" in line for line in reporter.told)


def kill(tmp_path: Path, kind: str, kills: int, draws: int, jobs: int) -> None:
    """Kill a compilation at random places, all over the work; the last run has the same bits."""
    spec = killed.project(tmp_path, draws=draws, kind=kind)
    total = 4 * (200 + 10 * draws)
    chance, out = random.Random(f"{kind}/{kills}"), tmp_path / "out"
    for number in range(kills):
        process = killed.start("compile", spec, "-o", out, "--jobs", str(jobs))
        goal = total * (number + chance.random()) / (kills + 1)
        killed.wait_for(process, out, int(goal))
        time.sleep(chance.random() * 0.1)
        assert process.poll() is None
        # With the processes that sample for it, or alone, in turns.
        (os.killpg, os.kill)[number % 2](process.pid, signal.SIGKILL)
        process.communicate()
    told = killed.compiled(spec, "-o", out)
    assert "going on from what is there" in told
    assert "refused" not in told
    killed.compiled(spec, "-o", tmp_path / "whole")
    assert killed.same_files(out / "steer", tmp_path / "whole" / "steer")


def test_two_kills(tmp_path: Path) -> None:
    kill(tmp_path, "rmsprop_sgld", kills=2, draws=400, jobs=2)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("kind", "jobs"), [("sgld", 1), ("rmsprop_sgld", 2)])
def test_twenty_kills(tmp_path: Path, kind: str, jobs: int) -> None:
    # So long that the machine may be busy: the last kill has to come before the end.
    kill(tmp_path, kind, kills=20, draws=4000, jobs=jobs)


@pytest.mark.parametrize("jobs", [1, 2])
def test_interrupting_leaves_a_state_to_go_on_from(tmp_path: Path, jobs: int) -> None:
    spec, out = killed.project(tmp_path, draws=400), tmp_path / "out"
    process = killed.start("compile", spec, "-o", out, "--jobs", str(jobs))
    killed.wait_for(process, out, 3000)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert "interrupted; the same command goes on from here" in told
    assert killed.steps_done(out) >= 3000
    assert "going on from what is there" in killed.compiled(spec, "-o", out, "--resume")


def test_two_runs_in_one_folder(alone: Path, tmp_path: Path) -> None:
    """They share the chains, and both end with the whole."""
    spec, out = killed.project(tmp_path), tmp_path / "out"
    both = [killed.start("compile", spec, "-o", out, "--jobs", "1") for _ in range(2)]
    for process in both:
        killed.finish(process)
    assert killed.same_files(out / "steer", alone)
    assert not list((out / ".cache" / "running").iterdir())
