"""What a check carries along: the problems found, the types known, and what has been used."""

from collections.abc import Callable

from attrs import define, field

from pattern_lang.diagnostics import Problem, Span
from pattern_lang.diagnostics.catalogue.names import CyclicDefinition
from pattern_lang.diagnostics.catalogue.types import TypeMismatch
from pattern_lang.semantics.scope import Scope, Symbol
from pattern_lang.semantics.types import UNKNOWN, NumberType, Type, fits
from pattern_lang.semantics.units import Unit
from pattern_lang.syntax import ast

Infer = Callable[["Context", ast.Expression, Scope, Type | None], Type]
TypeOf = Callable[["Context", Symbol], Type]


@define
class Context:
    """The state of one check.

    `infer` and `declare` are the two entry points that the rules call back into: the type of an
    expression, and the type of a declaration (checked once, then remembered in `types`).
    """

    infer_type: Infer
    declare: TypeOf
    problems: list[Problem] = field(factory=list)
    types: dict[Symbol, Type] = field(factory=dict)
    used: set[Symbol] = field(factory=set)
    active: list[Symbol] = field(factory=list)

    def report(self, problem: Problem) -> Type:
        """Note a problem; the result is the type of what has been reported."""
        self.problems.append(problem)
        return UNKNOWN

    def infer(self, expression: ast.Expression, scope: Scope, wanted: Type | None = None) -> Type:
        """Return the type of an expression; `wanted` only chooses between meanings."""
        return self.infer_type(self, expression, scope, wanted)

    def check(
        self, expression: ast.Expression, scope: Scope, *wanted: Type, place: str = "this"
    ) -> Type:
        """Return the type of an expression that has to fit one of the wanted types."""
        found = self.infer(expression, scope, wanted[0])
        if any(fits(found, option) for option in wanted):
            return found
        return self.report(
            TypeMismatch(
                span=expression.span,
                place=place,
                wanted=" or ".join(dict.fromkeys(article(option) for option in wanted)),
                found=article(found),
                advice=_advice(expression.span, found, wanted[0]),
            )
        )

    def type_of(self, symbol: Symbol, span: Span) -> Type:
        """Return the type of a declared name, checking its declaration at the first use."""
        self.used.add(symbol)
        if symbol in self.types:
            return self.types[symbol]
        if symbol in self.active:
            chain = [*self.active[self.active.index(symbol) :], symbol]
            shown = " → ".join(item.name for item in chain)
            return self.report(CyclicDefinition(span=span, name=symbol.name, chain=shown))
        self.active.append(symbol)
        self.types[symbol] = found = self.declare(self, symbol)
        self.active.pop()
        return found


def article(type_: Type) -> str:
    """Write a type with its article, as messages do."""
    text = str(type_)
    if isinstance(type_, NumberType) and type_.unit is not Unit.ONE:
        return f"a quantity in {type_.unit.value}"
    if text == "Weights":
        return "the weights"
    return f"{'an' if text[0].lower() in 'aeio' else 'a'} {text}"


def _advice(span: Span, found: Type, wanted: Type) -> str:
    if isinstance(found, NumberType) and isinstance(wanted, NumberType):
        if found.unit is Unit.ONE and wanted.unit is not Unit.ONE:
            return f"write the unit: `{span.text} {wanted.unit.value}`"
        if wanted.integer and not found.integer:
            return "write a whole number"
        if wanted.unit is Unit.ONE:
            return "write a plain number"
        return f"write it in {wanted.unit.value}"
    return ""
