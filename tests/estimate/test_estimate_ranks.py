"""Several processes share the chains of one folder, however they were started."""

import json
from pathlib import Path

import killed
import pytest

from pattern_lang.cli.app import run as pat
from pattern_lang.diagnostics import PatternError
from pattern_lang.estimate.ranks import Rank, rank_here

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def array(number: int, count: int, first: int = 0, step: int = 1) -> dict[str, str]:
    names = ("ID", "COUNT", "MIN", "STEP")
    values = (number, count, first, step)
    return {f"SLURM_ARRAY_TASK_{n}": str(v) for n, v in zip(names, values, strict=True)}


@pytest.mark.parametrize(
    ("environment", "rank"),
    [
        ({}, Rank(0, 1)),
        ({"RANK": "3", "WORLD_SIZE": "8", "SLURM_PROCID": "0", "SLURM_NTASKS": "9"}, Rank(3, 8)),
        ({"SLURM_PROCID": "2", "SLURM_NTASKS": "4"}, Rank(2, 4)),
        (array(7, 4, 5), Rank(2, 4)),
        (array(6, 4, 0, 2), Rank(3, 4)),
        (array(5, 1, 5), Rank(0, 1)),  # one task of an array, put into the queue again
        ({**array(1, 3), "SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, Rank(1, 3)),
        ({**array(1, 3), "SLURM_PROCID": "1", "SLURM_NTASKS": "2"}, Rank(3, 6)),
    ],
)
def test_the_rank_comes_from_the_environment(environment: dict[str, str], rank: Rank) -> None:
    assert rank_here(environment) == rank


def test_an_array_with_gaps_has_one_leader() -> None:
    ranks = [rank_here(array(number, 3, 1)) for number in (1, 5, 7)]
    assert [rank.leads for rank in ranks] == [True, False, False]
    assert all(rank.index < rank.count == 3 for rank in ranks)


@pytest.mark.parametrize(
    "environment",
    [
        {"RANK": "2", "WORLD_SIZE": "2"},
        {"RANK": "-1", "WORLD_SIZE": "2"},
        {"RANK": "one", "WORLD_SIZE": "2"},
        {"RANK": "0", "WORLD_SIZE": "0"},
        {**array(1, 3), "SLURM_ARRAY_TASK_ID": ""},
    ],
)
def test_a_rank_that_makes_no_sense(environment: dict[str, str]) -> None:
    with pytest.raises(PatternError) as caught:
        rank_here(environment)
    (error,) = caught.value.diagnostics
    assert error.code == "PAT4054"


def test_all_parts_of_a_list_come_once() -> None:
    for count in (1, 2, 3, 7):
        firsts = [Rank(index, count).turned("abcdefg")[0] for index in range(count)]
        assert len(set(firsts)) == count
    assert Rank(1, 2).turned("abcd", 1, 2) == ["d", "a", "b", "c"]


@pytest.mark.parametrize("count", [3, pytest.param(4, marks=pytest.mark.slow)])
def test_the_same_bits_for_any_number_of_processes(alone: Path, tmp_path: Path, count: int) -> None:
    spec, out = killed.project(tmp_path), tmp_path / "out"
    ranks = [
        killed.start("compile", spec, "-o", out, RANK=str(rank), WORLD_SIZE=str(count))
        for rank in range(count)
    ]
    for process in ranks:
        killed.finish(process)
    assert killed.same_files(alone, out / "steer")


def test_the_number_may_change_between_attempts(alone: Path, tmp_path: Path) -> None:
    """Two of four begin and are killed, the leader among them; one goes on alone."""
    spec, out = killed.project(tmp_path), tmp_path / "out"
    ranks = [
        killed.start("compile", spec, "-o", out, RANK=str(rank), WORLD_SIZE="4") for rank in (0, 2)
    ]
    killed.wait_for(ranks[0], out, 3500)
    for process in ranks:
        process.kill()
        process.communicate()
    assert killed.steps_done(out) < 4 * 2700
    assert "going on from what is there" in killed.compiled(spec, "-o", out)
    assert killed.same_files(alone, out / "steer")


def test_a_job_array_whose_tasks_run_one_after_the_other(alone: Path, tmp_path: Path) -> None:
    """Those that do not lead leave chains and no output; the leader puts them together."""
    spec, out = killed.project(tmp_path), tmp_path / "out"
    killed.compiled(spec, "-o", out, **array(2, 3, 1))
    assert killed.steps_done(out) == 4 * 2700
    assert not (out / "steer").exists()
    told = killed.compiled(spec, "-o", out, **array(1, 3, 1))
    assert "4 of 4 chains are finished" in told
    assert killed.same_files(alone, out / "steer")


@pytest.mark.parametrize("die", [pytest.param("", marks=pytest.mark.slow), "yes"])
def test_torchrun(alone: Path, tmp_path: Path, die: str) -> None:
    """Clean, and with a rank that is killed in the midst of a chain and started again."""
    spec, out = killed.project(tmp_path), tmp_path / "out"
    launcher = (*TORCHRUN, "--max-restarts", "2")
    process = killed.start("compile", spec, "-o", out, launcher=launcher, DIE=die)
    told = killed.finish(process)
    if die:
        assert "going on from what is there" in told
    assert killed.same_files(alone, out / "steer")


def test_fresh_is_for_one_process(tmp_path: Path) -> None:
    process = killed.start("compile", killed.project(tmp_path), "--fresh", RANK="0", WORLD_SIZE="2")
    _, told = process.communicate()
    assert process.returncode == 2
    assert "--fresh needs one process" in told


def test_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, out = killed.project(tmp_path), tmp_path / "out"
    assert pat(["status", str(out)]) == 1
    assert "there is no such folder" in capsys.readouterr().err
    process = killed.start("compile", spec, "-o", out, "--jobs", "1")
    killed.wait_for(process, out, 3500)
    assert pat(["status", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["patterns"] == [{"pattern": "steer", "state": "missing"}]
    (posterior,) = document["posteriors"]
    states = [chain["state"] for chain in posterior["chains"]]
    assert states[0] == "finished"
    assert "running" in states[1:]
    process.kill()
    process.communicate()
    assert pat(["status", str(out)]) == 0
    text = capsys.readouterr().out
    assert "1 pattern, 1 missing" in text
    assert "interrupted" in text
    assert "running" not in text
    killed.compiled(spec, "-o", out)
    assert pat(["status", str(out)]) == 0
    assert "steer: finished (optimal)" in capsys.readouterr().out
