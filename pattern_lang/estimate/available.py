"""What this version can estimate, told from the queries alone, before anything is loaded."""

from collections.abc import Iterator
from math import isfinite

from pattern_lang.diagnostics import Problem
from pattern_lang.diagnostics.catalogue.estimates import (
    FreeEnergyElsewhere,
    NoClosedForm,
    NotAvailable,
    WrongSetting,
)
from pattern_lang.estimate.needs import data_sets
from pattern_lang.ir.observables import (
    FreeEnergy,
    LearningCoefficient,
    Observable,
    PrincipalDirection,
    Restricted,
    UserObservable,
)
from pattern_lang.ir.queries import Queries, Sampler
from pattern_lang.ir.sources import Both, DataSource, Either, LibraryPredicate, Not, Predicate

READERS = ("python", "jsonl", "parquet")
SAMPLERS = ("sgld", "rmsprop_sgld", "hmc", "laplace")
_ADAPTED_IN = 20
_LATER = {
    Restricted: ("a loss restricted to a component", "observe the whole loss"),
    UserObservable: ("an observable of your own", "observe the loss on rows that show the effect"),
    PrincipalDirection: ("a principal direction", "aim at the members of the family"),
}


def check_queries(queries: Queries) -> list[Problem]:
    """Return every use of something that this version cannot estimate, and every bad setting."""
    found: list[Problem] = []
    found += _check_reweight(queries)
    found += _check_sampler(queries.sampler)
    for observable in queries.observables:
        found += _check_observable(observable, queries.reweight.data)
        if queries.sampler.kind == "laplace":
            found += _check_closed_form(observable)
    for query in queries.posteriors:
        if query.component is not None:
            found.append(_later(query.model.origin, "a posterior over a component"))
        if query.model.kind != "torch":
            advice = 'build the network by a function: `torch("file.py:function")`'
            found.append(
                _later(query.model.origin, f"a model of kind `{query.model.kind}`", advice)
            )
    for data in data_sets(queries):
        found += _check_data(data)
    return _once(found)


def _check_reweight(queries: Queries) -> Iterator[Problem]:
    if queries.reweight.unit == "token":
        advice = "re-weight per sample, or per group of rows"
        yield _later(queries.reweight.origin, "a weight per token", advice)


def _check_observable(observable: Observable, data: DataSource) -> Iterator[Problem]:
    for _, primitive in observable.terms:
        if isinstance(primitive, Restricted | UserObservable | PrincipalDirection):
            what, advice = _LATER[type(primitive)]
            yield _later(observable.origin, what, advice)
        elif isinstance(primitive, FreeEnergy) and primitive.on != data:
            yield FreeEnergyElsewhere(
                span=observable.origin,
                observable=observable.name,
                data=primitive.on.name,
                reweighted=data.name,
            )


def _check_closed_form(observable: Observable) -> Iterator[Problem]:
    if any(isinstance(primitive, LearningCoefficient) for _, primitive in observable.terms):
        yield NoClosedForm(span=observable.origin, observable=observable.name)


def _check_data(data: DataSource) -> Iterator[Problem]:
    if data.reader not in READERS:
        advice = "read the rows by `jsonl`, `parquet` or a function of your own"
        yield _later(data.origin, f"data read by `{data.reader}`", advice)
    elif data.reader != "python":
        for option, _ in data.arguments:
            advice = "prepare the fields in the file, or read it by a function of your own"
            yield _later(data.origin, f"`{data.reader}` with the option `{option}`", advice)
    if any(_from_library(predicate) for predicate in data.where):
        advice = "write the predicate on a field of the rows"
        yield _later(data.origin, "a predicate of the standard library", advice)


def _from_library(predicate: Predicate) -> bool:
    match predicate:
        case LibraryPredicate():
            return True
        case Both(left, right) | Either(left, right):
            return _from_library(left) or _from_library(right)
        case Not(operand):
            return _from_library(operand)
    return False


def _check_sampler(sampler: Sampler) -> Iterator[Problem]:
    span = sampler.origin
    if sampler.kind not in SAMPLERS:
        yield _later(
            span, f"the sampler `{sampler.kind}`", "use `sgld`, `rmsprop_sgld`, `hmc` or `laplace`"
        )
        return
    minibatches = sampler.kind in ("sgld", "rmsprop_sgld")
    positive = {"step": sampler.step} if minibatches else {}
    counts = {"chains": sampler.chains, "thin": sampler.thin}
    counts |= {"batch": sampler.batch} if minibatches else {}
    zero_or_more = {"nbeta": sampler.nbeta, "localization": sampler.localization}
    for name, value in {**positive, **counts}.items():
        if not (isfinite(value) and value > 0):
            yield _setting(sampler, name, value, "it has to be above 0")
    for name, value in {**zero_or_more, "burn_in": sampler.burn_in}.items():
        if not (isfinite(value) and value >= 0):
            yield _setting(sampler, name, value, "it has to be 0 or more")
    if sampler.kind == "hmc" and sampler.burn_in < _ADAPTED_IN:
        rule = f"the step is adapted in it, which takes {_ADAPTED_IN} trajectories or more"
        yield _setting(sampler, "burn_in", sampler.burn_in, rule)
    if sampler.draws < 4:
        yield _setting(sampler, "draws", sampler.draws, "a chain needs 4 draws or more")
    if sampler.kind == "sgld" and sampler.step * sampler.localization >= 4:
        limit = (
            f"step × localization is {sampler.step * sampler.localization:g}, unstable from 4 on"
        )
        advice = f"write `step: {round_down(1 / sampler.localization):g}` or less"
        yield WrongSetting(
            span=span, setting="step", value=f"{sampler.step:g}", rule=limit, advice=advice
        )
    if sampler.kind == "rmsprop_sgld":
        yield from _check_adaptive(sampler)


def _check_adaptive(sampler: Sampler) -> Iterator[Problem]:
    if not 0 <= sampler.decay < 1:
        yield _setting(sampler, "decay", sampler.decay, "it has to be in [0, 1)")
    if not sampler.stabilizer > 0:
        yield _setting(sampler, "stabilizer", sampler.stabilizer, "it has to be above 0")


def round_down(value: float) -> float:
    """Return a positive number rounded down to one significant digit."""
    near = float(f"{value:.0e}")
    if near <= value * (1 + 1e-12):
        return near
    digit, power = f"{value:.0e}".split("e")
    return float(f"{int(digit) - 1}e{power}") if digit != "1" else float(f"9e{int(power) - 1}")


def _setting(sampler: Sampler, name: str, value: float, rule: str) -> Problem:
    advice = f"change `{name}` in the `estimate` statement"
    return WrongSetting(
        span=sampler.origin, setting=name, value=f"{value:g}", rule=rule, advice=advice
    )


def _later(span: object, what: str, advice: str = "leave it out") -> Problem:
    return NotAvailable(span=span, what=what, advice=advice)  # type: ignore[arg-type]


def _once(problems: list[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))
