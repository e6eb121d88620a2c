"""What this version can estimate, told from the queries alone, before anything is loaded."""

from collections.abc import Iterator
from math import isfinite

from pattern_lang.diagnostics import Problem
from pattern_lang.diagnostics.catalogue.components import (
    IncompleteObservable,
    NestedObservable,
)
from pattern_lang.diagnostics.catalogue.estimates import (
    FreeEnergyElsewhere,
    NoClosedForm,
    NoDerivative,
    NotAvailable,
    WrongSetting,
)
from pattern_lang.diagnostics.catalogue.tokens import WrongTokenOption
from pattern_lang.estimate.needs import data_sets
from pattern_lang.estimate.token_rows import DTYPES
from pattern_lang.ir.observables import (
    FreeEnergy,
    LearningCoefficient,
    Observable,
    PrincipalDirection,
    Restricted,
    UserObservable,
)
from pattern_lang.ir.queries import Queries, Sampler
from pattern_lang.ir.sources import DataSource

SAMPLERS = ("sgld", "rmsprop_sgld", "hmc", "laplace", "importance")
_ADAPTED_IN = 20


def check_queries(queries: Queries) -> list[Problem]:
    """Return every use of something that this version cannot estimate, and every bad setting."""
    found: list[Problem] = []
    found += _check_sampler(queries.sampler)
    for observable in queries.observables:
        found += _check_observable(observable, queries.reweight.data)
        if queries.sampler.kind == "laplace":
            found += _check_closed_form(observable)
        if queries.sampler.is_pathwise:
            found += _check_pathwise(observable)
    for data in data_sets(queries):
        found += _check_data(data)
    return _once(found)


def _check_observable(observable: Observable, data: DataSource) -> Iterator[Problem]:
    for _, primitive in observable.terms:
        inner = primitive.primitive if isinstance(primitive, Restricted) else primitive
        match inner:
            case Restricted() | PrincipalDirection() if inner is not primitive:
                yield _nested(observable, inner)
            case PrincipalDirection(family=family):
                yield from _check_family(observable, family)
            case UserObservable(model=model, on=on) if model is None or on is None:
                yield IncompleteObservable(
                    span=observable.origin,
                    function=f"{inner.function.file.text}:{inner.function.function}",
                    missing="model" if model is None else "data",
                )
            case FreeEnergy(on=on) if on != data:
                yield FreeEnergyElsewhere(
                    span=observable.origin,
                    observable=observable.name,
                    data=on.name,
                    reweighted=data.name,
                )


def _nested(observable: Observable, inner: Restricted | PrincipalDirection) -> Problem:
    if isinstance(inner, Restricted):
        what = "an observable that is restricted to a component already is restricted again"
        advice = 'name both in one component: `component(m, "GLOB")`'
    else:
        what = "a principal direction is restricted, and its members have posteriors of their own"
        advice = "restrict the members of the family"
    return NestedObservable(span=observable.origin, what=what, advice=advice)


def _check_family(observable: Observable, family: tuple[Observable, ...]) -> Iterator[Problem]:
    for member in family:
        if any(isinstance(primitive, PrincipalDirection) for _, primitive in member.terms):
            yield NestedObservable(
                span=observable.origin,
                what="a member of the family is itself a principal direction",
                advice="take directions of a family of losses",
            )
            return


def _check_closed_form(observable: Observable) -> Iterator[Problem]:
    for _, primitive in observable.terms:
        inner = primitive.primitive if isinstance(primitive, Restricted) else primitive
        if isinstance(inner, LearningCoefficient | UserObservable):
            own = isinstance(inner, UserObservable)
            what = "the function of your own" if own else "the learning coefficient"
            yield NoClosedForm(span=observable.origin, what=what, observable=observable.name)


def _check_pathwise(observable: Observable) -> Iterator[Problem]:
    for _, primitive in observable.terms:
        inner = primitive.primitive if isinstance(primitive, Restricted) else primitive
        if isinstance(inner, UserObservable):
            yield NoDerivative(span=observable.origin, observable=observable.name)


def _check_data(data: DataSource) -> Iterator[Problem]:
    options = dict(data.arguments)
    if data.reader == "python":
        return
    context, dtype = options.get("context"), options.get("dtype")
    if isinstance(context, int) and context < 2:
        reason = "a row of fewer than two tokens predicts nothing"
        yield _token_option(data, "context", context, reason, "write 2 or more")
    if data.reader == "tokens" and context is None:
        reason = "a file of token numbers does not say how long its rows are"
        yield _token_option(data, "context", "", reason, "write the length, as `context: 1024`")
    if dtype is not None and dtype not in DTYPES:
        advice = f"it is one of {', '.join(DTYPES)}"
        yield _token_option(data, "dtype", dtype, "no such type of token numbers", advice)


def _token_option(
    data: DataSource, option: str, value: object, reason: str, advice: str
) -> Problem:
    return WrongTokenOption(
        span=data.origin, option=option, value=str(value), reason=reason, advice=advice
    )


def _check_sampler(sampler: Sampler) -> Iterator[Problem]:
    span = sampler.origin
    if sampler.kind not in SAMPLERS:
        yield _later(
            span,
            f"the sampler `{sampler.kind}`",
            "use `sgld`, `rmsprop_sgld`, `hmc`, `laplace` or `importance`",
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
    if sampler.kind == "importance" and (sampler.draws < 4 or sampler.draws % 2):
        yield _setting(sampler, "draws", sampler.draws, "pairs make an even number of 4 or more")
    elif sampler.draws < 4:
        yield _setting(sampler, "draws", sampler.draws, "a chain needs 4 draws or more")
    if sampler.kind == "sgld" and sampler.step * sampler.localization >= 4:
        limit = (
            f"step × localization is {sampler.step * sampler.localization:g}, unstable from 4 on"
        )
        advice = f"write `step: {round_down(1 / sampler.localization):g}` or less"
        yield WrongSetting(
            span=span, setting="step", value=f"{sampler.step:g}", rule=limit, advice=advice
        )
    if sampler.is_pathwise and not sampler.localization > 0:
        rule = "without localization nothing keeps pathwise derivatives from growing"
        advice = 'write a `localization` above 0, or leave out `estimator: "pathwise"`'
        yield WrongSetting(span=span, setting="localization", value="0", rule=rule, advice=advice)
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
