"""Evaluate expressions of a checked spec: symbolic values, nothing loaded."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

from attrs import define, evolve, field

from pattern_lang.diagnostics import Span
from pattern_lang.diagnostics.catalogue.types import (
    EmptyRange,
    IndexOutOfRange,
    TooManyCalls,
    ValueOutOfRange,
)
from pattern_lang.ir.observables import Observable
from pattern_lang.ir.sources import (
    DataSource,
    ModelSource,
    RowField,
)
from pattern_lang.lowering import arithmetic, predicates
from pattern_lang.lowering.builtins import call_builtin
from pattern_lang.lowering.damage import Damage
from pattern_lang.lowering.exact import fraction
from pattern_lang.lowering.library import call_library
from pattern_lang.lowering.values import (
    Body,
    Environment,
    Family,
    Interval,
    LoweringError,
    Num,
    Unlowered,
    Value,
)
from pattern_lang.semantics.calls import Callee, find_callee
from pattern_lang.semantics.check import CheckedSpec
from pattern_lang.semantics.scope import Local, Namespace, Scope, Symbol
from pattern_lang.semantics.signatures import bind
from pattern_lang.semantics.typenames import type_of_name
from pattern_lang.semantics.types import ARM, DATA, MODEL, UNKNOWN, ListType, ObservableType, Type
from pattern_lang.semantics.units import UNIT_NAMES
from pattern_lang.syntax import ast
from pattern_lang.syntax.bundle import Bundle

MOST_MEMBERS = 100_000
MOST_CALLS = 50_000
DEEPEST_CALL = 40


@define
class Evaluator:
    """Evaluates expressions; the value of each declaration is computed once."""

    spec: CheckedSpec
    bundle: Bundle
    known: dict[Symbol, Value] = field(factory=dict)
    failed: set[Symbol] = field(factory=set)
    depth: int = 0
    calls: int = 0
    damage: Damage = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Note where the check has found errors."""
        self.damage = Damage.of(self.spec)

    def is_broken(self, span: Span) -> bool:
        """Tell whether the check has found an error within a span."""
        return self.damage.within(span)

    def __call__(self, node: ast.Expression, env: Environment, wanted: Type | None = None) -> Value:
        """Return the value of an expression. Raises LoweringError."""
        match node:
            case ast.Number(value=number):
                return Num(fraction(number))
            case ast.Quantity(value=number, unit=unit):
                known = UNIT_NAMES[unit.name]
                return Num(fraction(number) * fraction(known.factor), known.canonical)
            case ast.String(value=text):
                return text
            case ast.Boolean(value=truth):
                return truth
            case ast.Name():
                return self._name(node, env, wanted)
            case ast.Attribute():
                return self._attribute(node, env)
            case ast.Call():
                return self._call(node, env, wanted)
            case ast.Subscript():
                return self._subscript(node, env)
            case ast.ListOf(items=items):
                element = wanted.element if isinstance(wanted, ListType) else None
                return tuple(self(item, env, element) for item in items)
            case ast.Range():
                return self._range(node, env)
            case _:
                return self._operation(node, env, wanted)

    def _operation(self, node: ast.Expression, env: Environment, wanted: Type | None) -> Value:
        match node:
            case ast.Signed(sign=sign, operand=operand):
                value = self(operand, env, wanted)
                return arithmetic.scale(value, Num(fraction(-1))) if sign == "-" else value
            case ast.Chain(first=first, rest=rest):
                hint = wanted if isinstance(wanted, ObservableType) else None
                values = [self(part, env, hint) for part in (first, *(p for _, p in rest))]
                spans = [operand.span for _, operand in rest]
                return arithmetic.chain([sign for sign, _ in rest], values, spans)
            case ast.Power(base=base, exponent=exponent):
                return arithmetic.power(self(base, env), self(exponent, env), node.span)
            case ast.Compare(first=first, rest=rest):
                sides = [(operator, self(side, env)) for operator, side in rest]
                return predicates.compare(self(first, env), sides)
            case ast.Logical(operator=operator, operands=operands):
                return predicates.logical(operator, [self(item, env) for item in operands])
            case ast.Negation(operand=operand):
                return predicates.negation(self(operand, env))
            case ast.Where(base=base, predicates=kept):
                data = self(base, env, DATA)
                assert isinstance(data, DataSource)
                more = tuple(predicates.predicate(self(item, env)) for item in kept)
                return evolve(data, where=data.where + more)
        raise AssertionError(node)

    # ---- names ----------------------------------------------------------------------------------

    def _name(self, node: ast.Name, env: Environment, wanted: Type | None) -> Value:
        if node.name in env.values:
            return env.values[node.name]
        meaning = env.scope.find(node.name)
        if isinstance(meaning, Symbol):
            patterns = (ast.Pattern, ast.Instance)
            if wanted == ARM and not isinstance(meaning.declaration, patterns):
                return Unlowered(node.name)  # the arm `base`, beside a model of that name
            return self.value_of(meaning)
        if node.name in env.scope.module.file.lost or isinstance(meaning, Local):
            raise LoweringError(None)
        return Unlowered(node.name)

    def _attribute(self, node: ast.Attribute, env: Environment) -> Value:
        base = node.base
        meaning = env.scope.find(base.name) if isinstance(base, ast.Name) else None
        if isinstance(meaning, Namespace):
            symbol = meaning.module.names[node.name.name]
            assert isinstance(symbol, Symbol)
            return self.value_of(symbol)
        return RowField(node.name.name, node.span)

    def value_of(self, symbol: Symbol) -> Value:
        """Return the value of a declared name. Raises LoweringError, with its problem only once."""
        if symbol in self.failed:
            raise LoweringError(None)
        if symbol not in self.known:
            if not _has_own_recovery(symbol) and self.is_broken(symbol.declaration.span):
                raise LoweringError(None)
            try:
                self.known[symbol] = self._declared(symbol)
            except LoweringError:
                self.failed.add(symbol)
                raise
        return self.known[symbol]

    def _declared(self, symbol: Symbol) -> Value:
        env = Environment(Scope(symbol.module))
        declaration = symbol.declaration
        match declaration:
            case ast.Param(value=value):
                mine = symbol.module is self.spec.main
                chosen = self.spec.overrides.get(symbol.name, value) if mine else value
                return self(chosen, env, type_of_name(declaration.type)[0])
            case ast.Binding(keyword=keyword, value=value):
                found = self(value, env, MODEL if keyword == "model" else DATA)
                plain = isinstance(value, ast.Name)
                assert isinstance(found, (ModelSource, DataSource))
                return found if plain else evolve(found, name=symbol.name, origin=value.span)
            case ast.Observable():
                return self._observable(symbol, declaration, env)
            case ast.Pattern() | ast.Rules():
                return self._body(symbol, {}, env)
            case ast.Instance(value=value):
                found = self(value, env)
                assert isinstance(found, Body)
                return evolve(found, name=symbol.name)
        return Unlowered(symbol.name)

    def _body(self, symbol: Symbol, given: dict[str, ast.Expression], env: Environment) -> Body:
        """Bind the parameters of a pattern or rules; what has no value yet stays unbound."""
        declaration = symbol.declaration
        assert isinstance(declaration, (ast.Pattern, ast.Rules))
        scope = Scope(symbol.module)
        values: dict[str, Value] = {}
        for parameter in declaration.parameters:
            name = parameter.name.name
            scope = scope.with_locals(Local(name, UNKNOWN))
            if name in given:
                values[name] = self(given[name], env, type_of_name(parameter.type)[0])
            elif parameter.default is not None:
                values[name] = self(parameter.default, Environment(Scope(symbol.module)))
        return Body(symbol.name, symbol, Environment(scope, values))

    # ---- observables and families ---------------------------------------------------------------

    def _observable(self, symbol: Symbol, node: ast.Observable, env: Environment) -> Value:
        if not node.indices:
            return self._member(symbol.name, node, env)
        ranges = []
        for index in node.indices:
            interval = self(index.range, env)
            assert isinstance(interval, Interval)
            ranges.append((index.name.name, interval))
        return Family(symbol.name, symbol, tuple(ranges))

    def _member(self, name: str, node: ast.Observable, env: Environment) -> Observable:
        value = self(node.value, env, ObservableType(None))
        assert isinstance(value, Observable)
        return evolve(value, name=name, origin=node.value.span)

    def member(self, family: Family, indices: tuple[int, ...]) -> Observable:
        """Return one member of a family."""
        node = family.symbol.declaration
        assert isinstance(node, ast.Observable)
        scope = Scope(family.symbol.module)
        values: dict[str, Value] = {}
        for (name, _), index in zip(family.ranges, indices, strict=True):
            scope = scope.with_locals(Local(name, UNKNOWN))
            values[name] = Num(fraction(index))
        shown = ",".join(map(str, indices))
        return self._member(f"{family.name}[{shown}]", node, Environment(scope, values))

    def members(self, family: Family) -> tuple[Observable, ...]:
        """Return all members of a family, the last index fastest."""
        count = prod(interval.high - interval.low for _, interval in family.ranges)
        if count > MOST_MEMBERS:
            raise LoweringError(
                ValueOutOfRange(
                    span=family.symbol.span,
                    name=f"`{family.name}`",
                    condition=f"a family of at most {MOST_MEMBERS:,} members",
                    value=f"{count:,} members",
                    advice="make its ranges smaller",
                )
            )
        indices: list[tuple[int, ...]] = [()]
        for _, interval in family.ranges:
            indices = [(*i, j) for i in indices for j in range(interval.low, interval.high)]
        return tuple(self.member(family, index) for index in indices)

    def _subscript(self, node: ast.Subscript, env: Environment) -> Value:
        base = self(node.base, env)
        indices = [self(index, env) for index in node.indices]
        numbers = [int(index.value) for index in indices if isinstance(index, Num)]
        if isinstance(base, tuple):
            ranges = ((node.base.span.text, Interval(0, len(base))),)
        else:
            assert isinstance(base, Family)
            ranges = base.ranges  # type: ignore[assignment]
        for (name, interval), number, written in zip(ranges, numbers, node.indices, strict=True):
            if not interval.low <= number < interval.high:
                raise LoweringError(
                    IndexOutOfRange(
                        span=written.span,
                        family=node.base.span.text,
                        index=str(number),
                        name=name,
                        range=str(interval),
                    )
                )
        return base[numbers[0]] if isinstance(base, tuple) else self.member(base, tuple(numbers))

    def _range(self, node: ast.Range, env: Environment) -> Interval:
        low, high = self(node.low, env), self(node.high, env)
        assert isinstance(low, Num)
        assert isinstance(high, Num)
        interval = Interval(int(low.value), int(high.value))
        if interval.low >= interval.high:
            raise LoweringError(EmptyRange(span=node.span, range=str(interval)))
        return interval

    # ---- calls ----------------------------------------------------------------------------------

    def _call(self, node: ast.Call, env: Environment, wanted: Type | None) -> Value:
        callee = find_callee(node.function, env.scope, wanted)
        if callee is None:
            raise LoweringError(None)
        bound, _ = bind(callee.signature, node)
        if callee.symbol is not None:
            return self._call_declared(callee, callee.symbol, bound.arguments, node, env)
        return call_builtin(self, callee, bound, node, env, wanted)

    def _call_declared(
        self,
        callee: Callee,
        symbol: Symbol,
        given: dict[str, ast.Expression],
        node: ast.Call,
        env: Environment,
    ) -> Value:
        declaration = symbol.declaration
        if isinstance(declaration, (ast.Pattern, ast.Rules)):
            return evolve(self._body(symbol, given, env), origin=node.span if given else None)
        assert isinstance(declaration, ast.Def)
        if self.is_broken(declaration.span):
            raise LoweringError(None)
        inner = Environment(Scope(symbol.module))
        values: dict[str, Value] = {}
        scope = inner.scope
        for parameter in declaration.parameters:
            name, type_ = parameter.name.name, type_of_name(parameter.type)[0]
            scope = scope.with_locals(Local(name, type_))
            source, where = (given[name], env) if name in given else (parameter.default, inner)
            assert source is not None
            values[name] = self(source, where, type_)
        body = declaration.body
        if isinstance(body, ast.Name) and body.name == "builtin":
            return call_library(symbol, values, node.span)
        with self.inside(node.span):
            return self(body, Environment(scope, values), type_of_name(declaration.result)[0])

    @contextmanager
    def inside(self, span: Span) -> Iterator[None]:
        """Count what is worked out while a function or rules are called."""
        self.depth += 1
        self.calls += 1
        try:
            if self.depth > DEEPEST_CALL:
                what = f"more than {DEEPEST_CALL} calls within each other"
                raise LoweringError(TooManyCalls(span=span, what=what))
            if self.calls > MOST_CALLS:
                what = f"the spec beyond {MOST_CALLS:,} calls"
                raise LoweringError(TooManyCalls(span=span, what=what))
            yield
        finally:
            self.depth -= 1


def _has_own_recovery(symbol: Symbol) -> bool:
    """Tell whether the statements of a declaration are left out one by one."""
    return isinstance(symbol.declaration, (ast.Pattern, ast.Rules))
