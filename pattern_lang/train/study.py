"""A study put together: which arms, on what weights, which runs, and where each of them lives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import evolve, frozen

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.training import IncompleteStudy, NoOptimizer, OtherUnits
from pattern_lang.emit.read import read_susceptibility
from pattern_lang.ir.findings import Divergence
from pattern_lang.ir.program import ONLINE
from pattern_lang.ir.training import Arm, Base, Steered, Study
from pattern_lang.train.arms import arm_weights
from pattern_lang.train.goals import with_goals
from pattern_lang.train.keeping import read_events, read_run
from pattern_lang.train.plans import is_sound
from pattern_lang.train.service import Loaded, Means, end_run, load
from pattern_lang.train.task import ONCE, Task, network_to_train
from pattern_lang.train.verdicts import Expected

if TYPE_CHECKING:
    from pattern_lang.ir.program import WeightPattern
    from pattern_lang.ir.training import Optimizer
    from pattern_lang.train.arms import Weights
    from pattern_lang.train.plans import Plan

BASE = Arm("base", Base())


@frozen(eq=False)
class Design:
    """A study whose patterns are solved.

    arms: those of the study, the base arm first. plans: by pattern. folder: of the study.
    """

    study: Study
    arms: tuple[Arm, ...]
    base: str
    optimizer: Optimizer
    plans: Mapping[str, Plan]
    folder: Path

    @property
    def runs(self) -> tuple[tuple[Arm, int], ...]:
        """Return every run: seed by seed, so that an interrupted study has whole comparisons."""
        return tuple((arm, seed) for seed in self.study.seeds for arm in self.arms)

    def place(self, arm: Arm, seed: int) -> Path:
        """Return the folder of a run."""
        return self.folder / "runs" / slug(arm.name, self.arms) / f"seed-{seed}"


def slug(name: str, arms: tuple[Arm, ...]) -> str:
    """Return an arm's name as that of a folder: its place among the arms keeps it apart."""
    place = next(number for number, arm in enumerate(arms) if arm.name == name)
    words = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")[:60]
    return f"{place:02d}-{words}"


def patterns_of(study: Study) -> dict[str, WeightPattern]:
    """Return the patterns of a study's arms by name.

    Raises IncompleteStudy when there are none, and OtherUnits when they re-weight different data.
    """
    found = {p.name: p for arm in study.arms if (p := arm.pattern) is not None}
    if not found:
        lack = "no arms" if not study.arms else "no arm with weights"
        raise PatternError([IncompleteStudy(span=study.origin, name=study.name, lack=lack)])
    first, *others = found.values()
    one = first.queries.reweight
    for pattern in others:
        other = pattern.queries.reweight
        if (one.data, one.unit, one.group_field) != (other.data, other.unit, other.group_field):
            problem = OtherUnits(
                span=study.origin,
                first=first.name,
                one=f"`{one.data.name}` per {one.unit}",
                second=pattern.name,
                other=f"`{other.data.name}` per {other.unit}",
            )
            raise PatternError([problem])
    return found


def optimizer_of(study: Study, given: Optimizer | None) -> Optimizer:
    """Return how a study trains; raises NoOptimizer."""
    found = given or study.optimizer
    if found is None:
        advice = f"add `using adamw(…)` to study `{study.name}`"
        raise PatternError([NoOptimizer(span=study.origin, name=study.name, advice=advice)])
    return found


def design(study: Study, optimizer: Optimizer, plans: Mapping[str, Plan], folder: Path) -> Design:
    """Put a study together; without a base arm it gets one, to compare with."""
    own = next((arm for arm in study.arms if isinstance(arm.kind, Base)), None)
    others = tuple(arm for arm in study.arms if arm is not own)
    base = own or BASE
    return Design(study, (base, *others), base.name, optimizer, plans, folder)


