"""`online`: rounds whose predictions come true, or cost trust; interrupted, the same bits."""

import json
import runpy
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from pattern_lang.diagnostics import SourceFile
from pattern_lang.driver import Compiled, compile_pattern, read_spec, train_folder
from pattern_lang.estimate import SilentReporter
from pattern_lang.ir.program import WeightPattern
from pattern_lang.syntax.bundle import FileBundle
from pattern_lang.train.command import Means
from pattern_lang.train.rounds import adapted, decide, held

Pat = Callable[..., tuple[int, str]]
PLAN = Path("build/steer")
PERIOD, RATE = 25, 0.4
SGLD = "sgld(step: 1e-2, nbeta: 40, localization: 10, batch: 40, chains: 2, draws: 300)"


def change(file: Path, *pairs: tuple[str, str]) -> None:
    text = file.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)


def compiled_at(spec: Path) -> Compiled:
    source = SourceFile(str(spec), spec.read_text())
    read = read_spec(source, FileBundle(()), {})
    assert not read.has_errors, read.diagnostics
    return compile_pattern(read, "steer", spec.parent / "build", reporter=SilentReporter())


@pytest.fixture(scope="module")
def whole(compiled: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Compiled]:
    """The project, asking to be steered online, compiled anew."""
    folder = tmp_path_factory.mktemp("online") / "project"
    shutil.copytree(compiled, folder)
    spec = folder / "spec.pat"
    change(folder / "model.py", ("Dropout(0.1)", "Dropout(0)"))
    online = f"schedule online(period: {PERIOD} steps, rounds: 3, trust: 0.2 sd)"
    change(
        spec,
        ("size * 0.0005 nats", "size * 1 sd"),
        ("nbeta: 4000, localization: 10)", f"nbeta: 1e4, localization: 1)\n  {online}"),
        ("momentum: 0.9, steps: 60, batch: 8", f"steps: {4 * PERIOD}, batch: 40"),
        ("lr: 0.05", f"lr: {RATE}"),
        (', python("metrics.py:largest") every 20 steps', ""),
    )
    return folder, compiled_at(spec)


