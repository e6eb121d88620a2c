"""What the core functions evaluate to: one small function for each, in one table."""

from collections.abc import Callable
from typing import Protocol

from attrs import evolve, frozen

from pattern_lang.diagnostics import Span
from pattern_lang.diagnostics.catalogue.types import ValueOutOfRange
from pattern_lang.diagnostics.suggest import closest
from pattern_lang.ir import observables as ob
from pattern_lang.ir.sources import (
    Argument,
    Component,
    DataSource,
    FileRef,
    FunctionRef,
    ModelSource,
    ParameterGlob,
    Predicate,
    RowExpression,
)
from pattern_lang.lowering import settings
from pattern_lang.lowering.atoms import WEIGHT_ATOMS
from pattern_lang.lowering.optimizers import optimizer
from pattern_lang.lowering.values import (
    Environment,
    Family,
    LoweringError,
    Num,
    Recipe,
    Value,
)
from pattern_lang.semantics.calls import Callee, unit_argument
from pattern_lang.semantics.core import ARMS, SETTINGS
from pattern_lang.semantics.signatures import Bound
from pattern_lang.semantics.types import DATA, OPTIMIZER, SAMPLER, TARGET, UNIT, Type
from pattern_lang.semantics.units import UNIT_NAMES, Unit
from pattern_lang.syntax import ast
from pattern_lang.syntax.bundle import Bundle, places

_POSTERIORS = ("two-chain", "component")


class Evaluate(Protocol):
    """What the functions here need of the evaluator."""

    bundle: Bundle

    def __call__(self, node: ast.Expression, env: Environment, wanted: Type | None = None) -> Value:
        """Evaluate an expression."""
        ...

    def members(self, family: Family) -> tuple[ob.Observable, ...]:
        """Return the members of a family."""
        ...


@frozen(eq=False)
class Invocation:
    """One call of a core function, with its arguments evaluated."""

    name: str
    values: dict[str, Value]
    extra: dict[str, Value]
    written: dict[str, ast.Expression]
    span: Span
    folder: str
    evaluate: Evaluate

    def file(self, name: str) -> FileRef:
        """Return an argument as a file, with the places to look for it."""
        text = self.values[name]
        assert isinstance(text, str)
        tried = places(self.folder, text, self.evaluate.bundle)
        return FileRef(text, tried, self.written[name].span)

    def function(self, name: str) -> FunctionRef:
        """Return an argument as a function in a file."""
        text = self.values[name]
        assert isinstance(text, str)
        path, _, function = text.rpartition(":")
        tried = places(self.folder, path, self.evaluate.bundle)
        return FunctionRef(FileRef(path, tried, self.written[name].span), function)

    def optional_file(self, name: str) -> FileRef | None:
        """Return an argument as a file, or None where it is not given."""
        return self.file(name) if name in self.values else None

    def arguments(self, *names: str) -> tuple[tuple[str, Argument], ...]:
        """Return the extra arguments, and these of the known ones, as plain values."""
        known = {name: self.values[name] for name in names if name in self.values}
        merged = known | self.extra
        return tuple((name, settings.argument(value)) for name, value in sorted(merged.items()))

    def model(self, name: str = "m") -> ModelSource:
        """Return an argument as a model."""
        value = self.values[name]
        assert isinstance(value, ModelSource)
        return value

    def data(self, name: str = "on") -> DataSource:
        """Return an argument as data."""
        value = self.values[name]
        assert isinstance(value, DataSource)
        return value

    def observable(self, unit: Unit, primitive: ob.Primitive) -> ob.Observable:
        """Return an observable of one term, called as it is written."""
        return ob.Observable(
            " ".join(self.span.text.split()), unit, ((1.0, primitive),), 0.0, self.span
        )


def call_builtin(
    evaluate: Evaluate,
    callee: Callee,
    bound: Bound,
    node: ast.Call,
    env: Environment,
    wanted: Type | None,
) -> Value:
    """Return the value of a call of a core function."""
    signature = callee.signature
    kinds = {formal.name: formal.types for formal in signature.formals}
    values: dict[str, Value] = {}
    for name, expression in bound.arguments.items():
        if UNIT in kinds[name]:
            values[name] = unit_argument(expression) or ""
        else:
            values[name] = evaluate(expression, env, kinds[name][0])
    extra = {name: evaluate(expression, env) for name, expression in bound.extra.items()}
    if callee.base is not None:
        values["m"] = evaluate(callee.base, env)
    folder = env.scope.module.folder
    invocation = Invocation(
        signature.name, values, extra, bound.arguments, node.span, folder, evaluate
    )
    if signature.result == OPTIMIZER:
        return _optimizer(invocation)
    if signature.name == "python":
        return _python(invocation, signature.result == DATA)
    if signature.result == TARGET:
        return _target(invocation)
    return CORE[signature.name](invocation)


def _torch(call: Invocation) -> Value:
    loss = call.function("loss") if "loss" in call.values else None
    return ModelSource(
        name=call.span.text,
        kind="torch",
        builder=call.function("builder"),
        weights=call.optional_file("weights"),
        loss=loss,
        arguments=call.arguments(),
        origin=call.span,
    )


