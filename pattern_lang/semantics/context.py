"""What a check carries along: the problems found, the types known, and what has been used."""

from collections.abc import Callable, Iterable, Mapping

from attrs import define, field

from pattern_lang.diagnostics import Problem, Span
from pattern_lang.diagnostics.catalogue.names import CyclicDefinition
from pattern_lang.diagnostics.catalogue.types import TypeMismatch
from pattern_lang.diagnostics.suggest import closest
from pattern_lang.semantics.scope import Namespace, Scope, Symbol
from pattern_lang.semantics.types import (
    ARM,
    COMPONENT,
    CONSTRAINT,
    DATA,
    FUNCTION,
    OPTIMIZER,
    PATTERN,
    PREDICATE,
    RANGE,
    ROW,
    ROW_VALUE,
    RULES,
    SAMPLER,
    SCHEDULE,
    TARGET,
    UNKNOWN,
    WEIGHTS,
    Curvature,
    ListType,
    NumberType,
    ObservableType,
    Shape,
    Type,
    WeightType,
    fits,
)
from pattern_lang.semantics.units import Unit
from pattern_lang.syntax import ast

LONGEST_CHAIN = 60
MOST_SUGGESTIONS = 50
SHOWN_CHAIN = 8

Infer = Callable[["Context", ast.Expression, Scope, Type | None], Type]
TypeOf = Callable[["Context", Symbol], Type]


