"""`pat train`: a plan trained with its weights, and beside it without, for one seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.training import NoOptimizer
from pattern_lang.ir.program import ONLINE
from pattern_lang.ir.training import pattern_of
from pattern_lang.train.goals import Outcome, outcomes, with_goals
from pattern_lang.train.present import check_present
from pattern_lang.train.service import Means, train_run
from pattern_lang.train.task import ONCE, Task, network_to_train

if TYPE_CHECKING:
    from pattern_lang.ir.program import WeightPattern
    from pattern_lang.ir.training import Optimizer, Study
    from pattern_lang.lowering.lower import LoweredSpec
    from pattern_lang.train.plans import Plan


@frozen(eq=False)
class TrainedPlan:
    """A plan after training. `base` and `outcomes` are there where it was trained without too."""

    folder: Path
    run: dict[str, Any]
    base: dict[str, Any] | None
    outcomes: tuple[Outcome, ...]


def recipe(
    spec: LoweredSpec, pattern: WeightPattern, study: str | None
) -> tuple[Optimizer, Study | None]:
    """Return how to train a pattern, and the study that says so.

    That is what was given from outside, or else the study of that name, or the only study with the
    pattern among its arms. Raises NoOptimizer.
    """
    named = [item for name, item in spec.studies.items() if study in (None, name)]
    about = [s for s in named if study or any(_is_of(arm.kind, pattern) for arm in s.arms)]
    chosen = about[0] if len(about) == 1 else None
    if spec.optimizer is not None:
        return spec.optimizer, chosen
    if chosen is not None and chosen.optimizer is not None:
        return chosen.optimizer, chosen
    raise PatternError([_no_optimizer(spec, pattern, study, about)])


def _is_of(kind: Any, pattern: WeightPattern) -> bool:
    found = pattern_of(kind)
    return found is not None and found.name == pattern.name


def _no_optimizer(
    spec: LoweredSpec, pattern: WeightPattern, study: str | None, about: list[Study]
) -> NoOptimizer:
    advice = "say how: `--using 'adamw(lr: 1e-3, steps: 1000, batch: 32)'`"
    if study is not None and study not in spec.studies:
        known = ", ".join(spec.studies) or "none"
        advice = f"there is no study `{study}`; it has {known}"
    elif len(about) > 1:
        advice = f"name one of its studies: `--study {about[0].name}`"
    elif about:
        advice = f"add `using adamw(…)` to study `{about[0].name}`"
    span = about[0].origin if about else pattern.origin
    return NoOptimizer(span=span, name=pattern.name, advice=advice)


def train_plan(
    plan: Plan,
    spec: LoweredSpec,
    out: Path,
    means: Means,
    *,
    study: str | None = None,
    seed: int = 0,
    compare: bool = False,
) -> TrainedPlan:
    """Train the weights of a plan into `out / seed-N`, and with `compare` w = 1 beside it.

    What the goals are about is measured at start and end, where it can be read off a network.
    Raises PatternError, see `train_run`, and OtherNetworks.
    """
    pattern = spec.patterns[plan.pattern]
    optimizer, chosen = recipe(spec, pattern, study)
    model = network_to_train(pattern, optimizer)
    if pattern.schedule.kind == ONLINE:
        check_present(pattern, model)
    measures = with_goals(chosen.measures if chosen else (), pattern, optimizer, model)
    task = Task(
        name=pattern.name,
        pattern=pattern,
        model=model,
        optimizer=optimizer,
        seed=seed,
        weights=plan.weights,
        schedule=pattern.schedule,
        measures=measures,
        data_digest=plan.data_digest,
    )
    folder = out / f"seed-{seed}"
    base: dict[str, Any] | None = None
    found: tuple[Outcome, ...] = ()
    if compare:
        even = evolve(task, name="base", weights=None, schedule=ONCE)
        base = train_run(even, out / f"base-seed-{seed}", means)
    run = train_run(task, folder, means)
    if base is not None:
        found = outcomes(plan.document["goals"], run["measures"], base["measures"])
    return TrainedPlan(folder, run, base, found)