def _hf(call: Invocation) -> Value:
    loss = call.function("loss") if "loss" in call.values else None
    directory = call.file("directory")
    return ModelSource(call.span.text, "hf", directory=directory, loss=loss, origin=call.span)


def _at(call: Invocation) -> Value:
    return evolve(call.model(), weights=call.file("weights"), origin=call.span)


def _data_file(call: Invocation) -> Value:
    files = ("file", "tokenizer")
    arguments = call.arguments(*(name for name in call.values if name not in files))
    return DataSource(
        call.span.text,
        call.name,
        file=call.file("file"),
        arguments=arguments,
        origin=call.span,
        tokenizer=call.optional_file("tokenizer"),
    )


def _python(call: Invocation, is_data: bool) -> Value:
    function = call.function("function")
    if is_data:
        return DataSource(
            call.span.text,
            "python",
            function=function,
            arguments=call.arguments(),
            origin=call.span,
        )
    unit = UNIT_NAMES.get(str(call.values.get("unit", "1")), Unit.ONE)
    model = call.model() if "m" in call.values else None
    data = call.data() if "on" in call.values else None
    user = ob.UserObservable(function, model, data, call.arguments())
    made = call.observable(unit.canonical, user)
    # What a function returns in bits is in nats from here on.
    return evolve(made, terms=((unit.factor, user),))


def _loss(call: Invocation) -> Value:
    return call.observable(Unit.NATS, ob.Loss(call.model(), call.data()))


def _llc(call: Invocation) -> Value:
    held = call.values.get("held", False) is True
    return call.observable(Unit.ONE, ob.LearningCoefficient(call.model(), call.data(), held))


def _free_energy(call: Invocation) -> Value:
    return call.observable(Unit.NATS, ob.FreeEnergy(call.model(), call.data()))


def _restrict(call: Invocation) -> Value:
    observable, component = call.values["o"], call.values["to"]
    assert isinstance(observable, ob.Observable)
    assert isinstance(component, Component)
    posterior = str(call.values.get("posterior", _POSTERIORS[0]))
    if posterior not in _POSTERIORS:
        raise LoweringError(
            ValueOutOfRange(
                span=call.written["posterior"].span,
                name="`posterior`",
                condition=" or ".join(f'"{name}"' for name in _POSTERIORS),
                value="neither of the two",
                advice=closest(posterior, _POSTERIORS, "leave it out for the published one"),
            )
        )
    terms = tuple((c, ob.Restricted(p, component, posterior)) for c, p in observable.terms)
    name = " ".join(call.span.text.split())
    return evolve(observable, name=name, terms=terms, origin=call.span)


def _pc(call: Invocation) -> Value:
    family, k = call.values["family"], call.values["k"]
    assert isinstance(family, Family)
    assert isinstance(k, Num)
    toward = call.data("toward") if "toward" in call.values else None
    members = call.evaluate.members(family)
    if not 1 <= k.value <= len(members):
        raise LoweringError(
            ValueOutOfRange(
                span=call.written["k"].span,
                name="`k`",
                condition=f"between 1 and {len(members)}, the number of members of `{family.name}`",
                value=f"this is {k.real:g}",
                advice="the first principal direction is `pc(FAMILY, 1)`",
            )
        )
    return call.observable(Unit.SD, ob.PrincipalDirection(members, int(k.value), toward))


def _component(call: Invocation) -> Value:
    return ParameterGlob(call.model(), str(call.values["glob"]), call.span)


def _sampler(call: Invocation) -> Value:
    return settings.sampler(call.name, call.values, call.written, call.span)


def _schedule(call: Invocation) -> Value:
    return settings.schedule(call.name, call.values, call.written)


def _target(call: Invocation) -> Value:
    return settings.target(call.name, call.values, call.extra, call.written["path"].span, call.span)


def _optimizer(call: Invocation) -> Value:
    function = call.function("function") if "function" in call.values else None
    return optimizer(call.name, call.values, call.extra, call.written, function, call.span)


def _arm(call: Invocation) -> Value:
    of = call.values.get("arm", call.values.get("like"))
    row = call.values.get("row", call.values.get("among"))
    assert row is None or isinstance(row, RowExpression | Predicate)
    doses = call.values.get("dose", ())
    assert isinstance(doses, tuple)
    return Recipe(call.name, of, row, tuple(d.real for d in doses if isinstance(d, Num)))


def _reliable(call: Invocation) -> Value:
    return settings.reliable(call.values, call.written, call.span)


def _table() -> dict[str, Callable[[Invocation], Value]]:
    samplers = {s.name for s in SETTINGS if s.result == SAMPLER}
    return {
        "torch": _torch,
        "hf": _hf,
        "at": _at,
        **dict.fromkeys(("jsonl", "parquet", "hf_dataset", "tokens"), _data_file),
        "loss": _loss,
        "llc": _llc,
        "free_energy": _free_energy,
        "restrict": _restrict,
        "pc": _pc,
        "component": _component,
        "reliable": _reliable,
        **{name: _atom(name) for name in WEIGHT_ATOMS},
        **{s.name: _sampler if s.name in samplers else _schedule for s in SETTINGS},
        **{s.name: _arm for s in ARMS},
    }


def _atom(name: str) -> Callable[[Invocation], Value]:
    return lambda call: WEIGHT_ATOMS[name](call.values, call.written, call.span)


CORE = _table()
