"""Evaluate expressions of a checked spec: symbolic values, nothing loaded."""

import operator as operator_module
from collections.abc import Callable
from typing import Any

from attrs import define, evolve, field

from pattern_lang.diagnostics import Severity, Span
from pattern_lang.diagnostics.catalogue.types import EmptyRange, IndexOutOfRange
from pattern_lang.ir.observables import Observable
from pattern_lang.ir.sources import (
    Both,
    Comparison,
    DataSource,
    Either,
    ModelSource,
    Not,
    Predicate,
    RowField,
    RowLiteral,
    Truth,
)
from pattern_lang.lowering import arithmetic
from pattern_lang.lowering.builtins import call_builtin
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
from pattern_lang.semantics.types import DATA, MODEL, UNKNOWN, ObservableType, Type
from pattern_lang.semantics.units import UNIT_NAMES
from pattern_lang.syntax import ast
from pattern_lang.syntax.bundle import Bundle


@define
class Evaluator:
    """Evaluates expressions; the value of each declaration is computed once."""

    spec: CheckedSpec
    bundle: Bundle
    known: dict[Symbol, Value] = field(factory=dict)
    broken: tuple[Span, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Note where the check has found errors."""
        self.broken = tuple(
            problem.span
            for problem in self.spec.problems
            if problem.span is not None and problem.severity is Severity.ERROR
        )

    def is_broken(self, span: Span) -> bool:
        """Tell whether the check has found an error within a span."""
        return any(
            span.source is bad.source and span.start <= bad.start and bad.end <= span.end
            for bad in self.broken
        )

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
                return self._name(node, env)
            case ast.Attribute():
                return self._attribute(node, env)
            case ast.Call():
                return self._call(node, env, wanted)
            case ast.Subscript():
                return self._subscript(node, env)
            case ast.ListOf(items=items):
                return tuple(self(item, env) for item in items)
            case ast.Range():
                return self._range(node, env)
            case _:
                return self._operation(node, env)

    def _operation(self, node: ast.Expression, env: Environment) -> Value:
        match node:
            case ast.Signed(sign=sign, operand=operand):
                value = self(operand, env)
                return arithmetic.scale(value, Num(fraction(-1))) if sign == "-" else value
            case ast.Chain(first=first, rest=rest):
                value = self(first, env)
                for operator, operand in rest:
                    value = arithmetic.binary(operator, value, self(operand, env), operand.span)
                return value
            case ast.Power(base=base, exponent=exponent):
                return arithmetic.power(self(base, env), self(exponent, env), node.span)
            case ast.Compare():
                return self._compare(node, env)
            case ast.Logical(operator=operator, operands=operands):
                return self._logical(operator, operands, env)
            case ast.Negation(operand=operand):
                value = self(operand, env)
                return not value if isinstance(value, bool) else Not(_predicate(value))
            case ast.Where(base=base, predicates=predicates):
                data = self(base, env, DATA)
                assert isinstance(data, DataSource)
                more = tuple(_predicate(self(predicate, env)) for predicate in predicates)
                return evolve(data, where=data.where + more)
        raise AssertionError(node)

    # ---- names ----------------------------------------------------------------------------------

    def _name(self, node: ast.Name, env: Environment) -> Value:
        if node.name in env.values:
            return env.values[node.name]
        meaning = env.scope.find(node.name)
        if isinstance(meaning, Symbol):
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
        """Return the value of a declared name."""
        if symbol not in self.known:
            if not _has_own_recovery(symbol) and self.is_broken(symbol.declaration.span):
                raise LoweringError(None)
            self.known[symbol] = self._declared(symbol)
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
            return self._body(symbol, given, env)
        assert isinstance(declaration, ast.Def)
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
        return self(body, Environment(scope, values), type_of_name(declaration.result)[0])

    # ---- truth ----------------------------------------------------------------------------------

    def _compare(self, node: ast.Compare, env: Environment) -> Value:
        """Return a predicate or a truth value; constraints are lowered with their statement."""
        left = self(node.first, env)
        links: list[Predicate | bool] = []
        for operator, side in node.rest:
            right = self(side, env)
            links.append(_link(operator, left, right))
            left = right
        if all(isinstance(link, bool) for link in links):
            return all(links)
        return _join("and", [link for link in links if link is not True])

    def _logical(
        self, operator: str, operands: tuple[ast.Expression, ...], env: Environment
    ) -> Value:
        values = [self(operand, env) for operand in operands]
        if all(isinstance(value, bool) for value in values):
            return all(values) if operator == "and" else any(values)
        return _join(operator, [_predicate(value) for value in values])


def _link(operator: str, left: Value, right: Value) -> Predicate | bool:
    if operator == "in":
        assert isinstance(right, tuple)
        row = arithmetic.row_value(left)
        options: list[Predicate | bool] = [
            Comparison("==", row, arithmetic.row_value(item)) for item in right
        ]
        never = Comparison("!=", row, row)
        joined = _join("or", options) if options else never
        return joined if not isinstance(joined, bool) else never
    if isinstance(left, Num) and isinstance(right, Num):
        return _RELATIONS[operator](left.value, right.value)
    if isinstance(left, (str, bool)) and isinstance(right, (str, bool)):
        return (left == right) is (operator == "==")
    return Comparison(operator, arithmetic.row_value(left), arithmetic.row_value(right))


def _has_own_recovery(symbol: Symbol) -> bool:
    """Tell whether the statements of a declaration are left out one by one."""
    return isinstance(symbol.declaration, (ast.Pattern, ast.Rules))


_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator_module.lt,
    "<=": operator_module.le,
    "==": operator_module.eq,
    "!=": operator_module.ne,
    ">": operator_module.gt,
    ">=": operator_module.ge,
}


def _predicate(value: Value) -> Predicate:
    if isinstance(value, RowField):
        return Truth(value)
    if isinstance(value, bool):
        return _constant(value)
    assert isinstance(value, Predicate)
    return value


def _join(operator: str, operands: list[Predicate | bool]) -> Predicate | bool:
    joined, *rest = [_predicate(operand) for operand in operands]
    for operand in rest:
        joined = Both(joined, operand) if operator == "and" else Either(joined, operand)
    return joined


def _constant(value: bool) -> Predicate:
    """Return a predicate that always or never holds."""
    return Comparison("==" if value else "!=", RowLiteral(1), RowLiteral(1))
