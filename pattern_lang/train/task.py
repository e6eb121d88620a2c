"""What a run is asked to do, put together from a spec and weights. Nothing is loaded yet."""

from typing import Any

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from pattern_lang.diagnostics import PatternError
from pattern_lang.diagnostics.catalogue.training import WhichModel
from pattern_lang.estimate.needs import posterior_models
from pattern_lang.ir.observables import Observable, UserObservable
from pattern_lang.ir.program import ONLINE, Schedule, WeightPattern
from pattern_lang.ir.queries import PosteriorQuery, Queries
from pattern_lang.ir.sources import ModelSource
from pattern_lang.ir.training import Measure, Optimizer
from pattern_lang.train.measures import retargeted, same_network
from pattern_lang.train.present import about

ONCE = Schedule("once")


@frozen(eq=False)
class Task:
    """One run.

    name: what it is called, such as its arm. pattern: whose data it is trained on. weights: float32
    (n,) by unit, None for w = 1; a schedule `online` finds its own. data_digest: that of the
    data that the weights are for, empty where it is not known.
    """

    name: str
    pattern: WeightPattern
    model: ModelSource
    optimizer: Optimizer
    seed: int
    weights: NDArray[np.float32] | None = None
    schedule: Schedule = ONCE
    measures: tuple[Measure, ...] = ()
    data_digest: str = ""

    @property
    def observables(self) -> tuple[Observable, ...]:
        """Return everything that is measured, about the network under training, each once."""
        found: dict[str, Observable] = {}
        for measure in self.measures:
            for item in measure.observables:
                found.setdefault(item.name, retargeted(item, self.optimizer, self.model))
        return tuple(found.values())

    def every(self, name: str) -> int | None:
        """Return every how many steps something is measured, None for start and end alone."""
        periods = [
            measure.every
            for measure in self.measures
            if any(item.name == name for item in measure.observables)
        ]
        return min((period for period in periods if period is not None), default=None)

    def inputs(self) -> Queries:
        """Return what to load: the re-weighted data, the network, and what measures look at.

        A run that is steered `online` needs all that its pattern looks at. Functions that have no
        data of their own are not among it.
        """
        on_data = tuple(
            evolve(item, terms=terms)
            for item in self.observables
            if (terms := tuple((c, p) for c, p in item.terms if not _of_module(p)))
        )
        if self.schedule.kind == ONLINE:
            # What it will be asked about on its way: data, components, functions.
            on_data += about(self.pattern.queries, self.model).observables
        posteriors = (PosteriorQuery(self.model, None, ()),)
        return evolve(self.pattern.queries, observables=on_data, posteriors=posteriors)


def _of_module(primitive: Any) -> bool:
    """Tell whether something is a function of the module alone."""
    return isinstance(primitive, UserObservable) and (
        primitive.on is None or primitive.model is None
    )


def network_to_train(pattern: WeightPattern, optimizer: Optimizer) -> ModelSource:
    """Return the network of a pattern, or the one that the optimizer names.

    Raises WhichModel for a pattern about several networks. Checkpoints of one network are one: the
    first is taken.
    """
    if optimizer.network is not None:
        return optimizer.network
    models = posterior_models(pattern.queries)
    if all(same_network(models[0], other) for other in models[1:]):
        return models[0]
    names = [f"`{model.name}`" for model in models]
    problem = WhichModel(
        span=optimizer.origin,
        pattern=pattern.name,
        models=" and ".join([", ".join(names[:-1]), names[-1]]),
        optimizer=optimizer.kind,
        first=models[0].name,
    )
    raise PatternError([problem])
