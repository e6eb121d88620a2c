"""What an estimate costs: counted exactly, and timed on the real network.

Times are the processor's own, of this process: what else the machine does leaves no mark on them.
"""

import os
from collections.abc import Callable, Sequence
from time import perf_counter, process_time
from typing import TYPE_CHECKING

from attrs import frozen

from pattern_lang.ir.queries import Sampler

if TYPE_CHECKING:
    from pattern_lang.estimate.chain import Setting

_WORTH_PROCESSES = 6.0  # seconds; below it, starting processes costs more than they save
_START_SECONDS = 2.0  # what a process needs until its first step
_TIMING_SECONDS = 0.02
_PATIENCE = 1.0  # seconds on the wall, for code that waits more than it works
_TYPICAL_LENGTH = 10  # leapfrog steps of a trajectory, before it is adapted
_SET_UP = 3  # gradients or so, for what importance sampling draws from
_MOST_CURVATURES = 2048  # directions along which the closed form measures the curvature


@frozen
class CostEstimate:
    """Work and time of an estimate.

    `posteriors` × `chains` × `steps` gradient steps, and `losses` unit losses (summed over
    posteriors) at each of `chains` × `draws` draws. `seconds` is the expected time on `processes`
    processes that have a processor each. `cached` tells that the estimate is there already and
    costs nothing.
    """

    posteriors: int
    chains: int
    steps: int
    draws: int
    losses: int
    seconds: float
    processes: int
    cached: bool = False

    @property
    def gradient_steps(self) -> int:
        """Return the gradient steps of all chains."""
        return self.posteriors * self.chains * self.steps

    @property
    def unit_losses(self) -> int:
        """Return the number of evaluations of the loss of one row."""
        return self.chains * self.draws * self.losses

    def __str__(self) -> str:
        if self.cached:
            return "the estimate is there already: nothing to sample"
        where = "in this process" if self.processes == 1 else f"on {self.processes} processes"
        return (
            f"sampling {_counted(self.posteriors, 'posterior')}: "
            f"{_counted(self.chains, 'chain')} × {self.steps:,} steps, "
            f"{self.losses:,} losses at each of {self.draws:,} draws: "
            f"about {_duration(self.seconds)} {where}"
        )


def nothing_to_do(sampler: Sampler) -> CostEstimate:
    """Return the cost of an estimate that is there already."""
    return CostEstimate(0, sampler.chains, 0, sampler.draws, 0, 0.0, 1, cached=True)


def count_cost(
    sampler: Sampler, losses: Sequence[int], serial: float, workers: int | None
) -> CostEstimate:
    """Return the cost of posteriors that evaluate `losses` rows each, `serial` seconds in all.

    `workers` is the number of processes asked for, or None to choose: as many as there are
    processors and chains, if the work is worth it.
    """
    tasks = len(losses) * sampler.chains
    workers = 1 if sampler.kind == "laplace" else workers
    if workers is None:
        workers = _processors() if serial > _WORTH_PROCESSES else 1
    processes = max(1, min(workers, tasks))
    rounds = -(-tasks // processes) / max(tasks, 1)
    return CostEstimate(
        posteriors=len(losses),
        chains=sampler.chains,
        steps=sampler.burn_in + sampler.thin * sampler.draws,
        draws=sampler.draws,
        losses=sum(losses),
        seconds=serial if processes == 1 else serial * rounds + _START_SECONDS,
        processes=processes,
    )


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def serial_seconds(setting: "Setting") -> float:
    """Return the seconds that all chains of one posterior need in one process."""
    network, sampler = setting.network, setting.sampler
    a_step, a_draw = step_and_draw_seconds(setting)
    gradients = {
        "hmc": _TYPICAL_LENGTH * setting.steps,
        "laplace": 2 * min(len(network.theta), _MOST_CURVATURES),
        "importance": _SET_UP,
    }.get(sampler.kind, setting.steps)
    return sampler.chains * (gradients * a_step + sampler.draws * a_draw)


def step_seconds(setting: "Setting") -> float:
    """Return the seconds of one gradient step. The network is at θ* before and after."""
    seconds = _time(_a_step(setting))
    setting.network.reset()
    return seconds


def step_and_draw_seconds(setting: "Setting") -> tuple[float, float]:
    """Return the seconds of one gradient step, and of evaluating all else that one draw needs."""
    import torch

    from pattern_lang.estimate.evaluate import evaluator

    out = torch.empty_like(setting.anchor)
    evaluate = evaluator(setting.network, setting.rows)
    a_step = step_seconds(setting)
    a_draw = _time(lambda: evaluate(out, setting.anchor))
    if setting.sampler.is_pathwise:  # as many again for each tangent
        a_draw *= setting.losses / setting.rows.width
    return a_step, a_draw * setting.alone


def _a_step(setting: "Setting") -> Callable[[], object]:
    """Return one gradient step, full batch where the sampler is."""
    import torch

    from pattern_lang.estimate.chain import batches, tangents_of, target_of
    from pattern_lang.estimate.steps import stepper

    network, random = setting.network, torch.Generator().manual_seed(0)
    network.reset()
    if setting.sampler.kind in ("hmc", "laplace", "importance"):
        target = target_of(setting)
        return lambda: target.at(target.anchor)
    supply, move = batches(setting, random), stepper(network, setting.sampler, random)
    tangents = tangents_of(setting, 0) if setting.sampler.is_pathwise else None

    def step() -> None:
        batch = next(supply)
        network.gradient(batch)
        if tangents is not None:
            tangents.push(batch)
        move()
        if tangents is not None:
            tangents.move(move)

    step()  # tangents are 0 before it, and cost less
    return step


def _time(work: Callable[[], object]) -> float:
    """Return the seconds of one call: the first is left out where there is time for another."""
    start = process_time()
    work()
    first = process_time() - start
    if first > 1.0:
        return first
    calls, begun, start = 0, perf_counter(), process_time()
    while not calls or (
        process_time() - start < _TIMING_SECONDS and perf_counter() - begun < _PATIENCE
    ):
        work()
        calls += 1
    return (process_time() - start) / calls


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "1 s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
