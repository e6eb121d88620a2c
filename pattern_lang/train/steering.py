"""How the weights of a run change with its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from pattern_lang.ir.program import Schedule
    from pattern_lang.train.batches import Shares
    from pattern_lang.train.loop import Run

Tell = Callable[[Mapping[str, Any]], None]


class Steering(Protocol):
    """What multiplies the losses at each step."""

    def attend(self, step: int, run: Run, tell: Tell) -> None:
        """Look at a run before a step, and once more when all are taken; tell events."""
        ...

    def factors(self, step: int) -> Tensor:
        """Return the factors of a step, counted from 0: (rows,) or (rows, P)."""
        ...

    def state(self) -> Any:
        """Return what the following steps depend on, as JSON types."""
        ...

    def restore(self, state: Any) -> None:
        """Go on from a state."""
        ...


class Fixed:
    """Weights that are known from the start: `once` from the first step, `ramp` by and by."""

    def __init__(self, shares: Shares, schedule: Schedule) -> None:
        steps = dict(schedule.arguments).get("steps", 0)
        assert isinstance(steps, int | float)
        self.shares, self.rise = shares, float(steps) if schedule.kind == "ramp" else 0.0
        self._at: tuple[float, Tensor] = (1.0, shares.steered)

    def attend(self, step: int, run: Run, tell: Tell) -> None:
        """Decide nothing."""

    def factors(self, step: int) -> Tensor:
        """Return the factors of a step; a ramp rises linearly from 1 at step 0."""
        progress = min(step / self.rise, 1.0) if self.rise else 1.0
        if progress != self._at[0]:
            self._at = progress, self.shares.at(progress)
        return self._at[1]

    def state(self) -> Any:
        """Return nothing: the step says it all."""
        return None

    def restore(self, state: Any) -> None:
        """Go on from wherever it was."""