class Workshop:
    """Runs of a design, one after the other; what they share is loaded once."""

    def __init__(self, plan: Design, means: Means) -> None:
        self.plan, self.means = plan, means
        self.pattern = next(iter(patterns_of(plan.study).values()))
        self.model = network_to_train(self.pattern, plan.optimizer)
        measures = plan.study.measures
        for pattern in patterns_of(plan.study).values():
            measures = with_goals(measures, pattern, plan.optimizer, self.model)
        self.blank = Task(
            name="",
            pattern=self.pattern,
            model=self.model,
            optimizer=plan.optimizer,
            seed=0,
            measures=measures,
            data_digest=plan.plans[self.pattern.name].data_digest,
        )
        self._loaded: Loaded | None = None

    @property
    def loaded(self) -> Loaded:
        """Return what all runs share."""
        if self._loaded is None:
            self._loaded = load(self.blank)
        return self._loaded

    def weights(self, arm: Arm, seed: int) -> Weights | None:
        """Return the weights of a run."""
        solved = {name: plan.solved for name, plan in self.plan.plans.items()}
        return arm_weights(arm, seed, solved, self.loaded.inputs, self.model)

    def run(self, arm: Arm, seed: int) -> dict[str, Any]:
        """Train one run, maybe until it diverges; raises as `end_run` does."""
        steered = isinstance(arm.kind, Steered)
        task = evolve(
            self.blank,
            name=arm.name,
            pattern=arm.pattern or self.pattern,
            seed=seed,
            weights=self.weights(arm, seed),
            schedule=arm.pattern.schedule if steered and arm.pattern else ONCE,
        )
        # Rounds ask more of the inputs than measures do.
        shared = None if task.schedule.kind == ONLINE else self.loaded
        return end_run(task, self.plan.place(arm, seed), self.means, shared)

    def expected(self) -> dict[str, Expected]:
        """Return by pattern what χ predicts for each arm, averaged over its seeds' weights."""
        found = {}
        for name, plan in self.plan.plans.items():
            chi = read_susceptibility(plan.folder)
            beta = chi.nbeta / chi.chi.shape[1]
            shifts: dict[str, dict[str, float]] = {}
            for arm in self.plan.arms:
                if arm.pattern is None or arm.pattern.name != name:
                    continue
                mean = np.mean([self._change(arm, seed) for seed in self.plan.study.seeds], axis=0)
                moved = beta * (chi.chi.astype(np.float64) @ mean)
                shifts[arm.name] = dict(zip(chi.observables, moved.tolist(), strict=True))
            found[name] = Expected(plan.document["goals"], shifts, is_sound(plan))
        return found

    def _change(self, arm: Arm, seed: int) -> Any:
        weights = self.weights(arm, seed)
        assert weights is not None  # it has a pattern
        return weights.astype(np.float64) - 1.0


def finals(plan: Design) -> dict[str, dict[int, dict[str, float]]]:
    """Return the measures at the end of each finished run: by arm, seed and name."""
    found: dict[str, dict[int, dict[str, float]]] = {}
    for arm, seed in plan.runs:
        run = read_run(plan.place(arm, seed))
        if run is not None and "diverged" not in run:
            own = {name: value for name, value in run["measures"].items() if value is not None}
            found.setdefault(arm.name, {})[seed] = own
    return found


def trajectories(plan: Design) -> list[tuple[str, int, int, str, float]]:
    """Return everything that was measured: arm, seed, step, measure, value."""
    return [
        (arm.name, seed, int(event["step"]), name, float(value))
        for arm, seed in plan.runs
        for event in read_events(plan.place(arm, seed))
        for name, value in event.get("measures", {}).items()
        if value is not None
    ]


def diverged(plan: Design) -> tuple[Divergence, ...]:
    """Return the runs that diverged, arm by arm."""
    found = []
    for arm in plan.arms:
        for seed in plan.study.seeds:
            how = (read_run(plan.place(arm, seed)) or {}).get("diverged")
            if how:
                found.append(Divergence(arm.name, seed, how["step"], how["value"]))
    return tuple(found)
