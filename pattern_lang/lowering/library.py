"""The standard library's `builtin` bodies: what they stand for is resolved by the estimator."""

from pattern_lang.diagnostics import Span
from pattern_lang.ir.sources import LibraryComponent, LibraryPredicate, ModelSource
from pattern_lang.lowering.settings import argument
from pattern_lang.lowering.values import Value
from pattern_lang.semantics.scope import Symbol
from pattern_lang.semantics.typenames import type_of_name
from pattern_lang.semantics.types import COMPONENT
from pattern_lang.syntax import ast


def call_library(symbol: Symbol, values: dict[str, Value], span: Span) -> Value:
    """Return the component or predicate that a library function stands for."""
    declaration = symbol.declaration
    assert isinstance(declaration, ast.Def)
    name = f"{symbol.module.name}.{symbol.name}"
    model = next((v for v in values.values() if isinstance(v, ModelSource)), None)
    arguments = tuple((key, argument(value)) for key, value in values.items() if value is not model)
    if type_of_name(declaration.result)[0] == COMPONENT:
        assert model is not None
        return LibraryComponent(model, name, arguments, span)
    return LibraryPredicate(name, arguments, span)
