"""What holds of every text, however broken: the checks of the property tests."""

import json

from pattern_lang.diagnostics import Diagnostic, SourceFile
from pattern_lang.diagnostics.formats import as_github, as_json, as_sarif
from pattern_lang.diagnostics.render import render_all
from pattern_lang.driver import ReadSpec, read_spec
from pattern_lang.syntax import ast
from pattern_lang.syntax.bundle import MemoryBundle

# What a message never shows: names of the compiler's own.
OURS = ("UNKNOWN", "NoneType", "SimpleType", "object at 0x", "[unknown]", "a unknown", "{", "}")


def read(text: str, params: dict[str, str] | None = None) -> ReadSpec:
    return read_spec(SourceFile("spec.pat", text), MemoryBundle(), params or {})


def check_soundly(text: str) -> ReadSpec:
    """Check a text: it never raises, and what it says can be printed and points into the text."""
    spec = read(text)
    for diagnostic in spec.diagnostics:
        _points_into_its_source(diagnostic)
        _speaks_plainly(diagnostic)
    _prints(spec.diagnostics)
    if not spec.has_errors:
        _lowers_everything(spec)
    return spec


def _points_into_its_source(diagnostic: Diagnostic) -> None:
    assert diagnostic.span is not None
    assert diagnostic.labels[0].span == diagnostic.span
    for label in diagnostic.labels:
        span = label.span
        assert 0 <= span.start <= span.end <= len(span.source.text)
        assert label.text


def _speaks_plainly(diagnostic: Diagnostic) -> None:
    assert diagnostic.message
    # A piece of the user's text, between backticks or quotes, may hold anything.
    said = _without_quotations(f"{diagnostic.message} {diagnostic.labels[0].text}")
    assert not [name for name in OURS if name in said], said


def _without_quotations(text: str) -> str:
    for quote in ("`", '"'):
        text = "".join(text.split(quote)[::2])
    return text


def _prints(diagnostics: tuple[Diagnostic, ...]) -> None:
    text = render_all(diagnostics)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert render_all(diagnostics, colour=True).count("\x1b[") % 2 == 0
    for document in (as_json(diagnostics), as_sarif(diagnostics, "1")):
        json.loads(document)
    assert as_github(diagnostics).count("\n") == len(diagnostics)


def _lowers_everything(spec: ReadSpec) -> None:
    """A spec without errors has no pattern that was left out without a word."""
    declared = {
        symbol.name
        for symbol in spec.checked.main.declared()
        if isinstance(symbol.declaration, (ast.Pattern, ast.Instance))
    }
    assert declared == {*spec.lowered.patterns, *spec.lowered.open_patterns}
