"""Syntax trees on one line, for tests that say what a text becomes."""

from pattern_lang.diagnostics import SourceFile
from pattern_lang.syntax import ast
from pattern_lang.syntax.recover import parse


def file(text: str) -> ast.File:
    """Parse a text that has no syntax errors."""
    found, problems = parse(SourceFile("spec.pat", text))
    assert problems == ()
    return found


def declaration(text: str) -> str:
    """Show the one declaration of a text."""
    (found,) = file(text).declarations
    return show(found)


def expression(text: str) -> str:
    """Show an expression."""
    (found,) = file(f"param x: Real = {text}").declarations
    assert isinstance(found, ast.Param)
    return show(found.value)


def statement(text: str) -> str:
    """Show a statement of a pattern."""
    (found,) = file(f"pattern p {{ {text} }}").declarations
    assert isinstance(found, ast.Pattern)
    (inner,) = found.body
    return show(inner)


def study_item(text: str) -> str:
    """Show an item of a study."""
    (found,) = file(f"study s {{ {text} }}").declarations
    assert isinstance(found, ast.Study)
    (inner,) = found.body
    return show(inner)


def show(node: object) -> str:  # noqa: C901  (one case for each kind of node)
    """Show a node: a leaf as it is written, any other as `(kind parts…)`."""
    match node:
        case None:
            return "-"
        case str():
            return node
        case bool():
            return str(node).lower()
        case tuple():
            return f"[{' '.join(show(item) for item in node)}]"
        case ast.Identifier(name=name) | ast.Name(name=name):
            return name
        case ast.Number(text=text):
            return text
        case ast.Quantity(text=text, unit=unit):
            return f"{text}:{unit.name}"
        case ast.String(value=value):
            return repr(value)
        case ast.Boolean(value=value):
            return show(value)
        case ast.Named(name=name, value=value):
            return f"{name.name}={show(value)}"
        case ast.Chain(first=first, rest=rest) | ast.Compare(first=first, rest=rest):
            steps = " ".join(f"{operator} {show(operand)}" for operator, operand in rest)
            return f"({show(first)} {steps})"
        case ast.TypeName(name=name, arguments=arguments):
            return name + (show(arguments) if arguments else "")
        case ast.Parameter(name=name, type=type_, default=default):
            return f"{name.name}:{show(type_)}" + (f"={show(default)}" if default else "")
        case ast.Node():
            return f"({_kind(node)} {' '.join(_parts(node))})"
    raise AssertionError(node)


def _kind(node: ast.Node) -> str:
    return type(node).__name__.lower()


def _parts(node: ast.Node) -> list[str]:
    fields = [a.name for a in type(node).__attrs_attrs__ if a.name not in ("span", "doc")]
    hidden = ("module_span",)
    return [show(getattr(node, name)) for name in fields if name not in hidden]
