"""Measuring a network under training: losses on data, and the user's own functions of it."""

from collections.abc import Mapping

import torch
from attrs import evolve, frozen
from torch import Tensor

from pattern_lang.diagnostics import PatternError, Span
from pattern_lang.diagnostics.catalogue.training import NotMeasurable, WrongMeasure
from pattern_lang.estimate.entries import chosen
from pattern_lang.estimate.evaluate import block_length, chunk_rows, to_tensor, to_tensors
from pattern_lang.estimate.inputs import Inputs
from pattern_lang.estimate.models import LoadedModel
from pattern_lang.estimate.probes import WHERE
from pattern_lang.estimate.user_code import UserCode, UserFunction
from pattern_lang.ir.observables import Loss, Observable, UserObservable
from pattern_lang.ir.sources import Arguments, DataSource, ModelSource
from pattern_lang.ir.training import Optimizer
from pattern_lang.train.networks import Trained


@frozen(eq=False)
class MeanLoss:
    """The mean loss over the entries of a data set."""

    columns: Mapping[str, Tensor]
    chunk: int
    present: Tensor | None

    def value(self, trained: Trained, device: torch.device) -> float:
        """Return the mean, in nats."""
        total, count = 0.0, 0
        for start in range(0, block_length(self.columns), self.chunk):
            piece = slice(start, start + self.chunk)
            batch = {name: tensor[piece].to(device) for name, tensor in self.columns.items()}
            losses = trained.unit_loss(batch)
            if self.present is not None:
                losses = losses[self.present[piece].to(device)]
            total += float(losses.sum(dtype=torch.float64))
            count += losses.numel()
        return total / count


@frozen(eq=False)
class OwnFunction:
    """A function of the user's: of the module, and of all rows of a data set where it has one."""

    function: UserFunction
    arguments: Arguments
    batch: Mapping[str, Tensor] | None
    span: Span | None
    code: UserCode

    def value(self, trained: Trained, device: torch.device) -> float:
        """Return the number, or the mean of one number a row.

        Raises UserCodeFailed, and WrongMeasure when it is no number.
        """
        function, given = self.function, dict(self.arguments)
        rows = () if self.batch is None else ({n: t.to(device) for n, t in self.batch.items()},)
        action = f"measuring by `{function.name}`"
        with self.code.guarded(action, function.file, function.root, self.span):
            found = function.call(trained.module, *rows, **given)
        if isinstance(found, Tensor) and not found.is_complex() and found.ndim <= 1:
            return float(found.to(torch.float64).mean())
        if isinstance(found, int | float):
            return float(found)
        kind = f"a {type(found).__name__}" if found is not None else "nothing"
        raise PatternError([WrongMeasure(span=self.span, function=function.name, found=kind)])


@frozen(eq=False)
class Gauge:
    """One observable as it is read off the network under training: `Σ c · part + constant`."""

    name: str
    parts: tuple[tuple[float, MeanLoss | OwnFunction], ...]
    constant: float

    def value(self, trained: Trained, device: torch.device) -> float:
        """Return the value at the present parameters, in the observable's canonical unit."""
        return self.constant + sum(c * part.value(trained, device) for c, part in self.parts)


def read_all(gauges: tuple[Gauge, ...], trained: Trained, device: torch.device) -> dict[str, float]:
    """Return the value of each gauge by name: without dropout, and without gradients."""
    module, training = trained.module, trained.module.training
    module.eval()
    try:
        with torch.no_grad():
            return {gauge.name: gauge.value(trained, device) for gauge in gauges}
    finally:
        module.train(training)


def retargeted(observable: Observable, settings: Optimizer, model: ModelSource) -> Observable:
    """Return an observable of the trained network in place of the same network at a checkpoint.

    Raises NotMeasurable for one of another network, or one that is no function of the parameters
    alone: it would have to be sampled.
    """
    terms = []
    for coefficient, primitive in observable.terms:
        if not isinstance(primitive, Loss | UserObservable):
            reason = "it is an average over a posterior, and a run has only its parameters"
            raise PatternError([_not_measurable(observable, reason, settings)])
        if primitive.model is not None and not same_network(primitive.model, model):
            reason = f"it is of `{primitive.model.name}`, and `{model.name}` is trained"
            raise PatternError([_not_measurable(observable, reason, settings)])
        own = primitive if primitive.model is None else evolve(primitive, model=model)
        terms.append((coefficient, own))
    return evolve(observable, terms=tuple(terms))


def _not_measurable(observable: Observable, reason: str, settings: Optimizer) -> NotMeasurable:
    span = observable.origin or settings.origin
    return NotMeasurable(span=span, observable=observable.name, reason=reason)


def same_network(one: ModelSource, other: ModelSource) -> bool:
    """Tell whether two models are one network, maybe at two checkpoints."""
    return evolve(one, weights=None) == evolve(other, weights=None)


def gauges_of(
    observables: tuple[Observable, ...], inputs: Inputs, model: LoadedModel, code: UserCode
) -> tuple[Gauge, ...]:
    """Make observables ready to be read, in order; their data are among the inputs."""
    found = []
    for observable in observables:
        parts = tuple((c, _part(p, observable, inputs, model, code)) for c, p in observable.terms)
        found.append(Gauge(observable.name, parts, observable.constant))
    return tuple(found)


def _part(
    primitive: object, observable: Observable, inputs: Inputs, model: LoadedModel, code: UserCode
) -> MeanLoss | OwnFunction:
    if isinstance(primitive, Loss):
        columns = _columns(primitive.on, inputs, model)
        entries = inputs.entries[model.source][primitive.on.base]
        own = chosen(entries, inputs.kept[primitive.on])
        model.network.reset()
        present = None if own is None else to_tensor(own)
        return MeanLoss(columns, chunk_rows(model.network, columns), present)
    assert isinstance(primitive, UserObservable)
    span = observable.origin
    function = inputs.functions.get(primitive) or code.function(primitive.function, span)
    batch = None
    if primitive.on is not None:
        batch = _columns(primitive.on, inputs, model)
        positions = inputs.kept[primitive.on].positions
        batch |= {} if positions is None else {WHERE: to_tensor(positions)}
    return OwnFunction(function, primitive.arguments, batch, span, code)


def _columns(data: DataSource, inputs: Inputs, model: LoadedModel) -> dict[str, Tensor]:
    rows = inputs.kept[data].rows
    numbers = inputs.tables[data.base].numbers
    return to_tensors({n: c[rows] for n, c in numbers.items()}, model.network.dtype)
