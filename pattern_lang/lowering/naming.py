"""How statements and observables are called in plans, files and reports."""

from attrs import evolve

from pattern_lang.diagnostics import Span
from pattern_lang.ir import program as ir
from pattern_lang.ir.observables import Observable
from pattern_lang.syntax import ast


def statement_text(span: Span) -> str:
    """Return the text of a statement on one line."""
    return " ".join(span.text.split())


def named_as_written(observable: Observable, written: ast.Expression) -> Observable:
    """Return a declared observable under its own name, any other one under its source text."""
    if isinstance(written, (ast.Name, ast.Subscript, ast.Attribute)):
        return observable
    return evolve(observable, name=statement_text(written.span), origin=written.span)


def renamed(expression: ir.Expression, names: dict[str, str]) -> ir.Expression:
    """Return an expression whose atoms use other names for their observables."""
    terms = tuple((coefficient, _renamed(atom, names)) for coefficient, atom in expression.terms)
    return evolve(expression, terms=terms)


def _renamed(atom: ir.Atom, names: dict[str, str]) -> ir.Atom:
    match atom:
        case ir.Predicted(observable=name) | ir.Risk(observable=name):
            return evolve(atom, observable=names.get(name, name))
        case ir.Joined(parts=parts):
            return evolve(atom, parts=tuple(renamed(part, names) for part in parts))
    return atom
