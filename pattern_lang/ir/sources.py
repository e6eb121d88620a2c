"""Models, data, components and row predicates, as the spec names them: nothing is loaded yet."""

from attrs import evolve, field, frozen

from pattern_lang.diagnostics import Span

Scalar = bool | int | float | str
Argument = Scalar | tuple["Argument", ...]
Arguments = tuple[tuple[str, Argument], ...]


@frozen
class FileRef:
    """A file named in a spec.

    `candidates` are the paths to try, in order: beside the spec first, then the `-I` folders.
    """

    text: str
    candidates: tuple[str, ...]
    origin: Span | None = field(default=None, eq=False, repr=False)


@frozen
class FunctionRef:
    """A user's function, written `"file.py:function"`."""

    file: FileRef
    function: str


@frozen
class ModelSource:
    """A network at a checkpoint.

    `kind` is `torch` (a `builder` function, `weights` loaded into its result) or `hf` (a
    `directory`). `arguments` go to the builder. `loss` overrides the module's own `unit_loss`.
    """

    name: str = field(eq=False)
    kind: str
    builder: FunctionRef | None = None
    directory: FileRef | None = None
    weights: FileRef | None = None
    loss: FunctionRef | None = None
    arguments: Arguments = ()
    origin: Span | None = field(default=None, eq=False, repr=False)


@frozen
class RowField:
    """`row.NAME`: the value of a field in each row."""

    name: str
    origin: Span | None = field(default=None, eq=False, repr=False)


@frozen
class RowLiteral:
    """A constant beside row fields."""

    value: Scalar


@frozen
class RowArithmetic:
    """`left operator right` on numeric row values; `operator` is one of `+ - * / ^`."""

    operator: str
    left: "RowExpression"
    right: "RowExpression"


RowExpression = RowField | RowLiteral | RowArithmetic


@frozen
class Comparison:
    """`left operator right`, where `operator` is one of `< <= == != > >=`."""

    operator: str
    left: RowExpression
    right: RowExpression


@frozen
class Both:
    """Conjunction."""

    left: "Predicate"
    right: "Predicate"


@frozen
class Either:
    """Disjunction."""

    left: "Predicate"
    right: "Predicate"


@frozen
class Not:
    """Negation."""

    operand: "Predicate"


@frozen
class Truth:
    """A Boolean row field used as a predicate."""

    operand: RowField


@frozen
class LibraryPredicate:
    """A predicate of the standard library, such as `std.tokens.repeats` with its arguments."""

    function: str
    arguments: Arguments
    origin: Span | None = field(default=None, eq=False, repr=False)


Predicate = Comparison | Both | Either | Not | Truth | LibraryPredicate


@frozen
class DataSource:
    """Rows with fields.

    `reader` is `python`, `jsonl`, `parquet`, `hf_dataset` or `tokens`; `function` is set for
    `python`, `file` for the others, `tokenizer` where it was given. Rows, and positions in them,
    are kept where every predicate of `where` holds.
    """

    name: str = field(eq=False)
    reader: str
    function: FunctionRef | None = None
    file: FileRef | None = None
    arguments: Arguments = ()
    where: tuple[Predicate, ...] = ()
    origin: Span | None = field(default=None, eq=False, repr=False)
    tokenizer: FileRef | None = None

    @property
    def base(self) -> "DataSource":
        """Return the same rows before any `where`."""
        return evolve(self, where=(), origin=None)


@frozen
class ParameterGlob:
    """All parameters of a model whose names match a glob."""

    model: ModelSource
    pattern: str
    origin: Span | None = field(default=None, eq=False, repr=False)

    @property
    def text(self) -> str:
        """Return the component as a spec writes it, without its model."""
        return f'component("{self.pattern}")'


@frozen
class LibraryComponent:
    """A component of the standard library, such as `std.transformer.head` with its arguments."""

    model: ModelSource
    function: str
    arguments: Arguments
    origin: Span | None = field(default=None, eq=False, repr=False)

    @property
    def text(self) -> str:
        """Return the component as a spec writes it, without its model."""
        values = ", ".join(str(value) for _, value in self.arguments)
        return self.function.removeprefix("std.") + (f"({values})" if values else "")


Component = ParameterGlob | LibraryComponent
