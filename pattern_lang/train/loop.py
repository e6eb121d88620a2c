"""The steps of a run: forward, backward, step, and now and then a look and a checkpoint."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from attrs import field, frozen
from torch import Tensor

from pattern_lang.train.batches import weighted_loss
from pattern_lang.train.measures import Gauge, read_all
from pattern_lang.train.networks import Trained
from pattern_lang.train.optimizers import rate
from pattern_lang.train.order import Order, seed_of
from pattern_lang.train.state import RunState

if TYPE_CHECKING:
    from pattern_lang.ir.training import Optimizer
    from pattern_lang.train.keeping import Keeper
    from pattern_lang.train.steering import Steering

_LOOKS = 200
"""The loss of the training batches is reported so many times in a run, averaged in between."""


@frozen(eq=False)
class Run:
    """A run, loaded. `columns` are the re-weighted rows; `gauges` go with their periods."""

    name: str
    settings: Optimizer
    seed: int
    trained: Trained
    optimizer: torch.optim.Optimizer
    columns: Mapping[str, Tensor]
    rows: int
    steering: Steering
    gauges: tuple[tuple[Gauge, int | None], ...]
    device: torch.device
    rates: tuple[float, ...] = field(init=False)

    @rates.default
    def _own_rates(self) -> tuple[float, ...]:
        return tuple(float(group["lr"]) for group in self.optimizer.param_groups)


class DivergedError(Exception):
    """The loss stopped being a number; found after `step` steps, when it was `value`."""

    def __init__(self, step: int, value: str) -> None:
        super().__init__(f"{value} after step {step}")
        self.step, self.value = step, value


def train(run: Run, keeper: Keeper, advance: Callable[[int], None]) -> dict[str, float]:
    """Train to the end, from wherever the keeper has it; return the final measures.

    Raises DivergedError, and what measuring raises.
    """
    kept = keeper.read(run)
    done = kept.done if kept is not None else 0
    total = Mean.of(kept.extra["mean"]) if kept is not None else Mean()
    if kept is not None:
        run.steering.restore(kept.extra["steering"])
    advance(done)
    order, looks = Order(run.rows, run.settings.batch, run.seed), _every(run.settings.steps)
    run.trained.module.train()
    if done == 0:
        _measure(run, 0, keeper)
    for step in range(done, run.settings.steps):
        run.steering.attend(step, run, keeper.event)
        total.add(take_step(run, order.rows_of(step), run.steering.factors(step), step))
        advance(1)
        after = step + 1
        if after % looks == 0 or after == run.settings.steps:
            keeper.event({"step": after, "loss": _checked(total.take(), after)})
        if after < run.settings.steps:
            _measure(run, after, keeper)
            if keeper.due:
                extra = {"mean": total.state(), "steering": run.steering.state()}
                keeper.keep(RunState(after, keeper.lines, extra), run)
    run.steering.attend(run.settings.steps, run, keeper.event)
    final = _measure(run, run.settings.steps, keeper)
    run.trained.module.eval()
    return final


def take_step(run: Run, rows: Tensor, factors: Tensor, step: int) -> Tensor:
    """Take one step on some rows, (batch,); return the loss of the batch before it.

    factors: what multiplies the losses of all rows, (rows,) or (rows, P).
    """
    # Dropout and the like draw from the global state; told from the step, nothing has to be kept.
    torch.manual_seed(seed_of("step", run.seed, step))
    whole = len(rows) == run.rows
    batch = {
        name: (t if whole else t.index_select(0, rows)).to(run.device)
        for name, t in run.columns.items()
    }
    own = (factors if whole else factors.index_select(0, rows)).to(run.device)
    share = rate(run.settings, step)
    for group, base in zip(run.optimizer.param_groups, run.rates, strict=True):
        group["lr"] = base * share
    run.optimizer.zero_grad()
    loss = weighted_loss(run.trained.unit_loss(batch), own)
    loss.backward()  # type: ignore[no-untyped-call]
    if run.settings.clip is not None:
        torch.nn.utils.clip_grad_norm_(run.trained.module.parameters(), run.settings.clip)
    run.optimizer.step()
    return loss.detach()


def _measure(run: Run, after: int, keeper: Keeper) -> dict[str, float]:
    ends = after in (0, run.settings.steps)
    due = tuple(g for g, every in run.gauges if ends or (every and after % every == 0))
    if not due:
        return {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("measure", run.seed, after))
        found = read_all(due, run.trained, run.device)
    keeper.event({"step": after, "measures": found})
    return found


def _checked(loss: float, after: int) -> float:
    if math.isfinite(loss):
        return loss
    raise DivergedError(after, str(loss))


def diverged(loss: float, after: int) -> DivergedError:
    """Return the error for a run whose loss is not finite after some steps."""
    return DivergedError(after, str(loss))


def _every(steps: int) -> int:
    return max(1, -(-steps // _LOOKS))


class Mean:
    """The mean loss since it was last taken; read from the device only then."""

    def __init__(self) -> None:
        self.total: Tensor | float = 0.0
        self.count = 0

    @classmethod
    def of(cls, state: Any) -> Mean:
        """Go on from a state."""
        made = cls()
        made.total, made.count = float.fromhex(state[0]), int(state[1])
        return made

    def add(self, loss: Tensor) -> None:
        """Count one more loss."""
        self.total = self.total + loss.double()
        self.count += 1

    def take(self) -> float:
        """Return the mean, and begin anew."""
        found = float(self.total) / max(self.count, 1)
        self.total, self.count = 0.0, 0
        return found

    def state(self) -> Any:
        """Return what to go on from, as JSON types."""
        return [float(self.total).hex(), self.count]


def line_of(event: Mapping[str, Any]) -> str:
    """Return an event as a line of JSON; what is not finite becomes null."""
    return json.dumps(_plain(event), sort_keys=True, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
