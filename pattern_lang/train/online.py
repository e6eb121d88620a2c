"""`online`: while a network trains, its pattern is estimated and solved anew every period.

A round begins at step 0, K, 2K, …: χ is estimated at the present parameters, the pattern's program
is solved within the trust region (see `rounds`), and its weights hold until the next. What the
weights did is the difference between the run at the end of the round and a branch of it that took
the same steps with all weights 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import torch
from attrs import frozen
from safetensors.torch import load, save

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.emission import CannotWrite
from pattern_lang.diagnostics.catalogue.training import RoundLost
from pattern_lang.emit.canonical import digest
from pattern_lang.estimate import estimate
from pattern_lang.estimate.defaults import with_sampler
from pattern_lang.estimate.reporter import Progress, SilentReporter
from pattern_lang.estimate.soundness import soundness
from pattern_lang.files import write_atomically
from pattern_lang.train.branch import branched
from pattern_lang.train.loop import Run, diverged
from pattern_lang.train.measures import Gauge, read_all
from pattern_lang.train.present import at_present, check_present, write_network
from pattern_lang.train.rounds import Decision, adapted, decide, held, steered

if TYPE_CHECKING:
    from torch import Tensor

    from pattern_lang.estimate.reporter import Reporter
    from pattern_lang.estimate.table import Array
    from pattern_lang.ir.program import WeightPattern
    from pattern_lang.ir.queries import Queries
    from pattern_lang.ir.sources import ModelSource
    from pattern_lang.train.batches import Shares
    from pattern_lang.train.steering import Tell

DEFAULT_TRUST = 1.0  # sd
NETWORK, WEIGHTS = "model.safetensors", "weights.safetensors"
_UNSOUND = 4  # the exit status of estimates that cannot be trusted


@frozen
class Settings:
    """Those of the schedule: steps in a round, rounds at most, trust in sd."""

    period: int
    rounds: int | None
    trust: float

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Settings:
        """Read them off the schedule's arguments."""
        rounds = arguments.get("rounds")
        return cls(
            max(1, int(arguments["period"])),
            None if rounds is None else int(rounds),
            float(arguments.get("trust", DEFAULT_TRUST)),
        )


@frozen
class Open:
    """A round whose end is still to come. `base`: the observables after a branch without weights.

    event: what was told at its beginning. predicted, sd, base: by observable, in its own unit.
    """

    event: dict[str, Any]
    predicted: dict[str, float]
    sd: dict[str, float]
    base: dict[str, float]