@pytest.fixture
def online(whole: tuple[Path, Compiled], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(whole[0], tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def rounds(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "events.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if "round" in event]


def left(folder: Path) -> dict[str, bytes]:
    kept = [p for p in sorted(folder.rglob("*")) if p.is_file() and ".cache" not in p.parts]
    return {str(p.relative_to(folder)): p.read_bytes() for p in kept if p.name != ".lock"}


def rows_of(folder: Path) -> tuple[Any, Any, Any]:
    space = runpy.run_path(str(folder / "data.py"))
    rows = space["rows"]()
    odd = np.array([row["kind"] == "odd" for row in rows])
    return np.array([row["x"] for row in rows]), np.array([row["y"] for row in rows]), odd


def test_rounds_follow_the_network(online: Path, pat: Pat) -> None:
    status, said = pat("train", PLAN)
    assert status == 0, said
    folder = PLAN / "train/seed-0"
    told = rounds(folder)
    begun, ended = told[0::2], told[1::2]
    assert [event["step"] for event in begun] == [0, PERIOD, 2 * PERIOD]
    assert [event["step"] for event in ended] == [PERIOD, 2 * PERIOD, 3 * PERIOD]
    assert [event["round"] for event in told] == [0, 0, 1, 1, 2, 2]
    assert {event["status"] for event in told} == {"optimal"}
    # Far from the minimum a posterior says little of what training does; near it, nearly all.
    assert ended[0]["ratio"] < 0.25
    assert ended[0]["next_trust"] == begun[1]["trust"] == 0.1
    assert ended[1]["ratio"] == pytest.approx(1, abs=0.2)
    assert ended[1]["next_trust"] == begun[2]["trust"] == 0.2
    assert begun[1]["dose"] == pytest.approx(0.1)  # of the 1 sd that is asked for
    weights = [load_file(folder / f"rounds/{n:04d}/weights.safetensors") for n in range(3)]
    assert not np.array_equal(weights[0]["weights"], weights[1]["weights"])
    _check_realised(online, folder, ended[1], weights[1]["weights"].astype(np.float64))


def _check_realised(project: Path, folder: Path, event: dict[str, Any], w: Any) -> None:
    """What weights did is the difference to a run without them from the same network: by hand."""
    x, y, odd = rows_of(project)
    start = load_file(folder / f"rounds/{event['round']:04d}/model.safetensors")["slope"]
    found = []
    for weights in (w, np.ones(len(y))):
        slope = start.copy()
        for _ in range(PERIOD):
            slope = slope - RATE * (x.T @ (weights * (x @ slope - y))) / weights.sum()
        found.append(float(np.mean((x @ slope - y)[odd] ** 2 / 2)))
    assert event["realised"]["error"] == pytest.approx(found[0] - found[1], rel=1e-4)


class Interrupting(SilentReporter):
    """Interrupts a run once, where it says something, or after so many steps."""

    def __init__(self, word: str, steps: int) -> None:
        self.word, self.left = word, steps

    def message(self, text: str) -> None:
        if self.word and self.word in text:
            raise KeyboardInterrupt

    @contextmanager
    def progress(self, total: int, description: str) -> Iterator[Any]:
        yield self

    def advance(self, steps: int) -> None:
        self.left -= steps
        if self.left <= 0:
            raise KeyboardInterrupt


def test_interrupted_rounds_end_in_the_same_bits(
    online: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAT_CHECKPOINT_SECONDS", "0")

    using = f"sgd(lr: {RATE}, momentum: 0.5, steps: {PERIOD + 5}, batch: 16)"

    def train(out: str, reporter: Any) -> Path:
        return train_folder(PLAN, Path(out), Means(reporter), using=using)[1].folder

    expected = left(train("whole", SilentReporter()))
    for stop in (Interrupting("", PERIOD // 2), Interrupting("round 1", 9999)):
        with pytest.raises(KeyboardInterrupt):
            train("torn", stop)
    with pytest.raises(KeyboardInterrupt):
        train("torn", Interrupting("", PERIOD + 2))  # in the second round
    assert left(train("torn", SilentReporter())) == expected


def test_a_round_that_is_lost(online: Path, pat: Pat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAT_CHECKPOINT_SECONDS", "0")
    with pytest.raises(KeyboardInterrupt):
        train_folder(PLAN, None, Means(Interrupting("", 3)))
    file = PLAN / "train/seed-0/rounds/0000/weights.safetensors"
    file.unlink()
    status, said = pat("train", PLAN)
    assert (status, "error[PAT7031]" in said, "is missing" in said) == (1, True, True)
    save_file({"weights": np.ones(40, np.float32)}, file)
    assert "has changed" in pat("train", PLAN)[1]


def test_other_goals_are_another_run(online: Path, pat: Pat) -> None:
    short = ("--using", f"sgd(lr: {RATE}, steps: 1, batch: 40)")
    assert pat("train", PLAN, *short)[0] == 0
    change(online / "spec.pat", ("0 <= w <= 4", "0 <= w <= 5"))
    compiled_at(online / "spec.pat")
    assert "PAT7006" in pat("train", PLAN, *short)[1]


def test_several_networks_and_checkpoints(online: Path, pat: Pat) -> None:
    change(
        online / "spec.pat",
        ("observable error", 'model other = torch("model.py:build", width: 3)\nobservable error'),
        ("  require", "  hold     loss(other, on: odd) within 9 nats\n  require"),
        ("batch: 40", "batch: 40, network: line"),
    )
    compiled_at(online / "spec.pat")
    status, said = pat("train", PLAN, "--compare")
    assert (status, "error[PAT7030]" in said) == (1, True)
    assert not (PLAN / "train").exists()


def asked(pattern: WeightPattern, estimate: Any, trust: float) -> tuple[Any, float]:
    decision = decide(pattern, estimate, trust)
    return decision, decision.predicted["error"] / decision.sd["error"]


def variant(whole: tuple[Path, Compiled], *pairs: tuple[str, str]) -> WeightPattern:
    spec = whole[0] / "spec.pat"
    text = spec.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return read_spec(SourceFile(str(spec), text), FileBundle(()), {}).lowered.patterns["steer"]


def test_goals_are_clipped_to_the_trust(whole: tuple[Path, Compiled]) -> None:
    pattern, estimate = whole[1].pattern, whole[1].estimate
    for trust in (0.1, 1.0, 3.0):
        decision, shift = asked(pattern, estimate, trust)
        assert decision.status == "optimal"
        assert shift == pytest.approx(-min(trust, 1.0), rel=1e-5)
        assert decision.dose == pytest.approx(min(trust, 1.0))


@pytest.mark.parametrize("goal", ["maximize -1 * predicted(error)", "move [error] along [-1]"])
def test_what_has_no_amount_is_clipped_too(whole: tuple[Path, Compiled], goal: str) -> None:
    pattern = variant(whole, ("lower    error by size * 1 sd", goal))
    decision, shift = asked(pattern, whole[1].estimate, 0.3)
    assert decision.status == "optimal"
    assert shift == pytest.approx(-0.3, rel=1e-5)


def test_what_is_not_feasible_is_done_as_far_as_it_is(whole: tuple[Path, Compiled]) -> None:
    pattern = variant(whole, ("0 <= w <= 4", "0.999 <= w <= 1.001"))
    decision, shift = asked(pattern, whole[1].estimate, 3.0)
    assert decision.status == "reduced"
    assert 0 < decision.dose < 1
    assert shift == pytest.approx(-decision.dose, rel=1e-4)  # weights are float32
    never = variant(whole, ("0 <= w <= 4", "predicted(error) >= 0.1 sd"))
    decision = decide(never, whole[1].estimate, 0.3)
    assert (decision.status, decision.weights) == ("infeasible", None)
    assert "predicted(error) >= 0.1 sd" in decision.reason


def test_trust_follows_what_came_true() -> None:
    sd = {"a": 1.0, "b": 2.0}
    assert held({"a": 1.0, "b": 2.0}, {"a": 0.5, "b": 1.0}, sd) == 0.5
    assert held({"a": 1.0, "b": 2.0}, {"b": 2.0}, sd) == 1
    assert held({"a": 0.0}, {"a": 1.0}, sd) is held({"a": 1.0}, {}, sd) is None
    found = [adapted(0.5, 0.5, 0.5, ratio) for ratio in (0.9, 0.5, 0.1, -1, 2, 5, None)]
    assert found == [1, 0.5, 0.25, 0.25, 0.5, 0.25, 0.5]
    assert adapted(0.5, 0.5, 0.1, 1) == 0.5  # it was not the trust that held it back
    assert adapted(2.0, 0.5, 2.0, 1) == 2.0  # four times what the schedule says


BENT = """
    import torch

    class Bent(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.slope = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))
            self.gain = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))

        def unit_loss(self, batch):
            residual = (batch["x"] @ self.slope) * (1 + self.gain) - batch["y"]
            return residual**2 / 2 + 0.05 * self.gain**2

    def build():
        return Bent()
"""


def test_what_cannot_be_trusted_changes_nothing(project: Path, pat: Pat) -> None:
    """At the beginning the curvature has a negative direction that nothing holds; later none."""
    spec = project / "spec.pat"
    (project / "model.py").write_text(dedent(BENT))
    best = {"slope": np.array([1.0, -2.0, 0.5]), "gain": np.zeros(1)}
    save_file(best, project / "best.safetensors")
    change(
        spec,
        ("4000, localization: 10)", "40, localization: 0)\n  schedule online(period: 30 steps)"),
        ("0.0005 nats", "0.01 nats"),
        ("momentum: 0.9, steps: 60, batch: 8", "steps: 31, batch: 40"),
    )
    compiled_at(spec)
    status, said = pat("train", PLAN)
    assert status == 0, said
    first, *others = rounds(PLAN / "train/seed-0")
    assert (first["status"], first["dose"], first["predicted"]) == ("unsound", None, {})
    assert first["reason"]
    assert [event["status"] for event in others] == ["optimal", "optimal"]
    assert not (PLAN / "train/seed-0/rounds/0000/weights.safetensors").exists()


def test_a_plan_without_weights_may_be_gone_for_by_and_by(online: Path, pat: Pat) -> None:
    change(online / "spec.pat", ("0 <= w <= 4", "0.999 <= w <= 1.001"), ("1 sd", "3 sd"))
    assert compiled_at(online / "spec.pat").solution.weights is None
    using = f"sgd(lr: {RATE}, steps: 1, batch: 40)"
    status, said = pat("train", PLAN, "--using", using)
    assert status == 0, said
    assert rounds(PLAN / "train/seed-0")[0]["status"] in ("optimal", "reduced")


def test_an_arm_of_a_study(online: Path, pat: Pat) -> None:
    """Rounds load what they ask for, also where the other runs of a study need less."""
    change(
        online / "spec.pat",
        (f"steps: {4 * PERIOD}", f'steps: {PERIOD}, start: "checkpoint"'),
        ("seeds    0..2", "seeds    0..1"),
        ("  require", "  hold     llc(line, on: even) within 99\n  require"),
        ("observable error", 'data even = rows where row.kind == "even"\nobservable error'),
        ("laplace(nbeta: 1e4, localization: 1)", SGLD),
        ("trust: 0.2 sd", "trust: 9 sd"),
    )
    status, said = pat("study", "spec.pat", "--jobs", 1)
    assert status == 0, said
    found = sorted(Path().rglob("rounds/0000/model.safetensors"))
    assert len(found) == 1
    assert rounds(found[0].parents[2])[0]["status"] == "optimal"
