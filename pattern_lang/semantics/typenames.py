"""From a type as written to a type."""

from pattern_lang.diagnostics import Problem
from pattern_lang.diagnostics.catalogue.types import UnknownType, UnknownUnit, WrongTypeArguments
from pattern_lang.diagnostics.suggest import closest
from pattern_lang.semantics.types import (
    SIMPLE_TYPES,
    TYPE_NAMES,
    UNKNOWN,
    ListType,
    NumberType,
    ObservableType,
    Type,
)
from pattern_lang.semantics.units import UNIT_NAMES, unit_advice
from pattern_lang.syntax import ast

_UNIT = "one unit in brackets"
_WANTED = {
    "Quantity": (_UNIT, "Quantity[unit]", "such as `Quantity[sd]`"),
    "Observable": (_UNIT, "Observable[unit]", "such as `Observable[nats]`, or `Observable`"),
    "List": ("one type in brackets", "List[TYPE]", "such as `List[Real]`"),
}


# The names that other languages have for types of this one.
_ELSEWHERE = {
    **dict.fromkeys(("integer", "long"), "Int"),
    **dict.fromkeys(("float", "double", "number", "decimal"), "Real"),
    **dict.fromkeys(("str", "text"), "String"),
    **dict.fromkeys(("boolean", "truth"), "Bool"),
    **dict.fromkeys(("array", "sequence", "vector"), "List[TYPE]"),
}


def _advice(name: str) -> str:
    meant = _ELSEWHERE.get(name.lower())
    if meant is not None:
        return f"did you mean `{meant}`?"
    return closest(name, TYPE_NAMES, f"types are {', '.join(TYPE_NAMES)}")


def _wrong(written: ast.TypeName) -> WrongTypeArguments:
    name = written.name
    simple = ("nothing in brackets", name, "remove the brackets")
    wanted, form, advice = _WANTED.get(name, simple)
    return WrongTypeArguments(span=written.span, type=name, wanted=wanted, form=form, advice=advice)


def type_of_name(written: ast.TypeName) -> tuple[Type, tuple[Problem, ...]]:
    """Return the type that is written, and what is wrong with it."""
    name, arguments = written.name, written.arguments
    if name in SIMPLE_TYPES:
        if not arguments:
            return SIMPLE_TYPES[name], ()
        return UNKNOWN, (_wrong(written),)
    if name not in _WANTED:
        advice = _advice(name)
        return UNKNOWN, (UnknownType(span=written.span, name=name, advice=advice),)
    if name == "Observable" and not arguments:
        return ObservableType(None), ()
    if len(arguments) != 1:
        return UNKNOWN, (_wrong(written),)
    argument = arguments[0]
    if name == "List":
        element, problems = type_of_name(argument)
        return (UNKNOWN if problems else ListType(element)), problems
    unit = UNIT_NAMES.get(argument.name)
    if unit is None:
        advice = unit_advice(argument.name)
        return UNKNOWN, (UnknownUnit(span=argument.span, name=argument.name, advice=advice),)
    return (NumberType(unit) if name == "Quantity" else ObservableType(unit)), ()