@define
class Context:
    """The state of one check.

    `infer` and `declare` are the two entry points that the rules call back into: the type of an
    expression, and the type of a declaration (checked once, then remembered in `types`).
    `unknown` are the places of expressions without a type, for a reason reported elsewhere.
    """

    infer_type: Infer
    declare: TypeOf
    problems: list[Problem] = field(factory=list)
    types: dict[Symbol, Type] = field(factory=dict)
    used: set[Symbol | Namespace] = field(factory=set)
    active: list[Symbol] = field(factory=list)
    unknown: list[Span] = field(factory=list)
    suggestions: int = 0

    def report(self, problem: Problem) -> Type:
        """Note a problem; the result is the type of what has been reported."""
        self.problems.append(problem)
        return UNKNOWN

    def suggest(self, name: str, known: Iterable[str]) -> str:
        """Return a did-you-mean, or nothing: after many of them too, as each has its price."""
        self.suggestions += 1
        return closest(name, known) if self.suggestions <= MOST_SUGGESTIONS else ""

    def infer(self, expression: ast.Expression, scope: Scope, wanted: Type | None = None) -> Type:
        """Return the type of an expression; `wanted` only chooses between meanings."""
        found = self.infer_type(self, expression, scope, wanted)
        if found == UNKNOWN:
            self.unknown.append(expression.span)
        return found

    def check(
        self, expression: ast.Expression, scope: Scope, *wanted: Type, place: str = "this"
    ) -> Type:
        """Return the type of an expression that has to fit one of the wanted types."""
        found = self.infer(expression, scope, wanted[0])
        if any(fits(found, option) for option in wanted):
            return found
        listed, item = wanted[0], None
        if isinstance(expression, ast.ListOf) and isinstance(listed, ListType) and listed.element:
            item = self._wrong_item(expression, scope, listed.element)
        span, actual, option = item or (expression.span, found, wanted[0])
        return self.report(
            TypeMismatch(
                span=span,
                place=f"an item of {place}" if item else place,
                wanted=article(option) if item else either(wanted),
                found=clause(actual),
                advice=advice_for(span, actual, option),
            )
        )

    def _wrong_item(
        self, items: ast.ListOf, scope: Scope, wanted: Type
    ) -> tuple[Span, Type, Type] | None:
        """Return the first item of a list that does not fit, with its type and the wanted one."""
        for item in items.items:
            found = self.infer(item, scope, wanted)
            if not fits(found, wanted):
                return item.span, found, wanted
        return None

    def type_of(self, symbol: Symbol, span: Span) -> Type:
        """Return the type of a declared name, checking its declaration at the first use."""
        self.used.add(symbol)
        if symbol in self.types:
            return self.types[symbol]
        if symbol in self.active or len(self.active) >= LONGEST_CHAIN:
            return self._cycle(symbol, span)
        self.active.append(symbol)
        self.types[symbol] = found = self.declare(self, symbol)
        self.active.pop()
        return found

    def _cycle(self, symbol: Symbol, span: Span) -> Type:
        """Report what is defined by itself.

        Declarations are checked after what they mention, so a chain of this length is a circle.
        """
        names = [item.name for item in self.active]
        shown = names[names.index(symbol.name) :] if symbol in self.active else names[-3:]
        if len(shown) > SHOWN_CHAIN:
            shown = [*shown[: SHOWN_CHAIN // 2], "…", *shown[-SHOWN_CHAIN // 2 :]]
        chain = " → ".join([*shown, symbol.name])
        return self.report(CyclicDefinition(span=span, name=symbol.name, chain=chain))


def article(type_: Type) -> str:
    """Write what a value of a type is, with its article, as messages do."""
    special = {
        ARM: "a pattern, `base` or a control",
        CONSTRAINT: "a constraint on the weights",
        DATA: "Data",
        PATTERN: "a pattern",
        ROW: "a whole row",
        RULES: "a set of rules",
        WEIGHTS: "the weights",
        ListType(None): "an empty list",
    }
    if type_ in special:
        return special[type_]
    match type_:
        case NumberType(unit=unit) if unit is not Unit.ONE:
            return f"a quantity in {unit.value}"
        case ObservableType(family=count) if count:
            return "a family of observables"
        case WeightType(shape=Shape.GROUPS, curvature=Curvature.AFFINE):
            return "the shares of groups"
        case WeightType(shape=Shape.SCALAR, curvature=curvature):
            return f"a number {curvature.value} in w"
        case WeightType(curvature=curvature):
            return f"{_a(curvature.value)} expression in w"
    return _a(str(type_))


def clause(type_: Type) -> str:
    """Write what a value of a type is as a clause: `this is an Int`."""
    text = article(type_)
    return f"{'these are' if text.startswith('the ') else 'this is'} {text}"


def _a(text: str) -> str:
    return f"{'an' if text[0].lower() in 'aeio' else 'a'} {text}"


def either(options: Iterable[Type]) -> str:
    """Write alternatives: `a range, an Int or a List[Int]`."""
    *first, last = dict.fromkeys(article(option) for option in options)
    return f"{', '.join(first)} or {last}" if first else last


def one_member(span: Span, family: ObservableType) -> str:
    """Return the advice to name one member of a family."""
    return f"name one member: `{span.text}[{', '.join('ijklmnop'[: family.family])}]`"


_EXAMPLES: Mapping[Type, str] = {
    RANGE: "0..3",
    SAMPLER: "sgld(step: 1e-3, nbeta: 30, localization: 300, batch: 64)",
    SCHEDULE: "once()",
    TARGET: 'weights("weights.parquet")',
    OPTIMIZER: "adamw(lr: 1e-3, steps: 3000, batch: 32)",
    COMPONENT: 'component(m, "blocks.0.*")',
    PREDICATE: "row.FIELD == VALUE",
    ROW_VALUE: "row.FIELD",
}


def advice_for(span: Span, found: Type, wanted: Type) -> str:
    """Return the next step for a value of one type where another is needed."""
    if found == FUNCTION:
        return f"call it: `{span.text}(…)`"
    if isinstance(found, ObservableType) and found.family and isinstance(wanted, ObservableType):
        return one_member(span, found)
    if isinstance(wanted, ObservableType) and wanted.family and isinstance(found, ObservableType):
        return "declare a family: `observable NAME[i in 0..N] = …`"
    if wanted in _EXAMPLES:
        return f"write one such as `{_EXAMPLES[wanted]}`"
    if isinstance(found, NumberType) and isinstance(wanted, NumberType):
        if found.unit is Unit.ONE and wanted.unit is not Unit.ONE:
            if span.text.replace(".", "").isdigit():
                return f"write the unit: `{span.text} {wanted.unit.value}`"
            return f"multiply it by `1 {wanted.unit.value}`"
        if wanted.integer and not found.integer:
            return "write a whole number"
        if wanted.unit is Unit.ONE:
            return "write a plain number"
        return f"write it in {wanted.unit.value}"
    return ""
