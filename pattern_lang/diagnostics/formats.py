"""Diagnostics for machines: JSON, GitHub annotations and SARIF 2.1.0."""

import json
from collections.abc import Iterable
from typing import Any

from pattern_lang.diagnostics.model import Diagnostic, Severity
from pattern_lang.diagnostics.source import Span

FORMATS = ("text", "json", "github", "sarif")
_GITHUB = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def as_json(diagnostics: Iterable[Diagnostic]) -> str:
    """Return diagnostics as a JSON document."""
    document = {
        "schema": "pattern-lang/diagnostics/1",
        "diagnostics": [_plain(diagnostic) for diagnostic in diagnostics],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def as_github(diagnostics: Iterable[Diagnostic]) -> str:
    """Return diagnostics as GitHub Actions workflow commands."""
    return "".join(_annotation(diagnostic) + "\n" for diagnostic in diagnostics)


def as_sarif(diagnostics: Iterable[Diagnostic], version: str) -> str:
    """Return diagnostics as SARIF 2.1.0."""
    found = list(diagnostics)
    rules = {d.code: {"id": d.code, "shortDescription": {"text": d.title}} for d in found}
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "pat",
                        "version": version,
                        "rules": [rules[code] for code in sorted(rules)],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(diagnostic) for diagnostic in found],
            }
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _plain(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "title": diagnostic.title,
        "message": diagnostic.message,
        "help": diagnostic.help,
        "notes": list(diagnostic.notes),
        "span": _place(diagnostic.span),
        "labels": [{"span": _place(label.span), "text": label.text} for label in diagnostic.labels],
    }


def _place(span: Span | None) -> dict[str, Any] | None:
    if span is None:
        return None
    (line, column), (end_line, end_column) = span.start_position, span.end_position
    return {
        "file": span.source.name,
        "start": span.start,
        "end": span.end,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    }


def _annotation(diagnostic: Diagnostic) -> str:
    parts = [f"title={_property(f'{diagnostic.code}: {diagnostic.title}')}"]
    if diagnostic.span is not None:
        place = _place(diagnostic.span) or {}
        parts[:0] = [
            f"file={_property(place['file'])}",
            f"line={place['line']}",
            f"endLine={place['end_line']}",
            f"col={place['column']}",
            f"endColumn={place['end_column']}",
        ]
    text = diagnostic.message + (f"\nhelp: {diagnostic.help}" if diagnostic.help else "")
    return f"::{_GITHUB[diagnostic.severity]} {','.join(parts)}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _result(diagnostic: Diagnostic) -> dict[str, Any]:
    text = diagnostic.message + (f" ({diagnostic.help})" if diagnostic.help else "")
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "level": diagnostic.severity.value,
        "message": {"text": text},
    }
    if diagnostic.span is not None:
        place = _place(diagnostic.span) or {}
        region = {
            "startLine": place["line"],
            "startColumn": place["column"],
            "endLine": place["end_line"],
            "endColumn": place["end_column"],
        }
        location = {"artifactLocation": {"uri": place["file"]}, "region": region}
        result["locations"] = [{"physicalLocation": location}]
    return result
