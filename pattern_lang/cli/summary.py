"""What a spec declares and needs, as plain values for `pat info --json`."""

from collections.abc import Iterator
from typing import Any

from attrs import fields, has

from pattern_lang.driver import ReadSpec
from pattern_lang.ir.program import Goal, WeightPattern
from pattern_lang.ir.sources import FileRef, FunctionRef
from pattern_lang.semantics.modules import NEWEST_EDITION
from pattern_lang.syntax import ast

_KINDS = {"model": "models", "data": "data"}


def summary(spec: ReadSpec) -> dict[str, Any]:
    """Return the declarations of a spec by kind, its compiled patterns and the files it needs."""
    document: dict[str, Any] = {
        "schema": "pattern-lang/info/1",
        "file": spec.source.name,
        "edition": NEWEST_EDITION,
        **{key: [] for key in ("params", "models", "data", "observables", "defs", "rules")},
        "patterns": [],
        "studies": [],
        "uses": [m.name for m in spec.checked.modules if m is not spec.checked.main],
    }
    for declaration in spec.checked.main.file.declarations:
        entry = _entry(declaration)
        if entry is not None:
            kind, value = entry
            document[kind].append(_with_lowering(spec, kind, value))
    document["needs"] = list(_needs(spec))
    return document


def _entry(node: ast.Declaration) -> tuple[str, dict[str, Any]] | None:
    name = getattr(node, "name", None)
    if not isinstance(name, ast.Identifier):
        return None
    value: dict[str, Any] = {"name": name.name, "doc": node.doc, "location": str(node.span)}
    match node:
        case ast.Param():
            return "params", value | {"type": node.type.span.text, "default": node.value.span.text}
        case ast.Binding():
            return _KINDS[node.keyword], value | {"source": node.value.span.text}
        case ast.Observable():
            return "observables", value | {
                "indices": [index.name.name for index in node.indices],
                "source": " ".join(node.value.span.text.split()),
            }
        case ast.Def() | ast.Rules() | ast.Pattern():
            kind = {ast.Def: "defs", ast.Rules: "rules", ast.Pattern: "patterns"}[type(node)]
            parameters = [
                {"name": p.name.name, "type": p.type.span.text, "required": p.default is None}
                for p in node.parameters
            ]
            return kind, value | {"parameters": parameters}
        case ast.Instance():
            return "patterns", value | {"parameters": [], "source": node.value.span.text}
        case ast.Study():
            return "studies", value
    return None


def _with_lowering(spec: ReadSpec, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    if kind != "patterns":
        return value
    pattern = spec.lowered.patterns.get(value["name"])
    return value | {"compiles": pattern is not None} | (_program(pattern) if pattern else {})


def _program(pattern: WeightPattern) -> dict[str, Any]:
    queries = pattern.queries
    sampler = queries.sampler
    return {
        "unit": queries.reweight.unit,
        "reweights": queries.reweight.data.name,
        "observables": [
            {"name": observable.name, "unit": observable.unit.value}
            for observable in queries.observables
        ],
        "goals": [
            {"source": goal.source, "kind": goal.kind if isinstance(goal, Goal) else "move"}
            for goal in pattern.goals
        ],
        "constraints": [c.source for c in pattern.constraints if not c.implied],
        "objective": pattern.objective.source,
        "sampler": {
            "kind": sampler.kind,
            **{
                name: getattr(sampler, name)
                for name in ("step", "nbeta", "localization", "batch", "chains", "draws")
            },
        },
        "schedule": pattern.schedule.kind,
        "targets": [{"kind": t.kind, "path": t.path} for t in pattern.targets],
    }


def _needs(spec: ReadSpec) -> Iterator[dict[str, Any]]:
    """Return each file that compiling would read, with the function it is read for."""
    seen: set[tuple[str, str | None]] = set()
    for pattern in spec.lowered.patterns.values():
        for item in _references(pattern.queries):
            file, function = (
                (item.file, item.function) if isinstance(item, FunctionRef) else (item, None)
            )
            if (file.text, function) not in seen:
                seen.add((file.text, function))
                yield {"file": file.text, "function": function, "tried": list(file.candidates)}


def _references(value: Any) -> Iterator[FunctionRef | FileRef]:
    if isinstance(value, (FunctionRef, FileRef)):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _references(item)
    elif has(type(value)):
        for attribute in fields(type(value)):
            if attribute.name not in ("origin", "span"):
                yield from _references(getattr(value, attribute.name))
