"""The standard library: every function documented, with an example that checks."""

import re

import pytest

from pattern_lang.diagnostics import SourceFile
from pattern_lang.resources import library_file, library_modules
from pattern_lang.syntax import ast
from pattern_lang.syntax.recover import parse
from tests.semantics.checked import codes

EXAMPLE = re.compile(r"^Example: `(.*)`$", re.MULTILINE)

# What only the estimator can find out: names in a network, the text of tokens.
BUILTIN = {
    *("transformer.head", "transformer.mlp", "transformer.embedding", "transformer.unembedding"),
    *("tokens.matches", "tokens.repeats"),
}
HEAD = """edition 2026
use std.{module} {{ {name} }}
use std.transformer as transformer
model m = torch("model.py:build", weights: "base.safetensors")
model nested = m.at("nested.safetensors")
model equal = m.at("equal.safetensors")
data text = jsonl("text.jsonl")
data train = text
data held_out = text
"""
PATTERN = "pattern p {{ reweight text per token as w raise loss(m, on: text) by 1 sd {} }}\n"


def functions() -> list[tuple[str, str, ast.Def | ast.Rules]]:
    found = []
    for module in library_modules():
        text = library_file(module).read_text(encoding="utf-8")
        file, problems = parse(SourceFile(module, text))
        assert problems == ()
        for node in file.declarations:
            if isinstance(node, (ast.Def, ast.Rules)):
                found.append((module, node.name.name, node))
    return found


FUNCTIONS = functions()
NAMES = [f"{module}.{name}" for module, name, _ in FUNCTIONS]


def examples(node: ast.Def | ast.Rules) -> list[str]:
    return EXAMPLE.findall(node.doc or "")


@pytest.mark.parametrize(("module", "name", "node"), FUNCTIONS, ids=NAMES)
def test_every_function_says_what_it_is_for(
    module: str, name: str, node: ast.Def | ast.Rules
) -> None:
    assert node.doc is not None
    sentence, *_ = node.doc.split("\n\n")
    assert sentence.endswith(".")
    assert len(examples(node)) == 1
    assert name in examples(node)[0]


@pytest.mark.parametrize(("module", "name", "node"), FUNCTIONS, ids=NAMES)
def test_every_example_checks(module: str, name: str, node: ast.Def | ast.Rules) -> None:
    (example,) = examples(node)
    first = example.split()[0]
    if first in ("observable", "data"):
        spec = example + "\n"
    elif first in ("apply", "estimate", "schedule"):
        spec = PATTERN.format(example)
    elif first == "text":
        spec = f"data some = {example}\n"
    else:
        spec = f"observable some = {example}\n"
    found = codes(HEAD.format(module=module, name=name) + spec)
    assert [code for code in found if not code.startswith("PATL")] == []


def test_builtin_bodies_are_those_that_must_be() -> None:
    found = {
        f"{module}.{name}"
        for module, name, node in FUNCTIONS
        if isinstance(node, ast.Def)
        and isinstance(node.body, ast.Name)
        and node.body.name == "builtin"
    }
    assert found == BUILTIN


def test_what_the_library_has() -> None:
    assert set(library_modules()) == {
        *("observables", "policies", "samplers", "schedules", "tokens", "transformer")
    }
