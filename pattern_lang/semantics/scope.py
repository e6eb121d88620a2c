"""What names mean: symbols, and the scopes that hold them."""

from collections.abc import Iterator

from attrs import define, field, frozen

from pattern_lang.diagnostics import Span
from pattern_lang.semantics.types import Type
from pattern_lang.syntax import ast


@frozen(eq=False)
class Symbol:
    """A declared name: what declared it, and the file that it belongs to."""

    name: str
    declaration: ast.Declaration
    module: "Module" = field(repr=False)

    @property
    def span(self) -> Span:
        """Return where it is declared."""
        name = getattr(self.declaration, "name", None)
        return name.span if isinstance(name, ast.Identifier) else self.declaration.span


@frozen(eq=False)
class Local:
    """A parameter, an index or the weights: a name inside one body, with its type."""

    name: str
    type: Type


@frozen(eq=False)
class Namespace:
    """A module under a name: `transformer.head`."""

    name: str
    module: "Module" = field(repr=False)
    span: Span = field(repr=False)


Meaning = Symbol | Local | Namespace


@define(eq=False)
class Module:
    """One file: its syntax, the names it declares and the ones it uses from others.

    `places` are where this file introduces them.

    `name` is `std.NAME` for the standard library, otherwise the path. `folder` is where the
    files it names are looked for first.
    """

    name: str
    folder: str
    file: ast.File = field(repr=False)
    is_library: bool = False
    names: dict[str, Meaning] = field(factory=dict, repr=False)
    places: dict[str, Span] = field(factory=dict, repr=False)

    def declared(self) -> Iterator[Symbol]:
        """Return the symbols that this file itself declares."""
        for meaning in self.names.values():
            if isinstance(meaning, Symbol) and meaning.module is self:
                yield meaning


@frozen
class Scope:
    """Names visible at a place: locals first, then the module's own."""

    module: Module
    locals: dict[str, Local] = field(factory=dict)

    def find(self, name: str) -> Meaning | None:
        """Return what a name means here, or None."""
        return self.locals.get(name) or self.module.names.get(name)

    def visible(self) -> tuple[str, ...]:
        """Return every name that means something here."""
        return (*self.locals, *self.module.names)

    def with_locals(self, *added: Local) -> "Scope":
        """Return a scope with more locals."""
        return Scope(self.module, self.locals | {local.name: local for local in added})
