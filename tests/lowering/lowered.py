"""Small specs to lower, and what comes of them."""

from collections.abc import Mapping

from pattern_lang.diagnostics import SourceFile
from pattern_lang.driver import ReadSpec, read_spec
from pattern_lang.ir import program as ir
from pattern_lang.ir.observables import Observable
from pattern_lang.syntax.bundle import MemoryBundle

HEAD = """edition 2026
use std.transformer as tr
use std.tokens { repeats }
param dose: Quantity[sd] = 1 sd
param half: Real = 0.5
model lm = torch("model.py:build", weights: "base.safetensors")
data text = jsonl("text.jsonl")
data late = text where row.position > 3
observable icl = loss(lm, on: text)
observable complexity = llc(lm, on: text)
observable head[l in 0..2, h in 0..3] = restrict(loss(lm, on: text), to: tr.head(lm, l, h))
"""


def read(
    text: str, params: Mapping[str, str] | None = None, search: tuple[str, ...] = ()
) -> ReadSpec:
    return read_spec(SourceFile("specs/spec.pat", text), MemoryBundle({}, search), params or {})


def lowered(
    *statements: str, head: str = "", params: Mapping[str, str] | None = None
) -> ir.WeightPattern:
    """Return the one pattern of a spec with these statements; it has to be free of errors."""
    body = "".join(f"  {statement}\n" for statement in statements)
    text = f"{HEAD}{head}\npattern steer {{\n  reweight text per sample as w\n{body}}}\n"
    spec = read(text, params)
    assert [d for d in spec.diagnostics if d.is_error] == []
    return spec.lowered.patterns["steer"]


def codes(*statements: str, head: str = "", params: Mapping[str, str] | None = None) -> list[str]:
    """Return the codes of the errors of a spec with these statements."""
    body = "".join(f"  {statement}\n" for statement in statements)
    text = f"{HEAD}{head}\npattern steer {{\n  reweight text per sample as w\n{body}}}\n"
    return [d.code for d in read(text, params).diagnostics if d.is_error]


def constraint(text: str, **options: str) -> ir.Constraint:
    """Return the one constraint that a `require` gives."""
    (found,) = constraints(text, **options)
    return found


def constraints(text: str, **options: str) -> list[ir.Constraint]:
    pattern = lowered("raise icl by 1 sd", f"require {text}", **options)  # type: ignore[arg-type]
    return [item for item in pattern.constraints if not item.implied]


def observable(text: str, head: str = "") -> Observable:
    """Return an observable that a goal asks for."""
    return lowered(f"raise {text} by 1 sd", head=head).queries.observables[0]
