"""How networks are trained: settings of an optimizer with the values that make sense."""

from collections.abc import Callable, Mapping

from pattern_lang.diagnostics import Span
from pattern_lang.diagnostics.catalogue.types import ValueOutOfRange
from pattern_lang.diagnostics.suggest import closest
from pattern_lang.ir.sources import FunctionRef, ModelSource
from pattern_lang.ir.training import CHECKPOINT, CONSTANT, COSINE, LINEAR, SCRATCH, Optimizer
from pattern_lang.lowering.settings import argument
from pattern_lang.lowering.values import LoweringError, Num, Value
from pattern_lang.syntax import ast

OF_THE_RUN = ("steps", "batch", "warmup", "decay", "clip", "start", "network", "function")
_WORDS = {"start": (SCRATCH, CHECKPOINT), "decay": (CONSTANT, LINEAR, COSINE)}
_POSITIVE = ("above zero", lambda x: x > 0)
_NOT_NEGATIVE = ("zero or more", lambda x: x >= 0)
_SETTINGS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "lr": _POSITIVE,
    "weight_decay": _NOT_NEGATIVE,
    "eps": _POSITIVE,
    "momentum": ("at least zero and below 1", lambda x: 0 <= x < 1),
    "steps": ("1 or more", lambda x: x >= 1),
    "batch": ("1 or more", lambda x: x >= 1),
    "warmup": _NOT_NEGATIVE,
    "clip": _POSITIVE,
}


def optimizer(
    kind: str,
    values: Mapping[str, Value],
    extra: Mapping[str, Value],
    written: Mapping[str, ast.Expression],
    function: FunctionRef | None,
    span: Span,
) -> Optimizer:
    """Return the settings of a training run, checked. `extra` goes to the user's own function."""
    for name, value in values.items():
        if name in _SETTINGS and isinstance(value, Num):
            condition, holds = _SETTINGS[name]
            if not holds(value.real):
                raise LoweringError(_outside(f"`{name}`", condition, written[name]))
    _check_betas(values, written)
    momentum = values.get("momentum")
    still = not (isinstance(momentum, Num) and momentum.real > 0)
    if values.get("nesterov") is True and still:
        raise LoweringError(_outside("`nesterov`", "with a `momentum`", written["nesterov"]))
    own = {name: value for name, value in values.items() if name not in OF_THE_RUN} | dict(extra)
    network, clip = values.get("network"), values.get("clip")
    return Optimizer(
        kind=kind,
        steps=_whole(values, "steps", 1),
        batch=_whole(values, "batch", 1),
        arguments=tuple((name, argument(value)) for name, value in sorted(own.items())),
        start=_word("start", values, written),
        warmup=_whole(values, "warmup", 0),
        decay=_word("decay", values, written),
        clip=clip.real if isinstance(clip, Num) else None,
        function=function,
        network=network if isinstance(network, ModelSource) else None,
        origin=span,
    )


def _whole(values: Mapping[str, Value], name: str, otherwise: int) -> int:
    value = values.get(name)
    return int(value.value) if isinstance(value, Num) else otherwise


def _word(name: str, values: Mapping[str, Value], written: Mapping[str, ast.Expression]) -> str:
    """Return one of the words that a setting takes; the first is the default."""
    known = _WORDS[name]
    found = str(values.get(name, known[0]))
    if found in known:
        return found
    raise LoweringError(
        ValueOutOfRange(
            span=written[name].span,
            name=f"`{name}`",
            condition=" or ".join(f'"{word}"' for word in known),
            value="none of them",
            advice=closest(found, known, f'leave it out for "{known[0]}"'),
        )
    )


def _check_betas(values: Mapping[str, Value], written: Mapping[str, ast.Expression]) -> None:
    betas = values.get("betas")
    if not isinstance(betas, tuple):
        return
    numbers = [beta.real for beta in betas if isinstance(beta, Num)]
    if len(numbers) != 2 or not all(0 <= beta < 1 for beta in numbers):
        condition = "two numbers, each at least zero and below 1"
        raise LoweringError(_outside("`betas`", condition, written["betas"]))


def _outside(name: str, condition: str, written: ast.Expression) -> ValueOutOfRange:
    return ValueOutOfRange(
        span=written.span,
        name=name,
        condition=condition,
        value=f"this is {written.span.text}",
        advice=f"choose a value that is {condition}" if "with" not in condition else "add one",
    )
