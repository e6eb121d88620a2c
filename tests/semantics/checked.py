"""Small specs to check, and what the check says of them."""

from collections.abc import Mapping

from pattern_lang.diagnostics import SourceFile
from pattern_lang.semantics.check import CheckedSpec, check
from pattern_lang.semantics.context import Context, article
from pattern_lang.semantics.declarations import declare
from pattern_lang.semantics.infer import infer
from pattern_lang.semantics.scope import Local, Scope
from pattern_lang.semantics.types import WEIGHTS, Type
from pattern_lang.syntax.bundle import MemoryBundle
from pattern_lang.syntax.recover import parse_expression

HEAD = """edition 2026
use std.tokens { repeats }
use std.transformer as tr
param dose: Quantity[sd] = 1 sd
param half: Real = 0.5
param layers: List[Int] = [0, 1]
model lm = torch("model.py:build")
data text = jsonl("text.jsonl")
observable icl = loss(lm, on: text)
observable complexity = llc(lm, on: text)
observable head[l in 0..2, h in 0..4] = restrict(icl, to: tr.head(lm, l, h))
def double(x: Real) -> Real = 2 * x
"""
PATTERN = "pattern steer {{ reweight text per sample as w raise icl by 1 sd {} }}\n"


def checked(
    text: str, params: Mapping[str, str] | None = None, files: Mapping[str, str] | None = None
) -> CheckedSpec:
    return check(SourceFile("spec.pat", text), MemoryBundle(files or {}), params or {})


def codes(
    text: str, params: Mapping[str, str] | None = None, files: Mapping[str, str] | None = None
) -> list[str]:
    """Return the codes of all problems of a spec, in the order in which they were found."""
    return [problem.code for problem in checked(text, params, files).problems]


def codes_of(declarations: str) -> list[str]:
    """Return the codes that declarations add to a head without any."""
    return codes(HEAD + declarations)


def codes_in(statement: str) -> list[str]:
    """Return the codes of one statement in a pattern, lints left out."""
    found = codes(HEAD + PATTERN.format(statement))
    return [code for code in found if not code.startswith("PATL")]


def type_of(text: str, wanted: Type | None = None) -> str:
    """Return the type of an expression, as messages write it, or the codes of its problems.

    The names of the head are known, and `w` stands for the weights.
    """
    spec = checked(HEAD)
    context = Context(infer, declare)
    scope = Scope(spec.main).with_locals(Local("w", WEIGHTS))
    value, problems = parse_expression(SourceFile("value", text))
    assert value is not None
    assert problems == ()
    found = context.infer(value, scope, wanted)
    said = [problem.code for problem in context.problems]
    return " ".join(said) if said else article(found)
