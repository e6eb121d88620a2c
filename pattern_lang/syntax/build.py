"""From the parser's tree to the syntax tree: one method per rule of the grammar."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from attrs import evolve
from lark import Token, Tree

from pattern_lang.diagnostics import Problem, SourceFile, Span
from pattern_lang.diagnostics.catalogue.syntax import NumberOutOfRange, UnknownEscape
from pattern_lang.syntax import ast

_ESCAPE = re.compile(r"\\(u\{[0-9a-fA-F]{1,6}\}|.)", re.DOTALL)
_PLAIN_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}
_LARGEST_EXPONENT = 300
_METHOD = {"def": "def_", "sum": "chain", "product": "chain"}


class Builder:
    """Builds the nodes of one source; `problems` collects what only shows up here.

    `offset` is where the parsed text begins in the source.
    """

    def __init__(self, source: SourceFile, docs: dict[int, str]) -> None:
        self.source = source
        self.docs = docs
        self.offset = 0
        self.problems: list[Problem] = []

    def __call__(self, tree: Tree[Token]) -> Any:
        """Build the node of one rule."""
        return getattr(self, _METHOD.get(tree.data, tree.data))(tree, self.span(tree))

    # ---- places ---------------------------------------------------------------------------------

    def span(self, item: Tree[Token] | Token) -> Span:
        """Return the span of a tree or token."""
        place = item if isinstance(item, Token) else item.meta
        start, end = getattr(place, "start_pos", 0), getattr(place, "end_pos", 0)
        return Span(self.source, (start or 0) + self.offset, (end or 0) + self.offset)

    def identifier(self, token: Token) -> ast.Identifier:
        """Build a name."""
        return ast.Identifier(self.span(token), str(token))

    def parts(self, tree: Tree[Token]) -> Iterator[Any]:
        """Build the children that are present."""
        for child in tree.children:
            if isinstance(child, Tree):
                yield self(child)
            elif child is not None:
                yield child

    def optional(self, tree: Tree[Token] | Token | None) -> Any:
        """Build a child that may be absent."""
        return None if tree is None else self(tree)  # type: ignore[arg-type]

    def doc(self, span: Span) -> str | None:
        """Return the doc comment that stands before a declaration."""
        return self.docs.get(span.start)

    # ---- declarations ---------------------------------------------------------------------------

    def start(self, tree: Tree[Token], span: Span) -> tuple[ast.Declaration, ...]:
        return tuple(self.parts(tree))

    def edition(self, tree: Tree[Token], span: Span) -> ast.Edition:
        return ast.Edition(span, self._number(tree.children[0]), doc=self.doc(span))

    def use(self, tree: Tree[Token], span: Span) -> ast.Use:
        module, alias, imports = tree.children
        name, is_file = self(module)  # type: ignore[arg-type]
        where = self.span(module)
        names = self.optional(imports)
        return ast.Use(span, name, is_file, where, self.optional(alias), names, doc=self.doc(span))

    def module(self, tree: Tree[Token], span: Span) -> tuple[str, bool]:
        first: Any = tree.children[0]
        if first.type == "STRING":
            return self._text(first), True
        return str(first) + "".join(f".{self._field(part)}" for part in tree.children[1:]), False

    def alias(self, tree: Tree[Token], span: Span) -> ast.Identifier:
        return self.identifier(tree.children[0])  # type: ignore[arg-type]

    def imports(self, tree: Tree[Token], span: Span) -> tuple[ast.Identifier, ...]:
        return tuple(self.identifier(token) for token in self.parts(tree))

    def param(self, tree: Tree[Token], span: Span) -> ast.Param:
        name, type_, value = self.parts(tree)
        return ast.Param(span, self.identifier(name), type_, value, doc=self.doc(span))

    def model(self, tree: Tree[Token], span: Span) -> ast.Binding:
        return self._binding("model", tree, span)

    def data(self, tree: Tree[Token], span: Span) -> ast.Binding:
        return self._binding("data", tree, span)

    def _binding(self, keyword: str, tree: Tree[Token], span: Span) -> ast.Binding:
        name, value = self.parts(tree)
        return ast.Binding(span, keyword, self.identifier(name), value, doc=self.doc(span))

    def observable(self, tree: Tree[Token], span: Span) -> ast.Observable:
        name, indices, value = tree.children
        found = self.optional(indices) or ()
        return ast.Observable(
            span,
            self.identifier(name),  # type: ignore[arg-type]
            found,
            self(value),  # type: ignore[arg-type]
            doc=self.doc(span),
        )

    def indices(self, tree: Tree[Token], span: Span) -> tuple[ast.Index, ...]:
        return tuple(self.parts(tree))

    def index(self, tree: Tree[Token], span: Span) -> ast.Index:
        name, _in, range_ = self.parts(tree)
        return ast.Index(span, self.identifier(name), range_)

    def def_(self, tree: Tree[Token], span: Span) -> ast.Def:
        name, signature, result, body = self.parts(tree)
        return ast.Def(span, self.identifier(name), signature, result, body, doc=self.doc(span))

    def rules(self, tree: Tree[Token], span: Span) -> ast.Rules:
        name, signature, *body = self.parts(tree)
        return ast.Rules(span, self.identifier(name), signature, tuple(body), doc=self.doc(span))

    def pattern(self, tree: Tree[Token], span: Span) -> ast.Pattern:
        name, signature, *body = tree.children
        statements = tuple(self(item) for item in body)  # type: ignore[arg-type]
        parameters = self.optional(signature) or ()
        return ast.Pattern(
            span,
            self.identifier(name),  # type: ignore[arg-type]
            parameters,
            statements,
            doc=self.doc(span),
        )

    def instance(self, tree: Tree[Token], span: Span) -> ast.Instance:
        name, value = self.parts(tree)
        return ast.Instance(span, self.identifier(name), value, doc=self.doc(span))

    def study(self, tree: Tree[Token], span: Span) -> ast.Study:
        name, *body = self.parts(tree)
        return ast.Study(span, self.identifier(name), tuple(body), doc=self.doc(span))

    def signature(self, tree: Tree[Token], span: Span) -> tuple[ast.Parameter, ...]:
        return tuple(self.parts(tree))

    def parameter(self, tree: Tree[Token], span: Span) -> ast.Parameter:
        name, type_, *default = self.parts(tree)
        return ast.Parameter(span, self.identifier(name), type_, default[0] if default else None)

    def type(self, tree: Tree[Token], span: Span) -> ast.TypeName:
        name, *arguments = self.parts(tree)
        types = tuple(
            ast.TypeName(self.span(item), "%") if isinstance(item, Token) else item
            for item in arguments
        )
        return ast.TypeName(span, str(name), types)

    # ---- statements of a pattern and of a study -------------------------------------------------

    def reweight(self, tree: Tree[Token], span: Span) -> ast.Reweight:
        data, (unit, group), name = self.parts(tree)
        return ast.Reweight(span, data, unit, group, self.identifier(name))

    def unit(self, tree: Tree[Token], span: Span) -> tuple[ast.Identifier, ast.Expression | None]:
        name, *group = self.parts(tree)
        return self.identifier(name), group[0] if group else None

    def shift(self, tree: Tree[Token], span: Span) -> ast.Goal:
        return ast.Goal(span, "shift", *self.parts(tree))

    def raise_(self, tree: Tree[Token], span: Span) -> ast.Goal:
        return ast.Goal(span, "raise", *self.parts(tree))

    def lower(self, tree: Tree[Token], span: Span) -> ast.Goal:
        return ast.Goal(span, "lower", *self.parts(tree))

    def hold(self, tree: Tree[Token], span: Span) -> ast.Goal:
        return ast.Goal(span, "hold", *self.parts(tree))

    def move(self, tree: Tree[Token], span: Span) -> ast.Move:
        observables, direction, *amount = self.parts(tree)
        return ast.Move(span, observables, direction, amount[0] if amount else None)

    def _clause(self, tree: Tree[Token], span: Span) -> ast.Clause:
        (expression,) = self.parts(tree)
        return ast.Clause(span, tree.data, expression)

    require = minimize = maximize = estimate = schedule = emit = apply = _clause

    def _study_item(self, tree: Tree[Token], span: Span) -> ast.StudyItem:
        return ast.StudyItem(span, tree.data, tuple(self.parts(tree)))

    arms = seeds = using = _study_item

    def measure(self, tree: Tree[Token], span: Span) -> ast.StudyItem:
        *expressions, every = tree.children
        built = tuple(self(item) for item in expressions)  # type: ignore[arg-type]
        return ast.StudyItem(span, "measure", built, self.optional(every))

    def every(self, tree: Tree[Token], span: Span) -> ast.Expression:
        (value,) = self.parts(tree)
        return value  # type: ignore[no-any-return]

    # ---- expressions ----------------------------------------------------------------------------

    def where(self, tree: Tree[Token], span: Span) -> ast.Where:
        base, *predicates = self.parts(tree)
        return ast.Where(span, base, tuple(predicates))

    def or_(self, tree: Tree[Token], span: Span) -> ast.Logical:
        return ast.Logical(span, "or", tuple(self.parts(tree)))

    def and_(self, tree: Tree[Token], span: Span) -> ast.Logical:
        return ast.Logical(span, "and", tuple(self.parts(tree)))

    def not_(self, tree: Tree[Token], span: Span) -> ast.Expression:
        *negations, operand = self.parts(tree)
        twice = len(negations) % 2 == 0
        inner = ast.Negation(span, operand)
        return ast.Negation(span, inner) if twice else inner

    def comparison(self, tree: Tree[Token], span: Span) -> ast.Compare:
        return ast.Compare(span, *self._operators(tree))

    def range(self, tree: Tree[Token], span: Span) -> ast.Range:
        low, high = self.parts(tree)
        return ast.Range(span, low, high)

    def chain(self, tree: Tree[Token], span: Span) -> ast.Chain:
        return ast.Chain(span, *self._operators(tree))

    def _operators(
        self, tree: Tree[Token]
    ) -> tuple[ast.Expression, tuple[tuple[str, ast.Expression], ...]]:
        first, *rest = self.parts(tree)
        return first, tuple(zip(map(str, rest[::2]), rest[1::2], strict=True))

    def signed(self, tree: Tree[Token], span: Span) -> ast.Signed:
        *signs, operand = self.parts(tree)
        negative = sum(sign == "-" for sign in signs) % 2
        return ast.Signed(span, "-" if negative else "+", operand)

    def power(self, tree: Tree[Token], span: Span) -> ast.Expression:
        items = list(self.parts(tree))
        result: ast.Expression = items.pop()
        while items:
            item = items.pop()
            if isinstance(item, ast.Expression):
                result = ast.Power(item.span.to(result.span), item, result)
            elif item.type == "SIGN":
                result = ast.Signed(self.span(item).to(result.span), str(item), result)
        return evolve(result, span=span)

    def postfix(self, tree: Tree[Token], span: Span) -> ast.Expression:
        base, *suffixes = tree.children
        result: ast.Expression = self(base)  # type: ignore[arg-type]
        for suffix in suffixes:
            whole = Span(self.source, span.start, self.span(suffix).end)
            value = self(suffix)  # type: ignore[arg-type]
            match suffix.data:  # type: ignore[union-attr]
                case "call":
                    result = ast.Call(whole, result, value)
                case "subscript":
                    result = ast.Subscript(whole, result, value)
                case _:
                    result = ast.Attribute(whole, result, value)
        return result

    def call(self, tree: Tree[Token], span: Span) -> tuple[ast.Expression | ast.Named, ...]:
        return tuple(self.parts(tree))

    def named(self, tree: Tree[Token], span: Span) -> ast.Named:
        name, value = self.parts(tree)
        return ast.Named(span, self.identifier(name), value)

    def subscript(self, tree: Tree[Token], span: Span) -> tuple[ast.Expression, ...]:
        return tuple(self.parts(tree))

    def attribute(self, tree: Tree[Token], span: Span) -> ast.Identifier:
        token: Any = tree.children[0]
        name = self._field(token)
        return ast.Identifier(Span(self.source, span.end - len(name), span.end), name)

    def number(self, tree: Tree[Token], span: Span) -> ast.Number:
        return self._number(tree.children[0])

    def quantity(self, tree: Tree[Token], span: Span) -> ast.Quantity:
        number = self._number(tree.children[0])
        unit = self.identifier(tree.children[1])  # type: ignore[arg-type]
        return ast.Quantity(span, number.value, number.text, unit)

    def string(self, tree: Tree[Token], span: Span) -> ast.String:
        return ast.String(span, self._text(tree.children[0]))

    def true(self, tree: Tree[Token], span: Span) -> ast.Boolean:
        return ast.Boolean(span, True)

    def false(self, tree: Tree[Token], span: Span) -> ast.Boolean:
        return ast.Boolean(span, False)

    def name(self, tree: Tree[Token], span: Span) -> ast.Name:
        return ast.Name(span, str(tree.children[0]))

    def list_(self, tree: Tree[Token], span: Span) -> ast.ListOf:
        return ast.ListOf(span, tuple(self.parts(tree)))

    def group(self, tree: Tree[Token], span: Span) -> Any:
        (inner,) = self.parts(tree)
        return inner

    # ---- tokens ---------------------------------------------------------------------------------

    def _field(self, token: Any) -> str:
        return str(token)[1:].lstrip()

    def _number(self, token: Any) -> ast.Number:
        value = Decimal(str(token))
        if value and abs(value.adjusted()) > _LARGEST_EXPONENT:
            self.problems.append(NumberOutOfRange(span=self.span(token), number=_clip(token)))
            value = Decimal(1)
        return ast.Number(self.span(token), value, str(token))

    def _text(self, token: Any) -> str:
        def resolve(match: re.Match[str]) -> str:
            sequence = match.group(1)
            if sequence[0] == "u" and len(sequence) > 1 and int(sequence[2:-1], 16) < 0x110000:
                return chr(int(sequence[2:-1], 16))
            if sequence in _PLAIN_ESCAPES:
                return _PLAIN_ESCAPES[sequence]
            start = self.span(token).start + 1 + match.start()
            span = Span(self.source, start, start + len(match.group()))
            self.problems.append(UnknownEscape(span=span, escape=match.group()))
            return ""

        return _ESCAPE.sub(resolve, str(token)[1:-1])


def _clip(token: str, length: int = 40) -> str:
    return str(token) if len(token) <= length else f"{token[:length]}…"
