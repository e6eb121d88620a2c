"""Samplers, schedules, targets: settings with their defaults and the values that make sense."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import PureWindowsPath

from pattern_lang.diagnostics import Span
from pattern_lang.diagnostics.catalogue.types import PathLeavesFolder, ValueOutOfRange
from pattern_lang.diagnostics.suggest import closest
from pattern_lang.files import misplaced
from pattern_lang.ir.program import EmitTarget, Reliable, Schedule
from pattern_lang.ir.queries import COVARIANCE, PATHWISE, Sampler
from pattern_lang.ir.sources import Argument
from pattern_lang.lowering.values import LoweringError, Num, Value
from pattern_lang.syntax import ast

DEFAULT_CHAINS = 4
DEFAULT_DRAWS = 200
BURN_IN_SHARE = 4
"""Without `burn_in`, a quarter of the sampled steps is run before the first draw."""
ADAPTING = 100
"""For `hmc`, which adapts in burn-in, at least so many trajectories."""
CLOSED_FORM_DRAWS = 1600
"""`laplace` takes so many draws, in antithetic pairs, as a single chain."""

ESTIMATORS = (COVARIANCE, PATHWISE)
RESTS = ("soft", "dropped")
"""What becomes of directions that are not reliable."""

_Check = tuple[str, Callable[[float], bool]]
_POSITIVE: _Check = ("above zero", lambda x: x > 0)
_NOT_NEGATIVE: _Check = ("zero or more", lambda x: x >= 0)
_ONE_OR_MORE: _Check = ("1 or more", lambda x: x >= 1)
_TWO_OR_MORE: _Check = ("2 or more", lambda x: x >= 2)
_BELOW_ONE: _Check = ("at least zero and below 1", lambda x: 0 <= x < 1)
_SETTINGS: dict[str, _Check] = {
    "step": _POSITIVE,
    "nbeta": _NOT_NEGATIVE,
    "localization": _NOT_NEGATIVE,
    "batch": _ONE_OR_MORE,
    "chains": _ONE_OR_MORE,
    "draws": _TWO_OR_MORE,
    "burn_in": _NOT_NEGATIVE,
    "thin": _ONE_OR_MORE,
    "seed": _NOT_NEGATIVE,
    "decay": _BELOW_ONE,
    "stabilizer": _POSITIVE,
}


def sampler(
    kind: str, values: Mapping[str, Value], written: Mapping[str, ast.Expression], span: Span
) -> Sampler:
    """Return the settings of a sampler, checked and with defaults filled in."""
    numbers: dict[str, float] = {}
    for name, value in values.items():
        if name == "estimator":
            continue
        assert isinstance(value, Num)
        condition, holds = _SETTINGS[name]
        if not holds(value.real):
            raise LoweringError(_out_of_range(name, condition, written[name]))
        numbers[name] = value.real
    if kind == "importance" and numbers.get("draws", 2) % 2:
        raise LoweringError(_out_of_range("draws", "even: draws come in pairs", written["draws"]))
    closed, still = kind == "laplace", kind in ("laplace", "importance")
    draws = int(numbers.get("draws", CLOSED_FORM_DRAWS if closed else DEFAULT_DRAWS))
    thin = int(numbers.get("thin", 1))
    burn_in = max(draws * thin // BURN_IN_SHARE, ADAPTING if kind == "hmc" else 0)
    return Sampler(
        kind=kind,
        step=numbers.get("step", 0.0),
        nbeta=numbers["nbeta"],
        localization=numbers["localization"],
        batch=int(numbers.get("batch", 0)),
        chains=int(numbers.get("chains", 1 if closed else DEFAULT_CHAINS)),
        draws=draws,
        burn_in=0 if still else int(numbers.get("burn_in", burn_in)),
        thin=thin,
        seed=int(numbers.get("seed", 0)),
        decay=numbers.get("decay", 0.99),
        stabilizer=numbers.get("stabilizer", 0.1),
        estimator=_estimator(values, written),
        origin=span,
    )


def _estimator(values: Mapping[str, Value], written: Mapping[str, ast.Expression]) -> str:
    return _one_of("estimator", ESTIMATORS, values, written)


def reliable(
    values: Mapping[str, Value], written: Mapping[str, ast.Expression], span: Span
) -> Reliable:
    """Return what `reliable(…)` asks for; the least reliability is a share."""
    at = values["at"]
    assert isinstance(at, Num)
    if not 0 <= at.value <= 1:
        raise LoweringError(_out_of_range("at", "between 0 % and 100 %", written["at"]))
    return Reliable(at.real, _one_of("rest", RESTS, values, written), origin=span)


def _one_of(
    name: str,
    known: tuple[str, str],
    values: Mapping[str, Value],
    written: Mapping[str, ast.Expression],
) -> str:
    """Return a word out of two, the first of them where nothing is written."""
    found = str(values.get(name, known[0]))
    if found in known:
        return found
    raise LoweringError(
        ValueOutOfRange(
            span=written[name].span,
            name=f"`{name}`",
            condition=" or ".join(f'"{word}"' for word in known),
            value="neither of the two",
            advice=closest(found, known, f'leave it out for "{known[0]}"'),
        )
    )


def _out_of_range(name: str, condition: str, written: ast.Expression) -> ValueOutOfRange:
    return ValueOutOfRange(
        span=written.span,
        name=f"`{name}`",
        condition=condition,
        value=f"this is {written.span.text}",
        advice=f"choose a value that is {condition}",
    )


def default_sampler() -> Sampler:
    """Return the stand-in for a pattern without `estimate`: the estimator chooses."""
    return Sampler("default", 0.0, 0.0, 0.0, 0, DEFAULT_CHAINS, DEFAULT_DRAWS, 0)


def schedule(
    kind: str, values: Mapping[str, Value], written: Mapping[str, ast.Expression]
) -> Schedule:
    """Return a schedule, whose numbers are all above zero."""
    for name, value in values.items():
        if isinstance(value, Num) and value.value <= 0:
            raise LoweringError(_out_of_range(name, "above zero", written[name]))
    return Schedule(kind, tuple((name, argument(value)) for name, value in values.items()))


def target(
    kind: str, values: Mapping[str, Value], extra: Mapping[str, Value], path_span: Span, span: Span
) -> EmitTarget:
    """Return an output target, whose path has to stay in the output folder."""
    path = values["path"]
    assert isinstance(path, str)
    if reason := misplaced(path):
        name = PureWindowsPath(path).name  # of a POSIX path too
        if not name or misplaced(name):
            name = "weights.parquet"
        raise LoweringError(PathLeavesFolder(span=path_span, path=path, reason=reason, name=name))
    arguments = tuple((name, argument(value)) for name, value in extra.items())
    return EmitTarget(kind, path, arguments, span)


def argument(value: Value) -> Argument:
    """Return a plain value for the user's own functions and for files."""
    match value:
        case bool() | str():
            return value
        case Num(value=number):
            whole = isinstance(number, Fraction) and number.denominator == 1
            return int(number) if whole else float(number)
        case tuple():
            return tuple(argument(item) for item in value)
    return str(value)
