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
from pattern_lang.semantics.units import UNIT_NAMES
from pattern_lang.syntax import ast

_FORMS = {
    "Quantity": "`Quantity[unit]`, such as `Quantity[sd]`",
    "Observable": "`Observable[unit]`, such as `Observable[nats]`",
    "List": "`List[TYPE]`, such as `List[Real]`",
}


def type_of_name(written: ast.TypeName) -> tuple[Type, tuple[Problem, ...]]:
    """Return the type that is written, and what is wrong with it."""
    name, arguments = written.name, written.arguments
    if name in SIMPLE_TYPES:
        if not arguments:
            return SIMPLE_TYPES[name], ()
        return UNKNOWN, (WrongTypeArguments(span=written.span, type=name, form=f"`{name}`"),)
    if name not in _FORMS:
        advice = closest(name, TYPE_NAMES, f"types are {', '.join(TYPE_NAMES)}")
        return UNKNOWN, (UnknownType(span=written.span, name=name, advice=advice),)
    if name == "Observable" and not arguments:
        return ObservableType(None), ()
    if len(arguments) != 1:
        return UNKNOWN, (WrongTypeArguments(span=written.span, type=name, form=_FORMS[name]),)
    argument = arguments[0]
    if name == "List":
        element, problems = type_of_name(argument)
        return ListType(element), problems
    unit = UNIT_NAMES.get(argument.name)
    if unit is None:
        advice = closest(argument.name, UNIT_NAMES, f"units are {', '.join(UNIT_NAMES)}")
        return UNKNOWN, (UnknownUnit(span=argument.span, name=argument.name, advice=advice),)
    return (NumberType(unit) if name == "Quantity" else ObservableType(unit)), ()