class Online:
    """Weights that follow the network; all 1 until the first round that could be built upon.

    `folder` gets a folder for each round: the network that χ was estimated at, and the weights.
    """

    def __init__(
        self,
        pattern: WeightPattern,
        model: ModelSource,
        spread: Callable[[Array | None], Shares],
        folder: Path,
        reporter: Reporter,
    ) -> None:
        check_present(pattern, model)
        queries, chosen = with_sampler(pattern.queries)
        if chosen is not None:
            reporter.message(chosen)
        self.pattern = attrs.evolve(pattern, queries=queries)
        self.settings = Settings.of(dict(pattern.schedule.arguments))
        self.model, self.spread, self.folder, self.reporter = model, spread, folder, reporter
        self.even = spread(None).even
        self.trust = self.settings.trust
        self.open: Open | None = None
        self.held: tuple[int, str] | None = None  # the round whose weights hold, their digest
        self._factors = self.even

    def factors(self, step: int) -> Tensor:
        """Return the factors of the present round."""
        return self._factors

    def attend(self, step: int, run: Run, tell: Tell) -> None:
        """End a round and begin the next, where one is due."""
        last = step == run.settings.steps
        number, place = divmod(step, self.settings.period)
        if place and not last:
            return
        if self.open is not None:
            self._close(self.open, step, run, tell)
        if not last and (self.settings.rounds is None or number < self.settings.rounds):
            self._begin(number, step, run, tell)

    def _begin(self, number: int, step: int, run: Run, tell: Tell) -> None:
        if not all(bool(torch.isfinite(p).all()) for p in run.trained.module.parameters()):
            raise diverged(float("nan"), step)
        self.reporter.message(f"round {number}: estimating the network after {step:,} steps")
        home = self.folder / f"{number:04d}"
        with _writing(home):
            write_network(home / NETWORK, run.trained.module)
        decision = self._decided(number, home / NETWORK)
        event = {
            "step": step,
            "round": number,
            "status": decision.status,
            "trust": self.trust,
            "dose": decision.dose,
            "predicted": dict(decision.predicted),
            "stderr": dict(decision.stderr),
        }
        if decision.reason:
            event["reason"] = decision.reason
        tell(event)
        if decision.weights is None:
            message = f"round {number}: the weights stay as they are: {decision.status}"
            self.reporter.message(f"{message}; {decision.reason}" if decision.reason else message)
            return
        content = save({"weights": torch.from_numpy(decision.weights)})
        with _writing(home):
            write_atomically(home / WEIGHTS, content)
        self.held = number, digest(content)
        self._factors = self.spread(decision.weights).steered
        base = self._without(step, run)
        self.open = Open(event, dict(decision.predicted), dict(decision.sd), base)

    def _decided(self, number: int, checkpoint: Path) -> Decision:
        queries = at_present(self.pattern.queries, self.model, checkpoint, number)
        found = _estimated(queries, self.folder / ".cache", self.reporter)
        if isinstance(found, Decision):
            return found
        return decide(attrs.evolve(self.pattern, queries=queries), found, self.trust)

    def _without(self, step: int, run: Run) -> dict[str, float]:
        """Return what will be seen at the end of the round without the weights."""
        if not self._gauges(run):
            return {}
        stop = min(step + self.settings.period, run.settings.steps)
        return branched(run, step, stop, self.even, lambda: self._seen(run))

    def _seen(self, run: Run) -> dict[str, float]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return read_all(self._gauges(run), run.trained, run.device)

    def _gauges(self, run: Run) -> tuple[Gauge, ...]:
        """Return those steered observables that can be read off the network."""
        wanted = frozenset(steered(self.pattern))
        return tuple(gauge for gauge, _ in run.gauges if gauge.name in wanted)

    def _close(self, done: Open, step: int, run: Run, tell: Tell) -> None:
        now = self._seen(run)
        realised = {name: now[name] - done.base[name] for name in done.base}
        ratio = held(done.predicted, realised, done.sd)
        reach = max((abs(p) / done.sd[name] for name, p in done.predicted.items()), default=0.0)
        self.trust = adapted(self.trust, self.settings.trust, reach, ratio)
        self.open = None
        outcome = {"realised": realised, "ratio": ratio, "next_trust": self.trust}
        tell({**done.event, "step": step, **outcome})

    def state(self) -> Any:
        """Return which weights hold, and what the end of the round needs."""
        return {
            "trust": self.trust,
            "held": self.held,
            "open": None if self.open is None else attrs.asdict(self.open),
        }

    def restore(self, state: Any) -> None:
        """Go on from a state; raises RoundLost where the weights of its round are not there."""
        self.trust = state["trust"]
        self.open = None if state["open"] is None else Open(**state["open"])
        self.held, self._factors = None, self.even
        if state["held"] is not None:
            number, known = state["held"]
            path = self.folder / f"{number:04d}" / WEIGHTS
            self.held = number, known
            self._factors = self.spread(_read(path, known)).steered


def _estimated(queries: Queries, cache: Path, reporter: Reporter) -> Any:
    """Return an estimate, or the decision to keep the weights where it cannot be trusted."""
    try:
        found = estimate(queries, cache, reporter=_Aside(reporter))
    except PatternError as error:
        if error.exit_status != _UNSOUND:
            raise
        return Decision("unsound", reason=error.diagnostics[0].message)
    wrong = [item for item in soundness(queries, found) if item.is_error]
    return Decision("unsound", reason=wrong[0].message) if wrong else found


def _read(path: Path, known: str) -> Array:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PatternError([RoundLost(path=str(path), reason="is missing")]) from error
    if digest(content) != known:
        raise PatternError([RoundLost(path=str(path), reason="has changed")])
    weights: Array = load(content)["weights"].numpy()
    return weights


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise PatternError([CannotWrite(path=str(path), reason=reason, kept=False)]) from error


class _Aside:
    """Says what the estimator says, without a bar within the bar of the run."""

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter

    def message(self, text: str) -> None:
        """Show one line."""
        self.reporter.message(text)

    @contextmanager
    def progress(self, total: int, description: str) -> Iterator[Progress]:
        """Show no count."""
        with SilentReporter().progress(total, description) as progress:
            yield progress
