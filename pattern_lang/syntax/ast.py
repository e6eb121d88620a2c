"""The syntax tree: frozen nodes, each with its span. Names are as written, numbers are exact."""

from decimal import Decimal

from attrs import field, frozen

from pattern_lang.diagnostics import Span


@frozen
class Node:
    """Anything with a place in a source text. Equality ignores places."""

    span: Span = field(eq=False, repr=False)


@frozen
class Identifier(Node):
    """A name where it is declared, or used as a plain word."""

    name: str


# ---- expressions --------------------------------------------------------------------------------


@frozen
class Expression(Node):
    """The base of all expressions."""


@frozen
class Number(Expression):
    """A number without a unit; `text` is how it was written."""

    value: Decimal
    text: str


@frozen
class Quantity(Expression):
    """A number and a unit name, such as `1 sd` or `50 %`."""

    value: Decimal
    text: str
    unit: Identifier


@frozen
class String(Expression):
    """A string, with its escapes resolved."""

    value: str


@frozen
class Boolean(Expression):
    """`true` or `false`."""

    value: bool


@frozen
class Name(Expression):
    """A name to resolve."""

    name: str


@frozen
class Attribute(Expression):
    """`base.name`."""

    base: Expression
    name: Identifier


@frozen
class Named(Node):
    """`name: value` in a call."""

    name: Identifier
    value: Expression


@frozen
class Call(Expression):
    """`function(positional…, named…)`, arguments in source order."""

    function: Expression
    arguments: tuple[Expression | Named, ...]


@frozen
class Subscript(Expression):
    """`base[indices…]`."""

    base: Expression
    indices: tuple[Expression, ...]


@frozen
class ListOf(Expression):
    """`[items…]`."""

    items: tuple[Expression, ...]


@frozen
class Range(Expression):
    """`low..high`, half open."""

    low: Expression
    high: Expression


@frozen
class Signed(Expression):
    """`+x` or `-x`; `sign` is the product of a run of signs."""

    sign: str
    operand: Expression


@frozen
class Chain(Expression):
    """`first (operator operand)…` for one level of `+ -` or `* /`, left to right."""

    first: Expression
    rest: tuple[tuple[str, Expression], ...]


@frozen
class Power(Expression):
    """`base ^ exponent`, right to left."""

    base: Expression
    exponent: Expression


@frozen
class Compare(Expression):
    """`a < b <= c`, or `a in [b, c]`."""

    first: Expression
    rest: tuple[tuple[str, Expression], ...]


@frozen
class Logical(Expression):
    """A run of `and` or of `or`."""

    operator: str
    operands: tuple[Expression, ...]


@frozen
class Negation(Expression):
    """`not x`."""

    operand: Expression


@frozen
class Where(Expression):
    """`data where predicate…`."""

    base: Expression
    predicates: tuple[Expression, ...]


# ---- pieces of declarations ---------------------------------------------------------------------


@frozen
class TypeName(Node):
    """A type as written: `Quantity[sd]`; arguments of `%` are a TypeName called `%`."""

    name: str
    arguments: tuple["TypeName", ...] = ()


@frozen
class Parameter(Node):
    """`name: type = default` in a signature."""

    name: Identifier
    type: TypeName
    default: Expression | None = None


@frozen
class Index(Node):
    """`name in range` of a family."""

    name: Identifier
    range: Expression


# ---- statements of a pattern --------------------------------------------------------------------


@frozen
class Statement(Node):
    """The base of what stands inside a pattern, rules or study."""


@frozen
class Reweight(Statement):
    """`reweight data per unit as name`; `group` is the row field of `per group row.F`."""

    data: Expression
    unit: Identifier
    group: Expression | None
    name: Identifier


@frozen
class Goal(Statement):
    """`shift | raise | lower O by Q` and `hold O within Q`; `keyword` is the first word."""

    keyword: str
    observable: Expression
    amount: Expression


@frozen
class Move(Statement):
    """`move [O…] along [c…] by Q`."""

    observables: Expression
    direction: Expression
    amount: Expression | None


@frozen
class Clause(Statement):
    """`require | minimize | maximize | estimate | schedule | emit | apply` and one expression."""

    keyword: str
    expression: Expression


@frozen
class StudyItem(Statement):
    """`arms | seeds | using | measure` and expressions; `every` only for `measure`."""

    keyword: str
    expressions: tuple[Expression, ...]
    every: Expression | None = None


# ---- declarations -------------------------------------------------------------------------------


@frozen
class Declaration(Node):
    """The base of what stands at the top of a file. `doc` is its `##` comment."""

    doc: str | None = field(default=None, kw_only=True)


@frozen
class Edition(Declaration):
    """`edition 2026`."""

    number: Number


@frozen
class Use(Declaration):
    """`use std.NAME` or `use "FILE"`, with an alias or names; `module` is a path or `std.NAME`."""

    module: str
    is_file: bool
    module_span: Span = field(eq=False, repr=False)
    alias: Identifier | None
    names: tuple[Identifier, ...] | None


@frozen
class Param(Declaration):
    """`param NAME: TYPE = EXPR`."""

    name: Identifier
    type: TypeName
    value: Expression


@frozen
class Binding(Declaration):
    """`model NAME = EXPR` and `data NAME = EXPR`; `keyword` is the first word."""

    keyword: str
    name: Identifier
    value: Expression


@frozen
class Observable(Declaration):
    """`observable NAME[indices] = EXPR`."""

    name: Identifier
    indices: tuple[Index, ...]
    value: Expression


@frozen
class Def(Declaration):
    """`def NAME(params) -> TYPE = EXPR`."""

    name: Identifier
    parameters: tuple[Parameter, ...]
    result: TypeName
    body: Expression


@frozen
class Rules(Declaration):
    """`rules NAME(params) { statements }`."""

    name: Identifier
    parameters: tuple[Parameter, ...]
    body: tuple[Statement, ...]


@frozen
class Pattern(Declaration):
    """`pattern NAME(params) { statements }`."""

    name: Identifier
    parameters: tuple[Parameter, ...]
    body: tuple[Statement, ...]


@frozen
class Instance(Declaration):
    """`pattern NAME = OTHER(arguments)`."""

    name: Identifier
    value: Expression


@frozen
class Study(Declaration):
    """`study NAME { items }`."""

    name: Identifier
    body: tuple[StudyItem, ...]


@frozen
class File(Node):
    """A whole file.

    `lost` are names declared by statements too broken to be read, `gaps` the places of such
    statements: what seems to be missing there may only be unreadable.
    """

    declarations: tuple[Declaration, ...]
    lost: frozenset[str] = frozenset()
    gaps: tuple[Span, ...] = ()
